"""Readings of given poses: the right one wins, and where none is right that is said."""

import pytest
import torch

from deephemnma.core.particle import Poses
from deephemnma.core.rotation import make_random_rotations
from deephemnma.pipeline.preflight.pose import PoseTrial, compare, try_poses
from deephemnma.pipeline.preflight.pose_finding import judge_convention, judge_frame

PIXEL = 2.6


@pytest.fixture
def try_these(probe, truth):
    def run(poses: Poses) -> PoseTrial:
        return try_poses(probe, probe.make_state(poses, None), pixel_size=PIXEL, seed=0)

    return run


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda poses: Poses(_mirror_in_z(poses.rotations), poses.shifts), "reference mirrored in z"),
        (lambda poses: Poses(poses.rotations, -poses.shifts), "shifts negated"),
        (lambda poses: Poses(poses.rotations, poses.shifts / PIXEL), "shifts in pixels"),
        (lambda poses: Poses(poses.rotations, poses.shifts * PIXEL), "shifts in A"),
        (lambda poses: Poses(poses.rotations.mT, -poses.shifts), "rotations inverted, shifts negated"),
    ],
)
def test_the_convention_that_was_misread_is_found(truth, try_these, spoil, said: str) -> None:
    trial = try_these(spoil(truth.poses))
    assert trial.is_credible
    assert trial.chosen.convention.describe() == said
    finding = judge_convention(trial)
    assert (finding.verdict, said in finding.sentence) == ("fix", True)
    read = trial.chosen.apply_to_poses(spoil(truth.poses), pixel_size=PIXEL)
    assert torch.allclose(read.rotations, truth.poses.rotations)
    assert torch.allclose(read.shifts, truth.poses.shifts)


def _mirror_in_z(rotations: torch.Tensor) -> torch.Tensor:
    """Return the poses of the reference mirrored in z that give the same images: along the view nothing is seen."""
    flip = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=rotations.dtype))
    return flip @ rotations @ flip


def test_poses_of_other_particles_are_told_from_a_wrong_convention(truth, try_these) -> None:
    rotations = make_random_rotations(len(truth), generator=torch.Generator().manual_seed(1))
    trial = try_these(Poses(rotations, truth.poses.shifts))
    assert not trial.is_credible
    assert judge_convention(trial).verdict == "fix"
    assert "do not belong" in judge_convention(trial).sentence
    assert judge_frame(trial, gyration_radius=20.0) is None


def test_right_poses_beat_every_other_reading(truth, try_these) -> None:
    trial = try_these(truth.poses)
    assert trial.chosen.convention.is_given
    others = [reading for each, reading in trial.conventions.items() if not each.is_given]
    assert min(compare(trial.given, other).z for other in (*others, trial.random)) > 4
    assert "mirrored reference is worse" in judge_convention(trial).sentence
    assert judge_frame(trial, gyration_radius=20.0).verdict == "ok"
