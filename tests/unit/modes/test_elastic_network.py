import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from deephemnma.core.error import InputError
from deephemnma.modes.elastic_network import (
    check_network,
    choose_cutoff,
    compute_relative_cutoff,
    find_pairs,
    suggest_cutoff,
)


def test_pairs_are_those_within_the_cutoff(cloud: torch.Tensor) -> None:
    positions = cloud.numpy()
    expected = np.argwhere(np.triu(squareform(pdist(positions)) <= 6.0, k=1))
    np.testing.assert_array_equal(find_pairs(positions, cutoff=6.0), expected)


def test_relative_cutoff_is_a_percentile_of_the_nearest_distances() -> None:
    lattice = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)
    assert compute_relative_cutoff(3.0 * lattice, percent=95.0) == pytest.approx(3.0)
    lattice[0] -= 10.0  # one site of 125 is far off: 3 of 375 distances
    assert compute_relative_cutoff(3.0 * lattice, percent=99.0) == pytest.approx(3.0)
    assert compute_relative_cutoff(3.0 * lattice, percent=100.0) > 30.0


@pytest.mark.parametrize("percent", [0.0, -5.0, 101.0])
def test_relative_cutoff_is_a_percentage(cloud: torch.Tensor, percent: float) -> None:
    with pytest.raises(InputError, match="--relative-cutoff"):
        compute_relative_cutoff(cloud.numpy(), percent=percent)


def test_a_loose_piece_is_named_with_a_cutoff_that_holds_it(cloud: torch.Tensor) -> None:
    positions = torch.cat((cloud, cloud[:4] + torch.tensor([40.0, 0.0, 0.0], dtype=torch.float64))).numpy()
    names = [f"A/ALA {row}/CA" for row in range(64)]
    with pytest.raises(InputError, match=r"2 pieces.*: chain A, ALA 60 to ALA 63 \(4 sites\):.*--cutoff") as caught:
        check_network(positions, find_pairs(positions, cutoff=8.0), cutoff=8.0, names=names)
    suggestion = suggest_cutoff(positions)
    assert f"{suggestion:.1f} A would do" in str(caught.value)
    check_network(positions, find_pairs(positions, cutoff=suggestion), cutoff=suggestion)
    assert "--select" in str(caught.value)
    with pytest.raises(InputError, match=r"cutoff of 8\.1 A.*--threshold") as caught:
        check_network(positions, find_pairs(positions, cutoff=8.123), cutoff=8.123)  # pseudoatoms have no names
    assert "--select" not in str(caught.value)


def test_a_dangling_site_is_named(cloud: torch.Tensor) -> None:
    farthest = cloud[cloud.norm(dim=-1).argmax()]
    positions = torch.cat((cloud, 1.5 * farthest[None])).numpy()
    second_nearest = np.sort(np.linalg.norm(positions[:-1] - positions[-1], axis=-1))[1]
    with pytest.raises(InputError, match=r"fewer than 3 neighbours .*site 61"):
        check_network(
            positions, find_pairs(positions, cutoff=second_nearest + 1e-6), cutoff=float(second_nearest + 1e-6)
        )


def test_coincident_sites_are_named(cloud: torch.Tensor) -> None:
    positions = torch.cat((cloud, cloud[:1])).numpy()
    with pytest.raises(InputError, match=r"coincide.*site 1, site 61"):
        check_network(positions, find_pairs(positions, cutoff=8.0), cutoff=8.0)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_suggestion_scales_with_the_structure(cloud: torch.Tensor, scale: float) -> None:
    assert suggest_cutoff(scale * cloud.numpy()) == pytest.approx(scale * suggest_cutoff(cloud.numpy()))


def test_suggestion_of_many_sites_agrees_with_that_of_all_pairs() -> None:
    """More than 100 sites go through tetrahedra, fewer through all pairs."""
    lattice = np.stack(np.meshgrid(np.arange(3.0), np.arange(3.0), np.arange(12.0)), axis=-1).reshape(-1, 3)
    gap = lattice + np.where(lattice[:, 2:] > 5, [0.0, 0.0, 9.0], 0.0)
    assert suggest_cutoff(gap) == pytest.approx(1.2 * 10.0)
    assert suggest_cutoff(gap[9:-9]) == pytest.approx(1.2 * 10.0)


def test_default_is_hemnmas_unless_the_sites_lie_farther_apart(cloud: torch.Tensor) -> None:
    assert choose_cutoff(cloud.numpy()) == 8.0
    assert choose_cutoff(3 * cloud.numpy()) == pytest.approx(suggest_cutoff(3 * cloud.numpy()))


def test_default_does_not_tie_what_lies_far_away(cloud: torch.Tensor) -> None:
    far = torch.cat((cloud, cloud[:5] + 500.0)).numpy()
    assert suggest_cutoff(far) > 500.0
    assert choose_cutoff(far) < 50.0
