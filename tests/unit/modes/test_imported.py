"""Vectors of other programs as modes of our sites."""

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import Basis, Modes
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.modes.imported import make_imported_modes
from deephemnma.modes.normal_modes import compute_modes


@pytest.fixture
def positions(generator: torch.Generator) -> torch.Tensor:
    return 6 * torch.randn(40, 3, generator=generator, dtype=torch.float64)


@pytest.fixture
def modes(positions: torch.Tensor) -> Modes:
    return compute_modes(positions, n_modes=12, cutoff=15.0)


def import_modes(positions: torch.Tensor, modes: Modes, **changes: torch.Tensor) -> Modes:
    given = {"vectors": modes.vectors, "eigenvalues": modes.eigenvalues, "numbers": modes.numbers} | changes
    return make_imported_modes(positions, **given)


def test_vectors_are_scaled_and_rigid_ones_left_out(positions: torch.Tensor, modes: Modes) -> None:
    found = import_modes(positions, modes, vectors=-3.7 * modes.vectors)
    assert found.basis == Basis.IMPORTED
    assert found.numbers == tuple(range(7, 13))
    torch.testing.assert_close(found.vectors, -modes.vectors[6:])
    torch.testing.assert_close(found.eigenvalues, modes.eigenvalues[6:])


def test_vectors_turn_with_the_sites_of_their_file(positions: torch.Tensor, modes: Modes) -> None:
    rotation = euler_to_rotation(torch.tensor([0.3, 1.2, -2.0], dtype=torch.float64))
    origin = positions @ rotation.T + 11.0
    found = import_modes(positions, modes, vectors=modes.vectors @ rotation.T, origin=origin)
    torch.testing.assert_close(found.vectors, modes.vectors[6:], atol=1e-9, rtol=0)


def test_vectors_of_other_sites_are_refused(positions: torch.Tensor, modes: Modes) -> None:
    with pytest.raises(InputError, match="move 40 sites, but the reference has 39"):
        import_modes(positions[1:], modes)
    with pytest.raises(InputError, match=r"lie .* A \(RMSD\) from those of the reference"):
        import_modes(positions, modes, origin=positions.flip(0))


def test_vectors_that_say_the_same_are_refused(positions: torch.Tensor, modes: Modes) -> None:
    twice = torch.cat((modes.vectors[6:8], modes.vectors[6:8].sum(dim=0, keepdim=True)))
    with pytest.raises(InputError, match="7, 8, 9 are not independent"):
        import_modes(positions, modes, vectors=twice, eigenvalues=torch.ones(3), numbers=(7, 8, 9))
    with pytest.raises(InputError, match="move the molecule as a whole"):
        import_modes(positions, modes, vectors=modes.vectors[:6], eigenvalues=torch.ones(6), numbers=tuple(range(6)))
