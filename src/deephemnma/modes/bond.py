"""Which sites of a structure are bonded, from distances alone."""

import numpy as np
from jaxtyping import Int
from scipy.spatial import cKDTree

from deephemnma.core.residue import number_residues
from deephemnma.core.structure import AtomicModel
from deephemnma.modes.blocks import find_joined
from deephemnma.modes.elastic_network import compute_distances

COVALENT_RADII = {"H": 0.31, "D": 0.31, "C": 0.76, "N": 0.71, "O": 0.66, "P": 1.07, "S": 1.05, "SE": 1.20}
"""A; Cordero et al. (2008), Dalton Trans. 2832. Metals are held by coordination: no bond is found for them."""
TOLERANCE = 0.4  # A, as in the Cambridge Structural Database
LONGEST_LINK = 8.0  # A, between neighbouring beads: CA-CA is 3.8, P-P 5 to 7.5; beads of many residues may bend


def find_bonds(atoms: AtomicModel) -> Int[np.ndarray, "bonds 2"]:
    """Return the pairs (i < j, sorted) of atoms at most the sum of their covalent radii and 0.4 A apart."""
    positions = atoms.positions.detach().cpu().numpy()
    radii = np.array([COVALENT_RADII.get(str(element).upper(), 0.0) for element in atoms.elements])
    pairs = cKDTree(positions).query_pairs(2 * radii.max() + TOLERANCE, output_type="ndarray").reshape(-1, 2)
    first, second = radii[pairs].T
    bonded = (first > 0) & (second > 0) & (compute_distances(positions, pairs) <= first + second + TOLERANCE)
    return _sort(pairs[bonded])


def find_links(atoms: AtomicModel) -> Int[np.ndarray, "links 2"]:
    """Return the pairs of neighbouring beads: lone sites of residues that follow each other in a chain, without a gap.

    Gaps are those of :func:`~deephemnma.modes.blocks.find_joined`; ions and ligands are beads that follow nothing.
    """
    positions, residues = atoms.positions.detach().cpu().numpy(), number_residues(atoms)
    alone = np.bincount(residues)[residues] == 1
    second = np.flatnonzero((np.diff(residues, prepend=0) == 1) & find_joined(atoms, residues)[residues])
    pairs = np.stack((second - 1, second), axis=1)
    return pairs[alone[pairs].all(axis=1) & (compute_distances(positions, pairs) <= LONGEST_LINK)]


def _sort(pairs: Int[np.ndarray, "pairs 2"]) -> Int[np.ndarray, "pairs 2"]:
    pairs = np.sort(pairs, axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
