import math

import pytest
import torch

from deephemnma.core.rotation import (
    compute_geodesic_angle,
    euler_to_rotation,
    make_random_rotations,
    make_rotation_grid,
    rotation_about_y,
    rotation_about_z,
    rotation_from_quaternion,
    rotation_from_vector,
    rotation_to_euler,
    rotation_to_quaternion,
)


def _degrees(*euler: float) -> torch.Tensor:
    return torch.tensor(euler, dtype=torch.float64).deg2rad()


def test_elementary_rotations_are_those_of_the_convention():
    angle = torch.tensor(0.3, dtype=torch.float64)
    cos, sin = math.cos(0.3), math.sin(0.3)
    about_z = torch.tensor([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]], dtype=torch.float64)
    about_y = torch.tensor([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]], dtype=torch.float64)
    torch.testing.assert_close(rotation_about_z(angle), about_z)
    torch.testing.assert_close(rotation_about_y(angle), about_y)


def test_tilt_and_rot_say_from_where_the_reference_is_seen():
    # The view axis in the reference frame is the last row: (sin tilt cos rot, sin tilt sin rot, cos tilt).
    rotation = euler_to_rotation(_degrees(30, 60, 77))
    sin, cos = math.sin(math.radians(60)), math.cos(math.radians(60))
    wanted = torch.tensor([sin * math.cos(math.radians(30)), sin * math.sin(math.radians(30)), cos])
    torch.testing.assert_close(rotation[2], wanted.double(), atol=1e-7, rtol=0)


def test_euler_angles_come_back():
    euler = _degrees(-170, 10, 120, 0, 90, 0, 45, 170, -60).reshape(3, 3)
    torch.testing.assert_close(rotation_to_euler(euler_to_rotation(euler)), euler)


def test_angles_of_any_range_are_wrapped():
    # HEMNMA writes tilts beyond 180: this is its first result of ak8, near the truth (-33.5, 95.4, -62.0).
    euler = rotation_to_euler(euler_to_rotation(_degrees(145.576208, 265.080662, 117.620548))).rad2deg()
    wanted = torch.tensor([-34.423792, 94.919338, -62.379452], dtype=torch.float64)
    torch.testing.assert_close(euler, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("tilt", [0.0, 180.0, 1e-5, 180 - 1e-5])
def test_poles_keep_the_rotation(tilt):
    rotation = euler_to_rotation(_degrees(20, tilt, 35))
    euler = rotation_to_euler(rotation)
    assert euler.isfinite().all()
    assert compute_geodesic_angle(euler_to_rotation(euler), rotation) < 1e-6


def test_psi_is_zero_at_the_poles():
    assert rotation_to_euler(euler_to_rotation(_degrees(20, 0, 35))).rad2deg().tolist() == pytest.approx([55, 0, 0])


def test_quaternions_lie_on_one_hemisphere_and_come_back(generator):
    rotations = make_random_rotations(200, generator=generator)
    quaternions = rotation_to_quaternion(rotations)
    assert (quaternions[:, 3] >= 0).all()
    torch.testing.assert_close(rotation_from_quaternion(-3 * quaternions), rotations)


def test_rotation_from_vector_is_right_handed():
    quarter = rotation_from_vector(torch.tensor([0, 0, math.pi / 2], dtype=torch.float64))
    torch.testing.assert_close(quarter @ torch.tensor([1.0, 0, 0]).double(), torch.tensor([0, 1.0, 0]).double())


def test_geodesic_angle_of_a_known_turn(generator):
    rotation = make_random_rotations(1, generator=generator)[0]
    turned = rotation_from_vector(torch.tensor([0.1, -0.2, 0.2], dtype=torch.float64)) @ rotation
    assert float(compute_geodesic_angle(rotation, turned)) == pytest.approx(0.3)


def test_random_rotations_are_uniform(generator):
    # Haar measure: the trace has mean 0 and variance 1, and every matrix element has mean 0 and variance 1/3.
    rotations = make_random_rotations(20_000, generator=generator)
    trace = rotations.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert abs(float(trace.mean())) < 0.03
    assert float(trace.var()) == pytest.approx(1, abs=0.05)
    assert float(rotations.var(dim=0).max()) == pytest.approx(1 / 3, abs=0.02)


def test_rotations_are_rotations(generator):
    for rotations in (make_random_rotations(50, generator=generator), make_rotation_grid(50)):
        identity = torch.eye(3, dtype=torch.float64).expand(50, 3, 3)
        torch.testing.assert_close(rotations @ rotations.mT, identity)
        torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(50, dtype=torch.float64))


def test_grid_covers_rotations_evenly(generator):
    grid = rotation_to_quaternion(make_rotation_grid(4608))
    asked = rotation_to_quaternion(make_random_rotations(2000, generator=generator))
    nearest = 2 * (asked @ grid.T).abs().amax(dim=1).clamp(max=1).acos().rad2deg()
    # HEALPix x psi of 4,608 rotations: 7.4 degrees on average, as LIBRARIES.md says of this spiral too.
    assert float(nearest.mean()) == pytest.approx(7.4, abs=0.3)
    assert float(nearest.max()) < 16
