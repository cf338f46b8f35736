"""Which sites of a structure are bonded, from distances alone."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from deephemnma.core.structure import AtomicModel

COVALENT_RADII = {"H": 0.31, "D": 0.31, "C": 0.76, "N": 0.71, "O": 0.66, "P": 1.07, "S": 1.05, "SE": 1.20}
"""A; Cordero et al. (2008), Dalton Trans. 2832. Metals are held by coordination: no bond is found for them."""
TOLERANCE = 0.4  # A, as in the Cambridge Structural Database
LONGEST_LINK = 8.0  # A, between neighbouring beads: CA-CA is 3.8, P-P 5 to 7.5


def find_bonds(atoms: AtomicModel) -> Int[np.ndarray, "bonds 2"]:
    """Return the pairs (i < j, sorted) of atoms at most the sum of their covalent radii and 0.4 A apart."""
    positions = atoms.positions.detach().cpu().numpy()
    radii = np.array([COVALENT_RADII.get(str(element).upper(), 0.0) for element in atoms.elements])
    pairs = cKDTree(positions).query_pairs(2 * radii.max() + TOLERANCE, output_type="ndarray").reshape(-1, 2)
    first, second = radii[pairs].T
    bonded = (first > 0) & (second > 0) & (compute_lengths(positions, pairs) <= first + second + TOLERANCE)
    return _sort(pairs[bonded])


def find_links(atoms: AtomicModel) -> Int[np.ndarray, "links 2"]:
    """Return the pairs of neighbouring beads: sites that stand for residues that follow each other in a chain."""
    positions, n_sites = atoms.positions.detach().cpu().numpy(), len(atoms.elements)
    first = np.arange(n_sites - 1)
    pairs = np.stack((first, first + 1), axis=1)
    alone = _is_alone(atoms)
    same = (atoms.chains[:-1] == atoms.chains[1:]) & (atoms.atom_names[:-1] == atoms.atom_names[1:])
    linked = alone[:-1] & alone[1:] & same & (compute_lengths(positions, pairs) <= LONGEST_LINK)
    return pairs[linked]


def compute_lengths(
    positions: Float[np.ndarray, "sites 3"], pairs: Int[np.ndarray, "pairs 2"]
) -> Float[np.ndarray, "pairs"]:
    """Return the distance of each pair, A."""
    return np.linalg.norm(positions[pairs[:, 1]] - positions[pairs[:, 0]], axis=1)


def _is_alone(atoms: AtomicModel) -> np.ndarray:
    """Return which sites are the only one of their residue."""
    changes = (atoms.chains[1:] != atoms.chains[:-1]) | (atoms.residue_numbers[1:] != atoms.residue_numbers[:-1])
    changes |= atoms.residue_names[1:] != atoms.residue_names[:-1]
    residues = np.concatenate(([0], np.cumsum(changes)))
    return np.bincount(residues)[residues] == 1


def _sort(pairs: Int[np.ndarray, "pairs 2"]) -> Int[np.ndarray, "pairs 2"]:
    pairs = np.sort(pairs, axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
