import pytest
import torch

from deephemnma.core.model import Modes
from deephemnma.modes.rigid import make_rigid_modes
from deephemnma.modes.subspace import compute_subspace_overlap


@pytest.fixture
def positions(generator: torch.Generator) -> torch.Tensor:
    return torch.randn(30, 3, generator=generator, dtype=torch.float64)


def make_modes(vectors: torch.Tensor) -> Modes:
    return Modes(vectors, torch.ones(len(vectors), dtype=torch.float64), tuple(range(7, 7 + len(vectors))))


def test_the_same_space_overlaps_whole(positions: torch.Tensor, generator: torch.Generator) -> None:
    """However its vectors are mixed, and whatever rigid motion they carry."""
    vectors = torch.randn(4, 30, 3, generator=generator, dtype=torch.float64)
    mix = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    rigid = torch.from_numpy(make_rigid_modes(positions.numpy())).T.reshape(6, 30, 3)
    other = torch.einsum("ab,bsx->asx", mix, vectors) + 5 * rigid[[0, 3, 4, 5]]
    assert compute_subspace_overlap(make_modes(vectors), make_modes(other), positions=positions) == pytest.approx(1)


def test_half_a_space_overlaps_by_the_root_of_a_half(positions: torch.Tensor, generator: torch.Generator) -> None:
    rigid = torch.from_numpy(make_rigid_modes(positions.numpy()))
    basis = torch.randn(90, 6, generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(basis - rigid @ (rigid.T @ basis))[0].T.reshape(6, 30, 3)
    first, second = make_modes(basis[:4]), make_modes(basis[2:6])
    assert compute_subspace_overlap(first, second, positions=positions) == pytest.approx(0.5**0.5)
    assert compute_subspace_overlap(make_modes(basis[:2]), make_modes(basis[4:]), positions=positions) < 1e-10
