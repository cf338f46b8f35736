"""Rotation-translation of blocks (RTB, Tama et al. 2000, Proteins 41:1): each block moves as a rigid body."""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel
from deephemnma.modes.rigid import make_rigid_basis


def make_residue_blocks(atoms: AtomicModel, *, block_residues: int) -> Int[np.ndarray, "sites"]:
    """Return the block number of each site: runs of `block_residues` residues of a chain, as elNemo cuts them."""
    if block_residues < 1:
        raise InputError(f"A block has at least 1 residue (block_residues), not {block_residues}.")
    new_chain = _find_changes(atoms.chains)
    new_residue = new_chain | _find_changes(atoms.residue_numbers) | _find_changes(atoms.residue_names)
    residue = np.cumsum(new_residue) - 1
    first_of_chain = residue[np.flatnonzero(new_chain)][np.cumsum(new_chain) - 1]
    new_block = new_residue & ((residue - first_of_chain) % block_residues == 0)
    return np.cumsum(new_block) - 1


def make_block_basis(positions: Float[np.ndarray, "sites 3"], blocks: Int[np.ndarray, "sites"]) -> csr_array:
    """Return the orthonormal basis, in columns, of all displacements that keep every block rigid.

    Returns
    -------
    basis
        Sparse, (3 sites, columns): six columns a block, five where its sites lie on a line, three for a lone site.
    """
    rows, columns, values, n_columns = [], [], [], 0
    for block in np.unique(blocks):
        sites = np.flatnonzero(blocks == block)
        basis = make_rigid_basis(positions[sites])
        coordinates = (3 * sites[:, None] + np.arange(3)).ravel()
        rows.append(np.repeat(coordinates, basis.shape[1]))
        columns.append(np.tile(np.arange(basis.shape[1]) + n_columns, len(coordinates)))
        values.append(basis.ravel())
        n_columns += basis.shape[1]
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return csr_array(entries, shape=(3 * len(positions), n_columns))


def _find_changes(labels: np.ndarray) -> np.ndarray:
    """Mark where a label differs from the one before; the first is marked."""
    return np.concatenate(([True], labels[1:] != labels[:-1]))
