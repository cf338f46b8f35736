import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel
from deephemnma.modes.blocks import make_block_basis, make_residue_blocks


def make_atoms(chains: str, residue_numbers: list[int]) -> AtomicModel:
    n_atoms = len(chains)
    text = np.full(n_atoms, "C")
    zeros = torch.zeros(n_atoms, dtype=torch.float64)
    return AtomicModel(
        positions=torch.zeros(n_atoms, 3, dtype=torch.float64),
        elements=text,
        atom_names=text,
        residue_names=np.full(n_atoms, "ALA"),
        chains=np.array(list(chains)),
        residue_numbers=np.array(residue_numbers),
        scattering=zeros,
        b_factors=zeros,
        source="made up",
    )


def test_blocks_are_runs_of_residues_and_end_with_the_chain() -> None:
    atoms = make_atoms("AAAAAAABBB", [1, 1, 2, 3, 3, 7, 8, 8, 9, 10])
    np.testing.assert_array_equal(make_residue_blocks(atoms, block_residues=2), [0, 0, 0, 1, 1, 1, 2, 3, 3, 4])
    np.testing.assert_array_equal(make_residue_blocks(atoms, block_residues=1), [0, 0, 1, 2, 2, 3, 4, 5, 6, 7])


def test_a_block_has_a_residue() -> None:
    with pytest.raises(InputError, match="block_residues"):
        make_residue_blocks(make_atoms("A", [1]), block_residues=0)


def test_basis_has_three_five_or_six_columns_a_block(cloud: torch.Tensor) -> None:
    """A lone site, two sites, and more."""
    blocks = np.array([0, 1, 1, 2, 2, 2, 2])
    basis = make_block_basis(cloud[:7].numpy(), blocks).toarray()
    assert basis.shape == (21, 3 + 5 + 6)
    np.testing.assert_allclose(basis.T @ basis, np.eye(14), atol=1e-12)
    assert (basis[:3, 3:] == 0).all()
