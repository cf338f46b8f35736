import math

import pytest
import torch

from deephemnma.core.model import Modes
from deephemnma.modes.analysis import (
    compute_collectivity,
    compute_cumulative_overlap,
    compute_overlap,
    compute_scores,
    make_mode_table,
)
from deephemnma.modes.normal_modes import compute_modes


def make_modes(vectors: torch.Tensor) -> Modes:
    n_modes = len(vectors)
    eigenvalues = torch.arange(n_modes, dtype=torch.float64)
    return Modes(vectors / vectors.flatten(1).norm(dim=1)[:, None, None], eigenvalues, tuple(range(1, n_modes + 1)))


def test_collectivity_is_the_share_of_moving_sites() -> None:
    vectors = torch.zeros(3, 10, 3, dtype=torch.float64)
    vectors[0, :, 2] = 1.0
    vectors[1, 4, 0] = 1.0
    vectors[2, :5, 1] = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0])
    expected = torch.tensor([1.0, 0.1, 0.5], dtype=torch.float64)
    assert torch.allclose(compute_collectivity(make_modes(vectors)), expected)


def test_collectivity_lies_between_one_site_and_all(cloud: torch.Tensor) -> None:
    modes = compute_modes(cloud, n_modes=180)
    collectivity = compute_collectivity(modes)
    assert (collectivity > 1 / 60).all()
    assert (collectivity <= 1 + 1e-12).all()
    assert torch.allclose(collectivity[:3], torch.ones(3, dtype=torch.float64))


def test_score_averages_the_two_ranks() -> None:
    vectors = torch.zeros(4, 6, 3, dtype=torch.float64)
    for row, movers in enumerate((6, 2, 5, 3)):
        vectors[row, :movers, 0] = 1.0
    expected = torch.tensor([1 + 1, 2 + 4, 3 + 2, 4 + 3], dtype=torch.float64) / 8
    assert torch.allclose(compute_scores(make_modes(vectors)), expected)


def test_overlap_with_a_mode_is_one_and_all_modes_explain_everything(cloud: torch.Tensor) -> None:
    modes = compute_modes(cloud, n_modes=180)
    overlap = compute_overlap(modes, -5.0 * modes.vectors[7])
    assert overlap[7] == pytest.approx(-1)
    assert overlap.abs().sum() == pytest.approx(1, abs=1e-9)
    displacement = torch.randn(60, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    cumulative = compute_cumulative_overlap(modes, displacement)
    assert (cumulative.diff() >= 0).all()
    assert cumulative[-1] == pytest.approx(1)


def test_no_displacement_has_no_overlap(cloud: torch.Tensor) -> None:
    assert (compute_overlap(compute_modes(cloud), torch.zeros(60, 3, dtype=torch.float64)) == 0).all()


def test_table_has_one_row_a_mode(cloud: torch.Tensor) -> None:
    table = make_mode_table(compute_modes(cloud, n_modes=9))
    assert list(table) == ["number", "eigenvalue", "collectivity", "score"]
    assert table["number"] == list(range(1, 10))
    assert all(len(column) == 9 and all(math.isfinite(value) for value in column) for column in table.values())
