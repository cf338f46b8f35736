import numpy as np
import pytest
import torch

from deephemnma.modes import block_network
from deephemnma.modes.block_network import compute_block_hessian, make_block_frames
from deephemnma.modes.elastic_network import find_pairs
from deephemnma.modes.hessian import compute_hessian
from deephemnma.modes.rigid import make_rigid_modes

MIXED = np.repeat([4, 0, 7, 1, 2, 9], [1, 2, 20, 3, 10, 24])
"""A lone site, two sites, and more; numbers in no order and with gaps."""


def test_basis_has_three_five_or_six_columns_a_block(cloud: torch.Tensor) -> None:
    blocks = np.array([0, 1, 1, 2, 2, 2, 2])
    frames = make_block_frames(cloud[:7].numpy(), blocks)
    basis = frames.make_basis().toarray()
    assert basis.shape == (21, frames.n_degrees) == (21, 3 + 5 + 6)
    np.testing.assert_allclose(basis.T @ basis, np.eye(14), atol=1e-12)
    assert (basis[:3, 3:] == 0).all()


def test_a_straight_block_has_five_motions() -> None:
    line = np.arange(4.0)[:, None] * np.array([[1.0, 2.0, -2.0]]) + 50.0
    assert make_block_frames(line, np.zeros(4, dtype=int)).n_degrees == 5


def test_blocks_keep_their_inner_distances(cloud: torch.Tensor) -> None:
    positions = cloud.numpy()
    basis = make_block_frames(positions, MIXED).make_basis().toarray().T.reshape(-1, 60, 3)
    inside = np.argwhere(np.triu(MIXED[:, None] == MIXED[None], k=1))
    links = positions[inside[:, 1]] - positions[inside[:, 0]]
    stretch = np.einsum("mpx,px->mp", basis[:, inside[:, 1]] - basis[:, inside[:, 0]], links)
    assert np.abs(stretch).max() < 1e-12


def test_whole_molecule_moves_within_the_blocks(cloud: torch.Tensor) -> None:
    rigid = make_rigid_modes(cloud.numpy())
    basis = make_block_frames(cloud.numpy(), MIXED).make_basis()
    np.testing.assert_allclose(basis @ (basis.T @ rigid), rigid, atol=1e-12)


@pytest.mark.parametrize("at_once", [1, 50, 10_000])
@pytest.mark.parametrize("blocks", [MIXED, np.arange(60), np.arange(60) % 5], ids=["mixed", "sites", "interleaved"])
def test_sum_over_springs_is_the_projected_hessian(
    cloud: torch.Tensor, monkeypatch: pytest.MonkeyPatch, blocks: np.ndarray, at_once: int
) -> None:
    monkeypatch.setattr(block_network, "SPRINGS_AT_ONCE", at_once)
    positions = cloud.numpy()
    pairs = find_pairs(positions, cutoff=8.0)
    stiffness = np.random.default_rng(5).uniform(1, 10, len(pairs))
    frames = make_block_frames(positions, blocks)
    found = compute_block_hessian(positions, pairs, stiffness=stiffness, frames=frames).toarray()
    basis = frames.make_basis().toarray()
    expected = basis.T @ compute_hessian(positions, pairs, stiffness=stiffness).toarray() @ basis
    np.testing.assert_allclose(found, expected, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_array_equal(found, found.T)


def test_one_block_has_no_springs(cloud: torch.Tensor) -> None:
    positions = cloud.numpy()
    pairs = find_pairs(positions, cutoff=8.0)
    frames = make_block_frames(positions, np.zeros(60, dtype=int))
    hessian = compute_block_hessian(positions, pairs, stiffness=np.ones(len(pairs)), frames=frames)
    np.testing.assert_array_equal(hessian.toarray(), np.zeros((6, 6)))
