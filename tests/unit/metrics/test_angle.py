import math

import pytest
import torch

from deephemnma.core.rotation import (
    compute_geodesic_angle,
    make_random_rotations,
    rotation_from_vector,
)
from deephemnma.metrics.angle import compute_axis_angle, compute_rotation_vector


def test_rotation_about_an_axis_leaves_that_axis_alone():
    turned = rotation_from_vector(torch.tensor([[0.0, 0.0, 0.3]], dtype=torch.float64))
    identity = torch.eye(3, dtype=torch.float64)[None]
    assert float(compute_axis_angle(turned, identity)) == pytest.approx(0.2)


def test_axis_angle_is_a_quarter_of_pi_of_a_small_geodesic_angle():
    generator = torch.Generator().manual_seed(1)
    rotations = make_random_rotations(20_000, generator=generator)
    axes = torch.nn.functional.normalize(torch.randn(20_000, 3, generator=generator, dtype=torch.float64), dim=-1)
    turned = rotation_from_vector(axes * 0.03) @ rotations
    ratio = compute_axis_angle(turned, rotations).mean() / compute_geodesic_angle(turned, rotations).mean()
    assert float(ratio) == pytest.approx(math.pi / 4, abs=2e-3)


def test_small_angles_survive_single_precision():
    turned = rotation_from_vector(torch.tensor([[0.0, 1e-5, 0.0]]))
    assert float(compute_axis_angle(turned, torch.eye(3)[None])) == pytest.approx(2e-5 / 3, rel=1e-3)


def test_rotation_vector_is_in_the_view_frame():
    rotations = make_random_rotations(5, generator=torch.Generator().manual_seed(2))
    vectors = torch.tensor([[0.1, -0.2, 0.05]], dtype=torch.float64).expand(5, 3)
    found = rotation_from_vector(vectors) @ rotations
    torch.testing.assert_close(compute_rotation_vector(found, rotations), vectors)
