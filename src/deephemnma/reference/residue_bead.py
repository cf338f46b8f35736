"""One bead for each residue of any kind, or for each few residues of a chain."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Int
from scipy.spatial import cKDTree

from deephemnma.core.residue import number_residues
from deephemnma.core.structure import AtomicModel

BOND = 2.2
"""A. Residues with atoms this near are joined: peptide bonds are 1.3 long, phosphate bonds 1.6."""
TRACE_STEP = {"CA": 4.5, "P": 8.0}
"""A, from one lone CA or P to the next of a chain: 3.8 and about 6, no residue missing between them."""
SUGAR_ATOMS = ("C1'", "C1*")


def make_residue_beads(
    atoms: AtomicModel, anchors: Bool[np.ndarray, "atoms"], *, residues_per_bead: int
) -> AtomicModel:
    """Return beads at the scattering-weighted centres of residues: amino acids, nucleotides, ligands, sugars, ions.

    Parameters
    ----------
    anchors
        Atoms that a bead is called after, if it has one: the CA and P of chains. Other beads are called after the
        atom next to their centre.
    residues_per_bead
        Residues of a chain that share a bead, about: a run of bonded residues is cut into equal parts. Whatever is
        not a residue of a chain has a bead of its own.
    """
    residues = number_residues(atoms)
    groups = _group(atoms, residues, anchors, residues_per_bead=residues_per_bead)
    rows, n = torch.from_numpy(groups), int(groups.max(initial=-1)) + 1
    scattering = atoms.scattering
    total = torch.zeros(n, dtype=torch.float64).index_add_(0, rows, scattering)
    centers = torch.zeros(n, 3, dtype=torch.float64).index_add_(0, rows, atoms.positions * scattering[:, None])
    centers /= total[:, None]
    square = (atoms.positions - centers[rows]).square().sum(dim=-1)
    moments = torch.zeros(n, dtype=torch.float64).index_add_(0, rows, square * scattering) / total
    b_factors = torch.zeros(n, dtype=torch.float64).index_add_(0, rows, atoms.b_factors * scattering) / total
    # of each bead the anchor nearest to its centre, or the nearest atom
    order = np.lexsort((square.numpy(), ~anchors, groups))
    named = order[np.searchsorted(groups[order], np.arange(n))]
    return replace(
        atoms.take(named),
        positions=centers,
        scattering=total,
        b_factors=b_factors,
        spreads=(moments / 3).sqrt(),
        counts=atoms.counts and replace(atoms.counts, beads=True),
    )


def _group(
    atoms: AtomicModel,
    residues: Int[np.ndarray, "atoms"],
    anchors: Bool[np.ndarray, "atoms"],
    *,
    residues_per_bead: int,
) -> Int[np.ndarray, "atoms"]:
    """Return the number of the bead of each atom."""
    if residues_per_bead == 1:
        return residues
    joined = _find_joints(atoms, residues, anchors)
    run = np.cumsum(~joined) - 1
    length = np.bincount(run)
    parts = np.maximum(1, np.rint(length / residues_per_bead)).astype(np.int64)
    first = np.cumsum(length) - length
    part = (np.arange(len(run)) - first[run]) * parts[run] // length[run]
    return ((np.cumsum(parts) - parts)[run] + part)[residues]


def _find_joints(
    atoms: AtomicModel, residues: Int[np.ndarray, "atoms"], anchors: Bool[np.ndarray, "atoms"]
) -> Bool[np.ndarray, "residues"]:
    """Mark residues that continue the one before: of the same chain, both amino acids or nucleotides, and bonded."""
    _, first = np.unique(residues, return_index=True)
    n, positions = len(first), atoms.positions.numpy()
    kind = np.zeros(n, dtype=np.int64)
    kind[residues[anchors & (atoms.atom_names == "CA")]] = 1
    kind[residues[(anchors & (atoms.atom_names == "P")) | np.isin(atoms.atom_names, SUGAR_ATOMS)]] = 2
    one, other = np.sort(residues[cKDTree(positions).query_pairs(BOND, output_type="ndarray")], axis=1).T
    bonded = np.zeros(n, dtype=bool)
    bonded[other[other == one + 1]] = True
    lone = np.bincount(residues) == 1
    steps = np.linalg.norm(np.diff(positions[first], axis=0), axis=1)
    longest = np.array([TRACE_STEP.get(name, 0.0) for name in atoms.atom_names[first]])
    bonded[1:] |= lone[1:] & lone[:-1] & (steps <= longest[1:])
    chains = atoms.chains[first]
    bonded[1:] &= (chains[1:] == chains[:-1]) & (kind[1:] == kind[:-1]) & (kind[1:] > 0)
    bonded[:1] = False
    return bonded
