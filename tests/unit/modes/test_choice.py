import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import Modes
from deephemnma.modes.choice import propose_modes
from deephemnma.modes.motion import make_motion
from deephemnma.modes.normal_modes import compute_modes

ALL = torch.arange(60)


def make_modes(eigenvalues: list[float], *, localized: int | None = None) -> Modes:
    """Modes 7, 8, ... of 20 sites: orthogonal waves along z, or one site alone."""
    waves = torch.zeros(len(eigenvalues), 20, 3, dtype=torch.float64)
    steps = torch.arange(20, dtype=torch.float64) + 0.5
    for row in range(len(eigenvalues)):
        waves[row, :, 2] = (torch.pi * (row + 1) * steps / 20).cos() / 10**0.5
    if localized is not None:
        waves[localized - 7] = 0
        waves[localized - 7, 3, 0] = 1
    return Modes(waves, torch.tensor(eigenvalues, dtype=torch.float64), tuple(range(7, 7 + len(eigenvalues))))


def test_without_a_known_motion_the_softest_that_hold_three_quarters() -> None:
    proposal = propose_modes(make_modes([1.0, 2.0, 4.0, 8.0, 8.0]))  # variances 1, 1/2, 1/4, 1/8, 1/8: 2 in all
    assert proposal.numbers == (7, 8)
    assert proposal.share == pytest.approx(0.75)
    assert "75%" in proposal.reason


def test_a_localized_mode_is_left_out_though_it_be_soft() -> None:
    proposal = propose_modes(make_modes([1.0, 2.0, 4.0, 8.0, 8.0], localized=7))
    assert proposal.left_out == {7: "localized"}
    assert 7 not in proposal.numbers


def test_a_mode_that_images_do_not_show_is_left_out() -> None:
    proposal = propose_modes(make_modes([1.0, 2.0, 4.0, 8.0, 8.0]), seen={7: 0.05, 8: 0.2})
    assert proposal.left_out == {7: "not seen"}
    assert proposal.numbers == (8, 9, 10, 11)


def test_twins_of_a_symmetric_molecule_come_together() -> None:
    assert propose_modes(make_modes([1.0, 4.0, 4.0])).numbers == (7, 8, 9)  # 1 + 1/4 of 3/2 would do
    assert propose_modes(make_modes([1.0, 4.0, 4.2])).numbers == (7, 8)


def test_no_more_are_proposed_than_asked_for() -> None:
    proposal = propose_modes(make_modes([1.0] * 10), most_modes=4)
    assert proposal.numbers == (7, 8, 9, 10)
    assert "--most-modes" in proposal.reason


def test_a_known_motion_decides_by_overlap(cloud: torch.Tensor) -> None:
    modes = compute_modes(cloud, n_modes=20)
    end = cloud + 0.01 * (3 * modes.vectors[11] + 2 * modes.vectors[8] + 0.5 * modes.vectors[6])
    motion = make_motion(cloud, end, sites=ALL, source="closed.pdb")
    proposal = propose_modes(modes, motion=motion, lowest_collectivity=0.0)
    assert proposal.numbers == (9, 12)
    assert proposal.share == pytest.approx(13 / 13.25, abs=1e-3)
    assert "closed.pdb" in proposal.reason


def test_where_all_are_left_out_none_is_proposed() -> None:
    proposal = propose_modes(make_modes([1.0, 1.5]), seen={7: 0.0, 8: 0.0})
    assert proposal.numbers == ()
    assert proposal.left_out == {7: "not seen", 8: "not seen"}
    assert "2 that images do not show" in proposal.reason
    localized = propose_modes(make_modes([1.0], localized=7))
    assert localized.numbers == ()
    assert "1 of 1 are localized" in localized.reason


def test_where_collective_modes_run_out_the_reason_says_so() -> None:
    proposal = propose_modes(make_modes([0.1, 8.0, 9.0], localized=7))
    assert proposal.numbers == (8, 9)
    assert "no other collective mode" in proposal.reason
    assert "--most-modes" not in proposal.reason


def test_rigid_modes_alone_are_no_choice(cloud: torch.Tensor) -> None:
    with pytest.raises(InputError, match="--n-modes"):
        propose_modes(compute_modes(cloud, n_modes=6))
