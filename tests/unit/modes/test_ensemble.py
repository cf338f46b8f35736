"""Principal components: known directions come back, in any pose, from memory and from readings alike."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from deephemnma.core.error import InputError
from deephemnma.core.frame import Frames, hold_frames, join_frames
from deephemnma.core.model import Basis
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.core.superposition import superimpose
from deephemnma.modes import ensemble
from deephemnma.modes.ensemble import PrincipalComponents, compute_principal_components
from deephemnma.modes.rigid import make_rigid_modes

N_SITES = 50
SPREADS = torch.tensor([9.0, 5.0, 2.0], dtype=torch.float64)  # A


@pytest.fixture
def positions(generator: torch.Generator) -> torch.Tensor:
    return 12 * torch.randn(N_SITES, 3, generator=generator, dtype=torch.float64)


@pytest.fixture
def directions(positions: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Three orthonormal displacements that are not rigid, in rows."""
    rigid = torch.from_numpy(make_rigid_modes(positions.numpy()))
    random = torch.randn(3 * N_SITES, 3, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(torch.cat((rigid, random), dim=1)).Q[:, 6:].T


def make_frames(positions: torch.Tensor, directions: torch.Tensor, n_frames: int = 400) -> tuple[Frames, torch.Tensor]:
    """Return frames in random poses, and their amplitudes."""
    generator = torch.Generator().manual_seed(1)
    amplitudes = SPREADS * torch.randn(n_frames, 3, generator=generator, dtype=torch.float64)
    rotations = euler_to_rotation(6.28 * torch.rand(n_frames, 3, generator=generator, dtype=torch.float64))
    shifts = 50 * torch.randn(n_frames, 1, 3, generator=generator, dtype=torch.float64)
    moved = positions + (amplitudes @ directions).reshape(n_frames, -1, 3)
    return hold(moved @ rotations.mT + shifts), amplitudes


def hold(positions: torch.Tensor) -> Frames:
    return hold_frames(positions, tuple(f"frame {number}" for number in range(len(positions))))


def test_the_directions_come_back_from_any_pose(positions: torch.Tensor, directions: torch.Tensor) -> None:
    frames, amplitudes = make_frames(positions, directions)
    found = compute_principal_components(positions, frames, n_components=3)
    overlaps = (found.modes.vectors.flatten(1) @ directions.T).abs()
    assert (overlaps.diagonal() > 0.99).all()
    expected = amplitudes.square().mean(dim=0)
    torch.testing.assert_close(found.modes.eigenvalues, expected, rtol=0.03, atol=0)
    assert found.modes.numbers == (1, 2, 3)
    assert found.modes.basis == Basis.PRINCIPAL_COMPONENTS
    assert found.shares.sum() == pytest.approx(1.0, abs=0.01)


def test_components_are_orthonormal_and_leave_the_pose_alone(positions: torch.Tensor, directions: torch.Tensor) -> None:
    frames, _ = make_frames(positions, directions)
    vectors = compute_principal_components(positions, frames, n_components=20).modes.vectors.flatten(1)
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(len(vectors), dtype=torch.float64), atol=1e-9, rtol=0)
    assert (vectors @ torch.from_numpy(make_rigid_modes(positions.numpy()))).abs().max() < 1e-9


def test_a_frame_is_the_reference_displaced_by_its_amplitudes(
    positions: torch.Tensor, directions: torch.Tensor
) -> None:
    frames, _ = make_frames(positions, directions, n_frames=12)
    found = compute_principal_components(positions, frames, n_components=12)
    expected = superimpose(torch.cat(list(frames.read())), positions)
    torch.testing.assert_close(found.modes.displace(positions, found.amplitudes), expected, atol=1e-8, rtol=0)
    rmsd = (expected - positions).square().sum(dim=-1).mean(dim=-1).sqrt()
    torch.testing.assert_close(found.distances, rmsd)


def test_scikit_learn_finds_the_same_about_the_mean(positions: torch.Tensor, directions: torch.Tensor) -> None:
    """Where the reference is the mean of the superposed frames, moments about both are the same."""
    frames, _ = make_frames(positions, directions)
    moved = superimpose(torch.cat(list(frames.read())), positions)
    mirrored = torch.cat((moved, 2 * positions - moved))
    found = compute_principal_components(positions, hold(mirrored), n_components=5)
    oracle = PCA(5, svd_solver="full").fit(mirrored.flatten(1).numpy())
    variances = oracle.explained_variance_ * (len(mirrored) - 1) / len(mirrored)
    # a mirrored frame is superposed anew, which turns it by a second-order angle
    np.testing.assert_allclose(found.modes.eigenvalues.numpy()[:3], variances[:3], rtol=0.01)
    overlaps = np.abs(oracle.components_[:3] @ found.modes.vectors.flatten(1).numpy()[:3].T)
    assert (overlaps.diagonal() > 0.99).all()


@pytest.mark.parametrize(("matrix", "held"), [(0, 1 << 26), (0, 0), (3000, 0)])
def test_every_way_to_solve_gives_the_same(
    positions: torch.Tensor, directions: torch.Tensor, matrix: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, _ = make_frames(positions, directions)
    whole = compute_principal_components(positions, frames, n_components=3)
    monkeypatch.setattr(ensemble, "MATRIX_BELOW", matrix)
    monkeypatch.setattr(ensemble, "HELD_BELOW", held)
    other = compute_principal_components(positions, frames, n_components=3)
    assert_same(other, whole)


def assert_same(first: PrincipalComponents, second: PrincipalComponents) -> None:
    torch.testing.assert_close(first.modes.eigenvalues, second.modes.eigenvalues, rtol=1e-9, atol=0)
    torch.testing.assert_close(first.modes.vectors, second.modes.vectors, atol=1e-5, rtol=0)
    torch.testing.assert_close(first.amplitudes, second.amplitudes, atol=1e-3, rtol=0)


def test_one_conformation_gives_the_way_there(positions: torch.Tensor, directions: torch.Tensor) -> None:
    target = positions + 30 * directions[0].reshape(-1, 3)
    found = compute_principal_components(positions, hold(target[None]), n_components=20)
    assert found.modes.n_modes == 1
    way = superimpose(target, positions) - positions
    torch.testing.assert_close(found.modes.vectors[0], way / way.norm(), atol=1e-9, rtol=0)
    assert float(found.amplitudes) == pytest.approx(float(way.norm()))  # positive: towards the frames


def test_frames_of_several_sources_are_named(positions: torch.Tensor, directions: torch.Tensor) -> None:
    parts = (hold(positions[None] + 0.1), hold_frames(positions[None, torch.randperm(N_SITES)], ("other.pdb model 1",)))
    with pytest.raises(InputError, match=r"other\.pdb model 1 lies .* another order"):
        compute_principal_components(positions, join_frames(parts), n_components=1)


def test_the_reference_alone_is_no_ensemble(positions: torch.Tensor) -> None:
    with pytest.raises(InputError, match="reference itself"):
        compute_principal_components(positions, hold(positions.repeat(3, 1, 1)), n_components=2)
