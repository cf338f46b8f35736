"""Which sites move together as a rigid block: residues of a chain, or regions of space."""

import numpy as np
from jaxtyping import Bool, Float, Int

from deephemnma.core.error import InputError
from deephemnma.core.residue import number_residues
from deephemnma.core.structure import AtomicModel

ANCHORS = ("CA", "P", "C1'", "C1*")
"""Atoms that tell a residue of a chain: of amino acids the first, of nucleotides the others, a 5' end having no P."""
PROTEIN, NUCLEIC = 1, 2
NUMBERED_GAP = 2.2  # of the median step, between residues whose numbers follow each other
GAP = 1.4  # of the median step from one CA (P) to the next; one residue missing makes 1.4 to 1.9 (CA), more (P)


def make_residue_blocks(atoms: AtomicModel, *, block_residues: int) -> Int[np.ndarray, "sites"]:
    """Return the block number of each site: runs of `block_residues` residues of a chain, as elNemo cuts them.

    A block ends with the chain, where amino acids turn into nucleotides, and at a gap: where the next CA (or P) is too
    far, or, if one of two residues has none, where a residue number is left out. Numbers left out of a chain that goes
    on, and insertion codes, cut nothing. A ligand, sugar, ion or cap is a block of its own.
    """
    if block_residues < 1:
        raise InputError(f"A block has at least 1 residue (--block-residues), not {block_residues}.")
    residues = number_residues(atoms)
    starts = ~find_joined(atoms, residues)
    number = np.arange(len(starts))
    since_start = number - np.maximum.accumulate(np.where(starts, number, 0))
    return (np.cumsum(starts | (since_start % block_residues == 0)) - 1)[residues]


def make_space_blocks(positions: Float[np.ndarray, "sites 3"], *, block_sites: int) -> Int[np.ndarray, "sites"]:
    """Return the block number of each site, for sites without residues: compact regions of equal numbers of sites.

    The sites are halved across their longest side until no part has more than `block_sites` of them.
    """
    blocks = np.zeros(len(positions), dtype=np.int64)
    for number, part in enumerate(_halve(positions, np.arange(len(positions)), block_sites)):
        blocks[part] = number
    return blocks


def _halve(positions: Float[np.ndarray, "sites 3"], part: np.ndarray, block_sites: int) -> list[np.ndarray]:
    if len(part) <= block_sites:
        return [part]
    axis = np.ptp(positions[part], axis=0).argmax()
    order = part[np.argsort(positions[part, axis], kind="stable")]
    return [piece for half in np.array_split(order, 2) for piece in _halve(positions, half, block_sites)]


def find_joined(atoms: AtomicModel, residues: Int[np.ndarray, "sites"]) -> Bool[np.ndarray, "residues"]:
    """Mark the residues that continue the chain of the residue before."""
    _, first = np.unique(residues, return_index=True)
    anchor = _find_anchors(atoms, residues)
    kind = np.where(anchor[:, 0] >= 0, PROTEIN, np.where((anchor[:, 1:] >= 0).any(axis=1), NUCLEIC, 0))
    kin = (atoms.chains[first][1:] == atoms.chains[first][:-1]) & (kind[1:] == kind[:-1]) & (kind[1:] > 0)
    joined = kin & (np.abs(np.diff(atoms.residue_numbers[first])) <= 1)
    positions = atoms.positions.detach().cpu().numpy()
    for column in range(2):
        rows = anchor[:, column]
        measured = kin & (rows[1:] >= 0) & (rows[:-1] >= 0)
        if measured.any():
            steps = np.linalg.norm(positions[rows[1:]] - positions[rows[:-1]], axis=1)
            relative = steps[measured] / np.median(steps[measured])
            # numbers that follow each other bear with the uneven steps of beads at the centres of residues
            joined[measured] = (relative <= GAP) | (joined[measured] & (relative <= NUMBERED_GAP))
    return np.concatenate(([False], joined))


def _find_anchors(atoms: AtomicModel, residues: Int[np.ndarray, "sites"]) -> Int[np.ndarray, "residues anchors"]:
    """Return the site of each residue that has each of the names ANCHORS; -1 where there is none."""
    organic = np.isin(np.char.upper(atoms.elements.astype(str)), ("C", "P", ""))  # CA may be calcium
    anchor = np.full((int(residues.max(initial=-1)) + 1, len(ANCHORS)), -1)
    for column, name in enumerate(ANCHORS):
        rows = np.flatnonzero((atoms.atom_names == name) & organic)
        anchor[residues[rows], column] = rows
    return anchor
