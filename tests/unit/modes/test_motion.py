import pytest
import torch

from deephemnma.core.rotation import make_random_rotations
from deephemnma.modes.analysis import compute_cumulative_overlap, compute_overlap
from deephemnma.modes.motion import explain_motion, make_motion
from deephemnma.modes.normal_modes import compute_modes

ALL = torch.arange(60)


def test_a_motion_along_one_mode_is_that_mode(cloud: torch.Tensor) -> None:
    modes = compute_modes(cloud, n_modes=20)
    motion = make_motion(cloud, cloud - 0.01 * modes.vectors[9], sites=ALL, source="end")
    explanation = explain_motion(modes, motion)
    expected = torch.zeros(20, dtype=torch.float64)
    expected[9] = -1
    assert torch.allclose(explanation.overlaps, expected, atol=1e-3)
    assert torch.allclose(explanation.cumulative, expected.abs().cumsum(0), atol=1e-3)
    assert explanation.amplitudes[9] == pytest.approx(-0.01, rel=1e-3)
    assert motion.rmsd == pytest.approx(0.01 / 60**0.5, rel=1e-3)


def test_moving_as_a_whole_is_no_motion(cloud: torch.Tensor, generator: torch.Generator) -> None:
    rotation = make_random_rotations(1, generator=generator)[0]
    motion = make_motion(cloud, cloud @ rotation.mT + 30, sites=ALL, source="end")
    assert motion.rmsd < 1e-9
    modes = compute_modes(cloud)
    bent = cloud + 3 * torch.randn(60, 3, generator=generator, dtype=torch.float64)
    still, turned = (
        explain_motion(modes, make_motion(cloud, end, sites=ALL, source="end")).overlaps
        for end in (bent, bent @ rotation.mT + 30)
    )
    assert torch.allclose(still, turned)
    assert (still[:6] == 0).all()
    left = make_motion(cloud, bent, sites=ALL, source="end").displacements
    assert torch.allclose(compute_overlap(modes, left)[:6], torch.zeros(6, dtype=torch.float64), atol=1e-9)


def test_on_all_sites_it_is_the_plain_overlap(cloud: torch.Tensor, generator: torch.Generator) -> None:
    modes = compute_modes(cloud, n_modes=180)
    bent = cloud + torch.randn(60, 3, generator=generator, dtype=torch.float64)
    motion = make_motion(cloud, bent, sites=ALL, source="end")
    explanation = explain_motion(modes, motion)
    assert torch.allclose(explanation.overlaps, compute_overlap(modes, motion.displacements), atol=1e-9)
    assert torch.allclose(explanation.cumulative, compute_cumulative_overlap(modes, motion.displacements), atol=1e-9)
    assert explanation.cumulative[-1] == pytest.approx(1)


def test_a_part_of_the_sites_counts_no_motion_twice(cloud: torch.Tensor, generator: torch.Generator) -> None:
    modes = compute_modes(cloud, n_modes=180)
    part = torch.arange(0, 60, 3)
    bent = cloud[part] + 2 * torch.randn(20, 3, generator=generator, dtype=torch.float64)
    explanation = explain_motion(modes, make_motion(cloud[part], bent, sites=part, source="end"))
    assert (explanation.cumulative.diff() >= 0).all()
    assert explanation.cumulative[-1] == pytest.approx(1)
    assert explanation.overlaps.square().sum() > 2  # what summing squares of vectors that are not orthogonal gives
    assert (explanation.cumulative >= explanation.overlaps.abs().cummax(0).values - 1e-9).all()


def test_the_order_of_the_sites_does_not_matter(cloud: torch.Tensor, generator: torch.Generator) -> None:
    modes = compute_modes(cloud)
    bent = cloud + torch.randn(60, 3, generator=generator, dtype=torch.float64)
    order = torch.randperm(60, generator=generator)
    first = explain_motion(modes, make_motion(cloud, bent, sites=ALL, source="end"))
    second = explain_motion(modes, make_motion(cloud[order], bent[order], sites=order, source="end"))
    assert torch.allclose(first.overlaps, second.overlaps)
    assert torch.allclose(first.cumulative, second.cumulative)
