"""One conformation of every residue, and every atom once."""

from collections import defaultdict

import numpy as np
from jaxtyping import Bool

from deephemnma.core.residue import number_groups
from deephemnma.io.atom_table import AtomTable


def find_other_conformations(table: AtomTable) -> Bool[np.ndarray, "atoms"]:
    """Mark the atoms of alternate conformations that are not kept.

    A residue keeps one conformation as a whole: that of the highest mean occupancy (the first of equals), with the
    atoms that all conformations share. A second one stays beside it only if the two have no atom in common, being
    about different parts of the residue. Residues of different names at one place are conformations as well.
    """
    left_out = np.zeros(table.n_atoms, dtype=bool)
    labelled = table.alternates != ""
    if not labelled.any():
        return left_out
    # where chains have no names, residues of one number stay apart: an atom with its label comes once in each
    atoms = np.char.add(np.char.add(table.atom_names, "/"), table.alternates)
    residues = number_groups(table.chains, table.residue_numbers, table.insertion_codes, names=atoms)
    rows_of: dict[int, list[int]] = {residue: [] for residue in residues[labelled].tolist()}
    for row in np.flatnonzero(np.isin(residues, list(rows_of))).tolist():
        rows_of[int(residues[row])].append(row)
    for rows in rows_of.values():
        left_out[_find_other_conformations(table, rows)] = True
    return left_out


def find_repeated_atoms(table: AtomTable) -> Bool[np.ndarray, "atoms"]:
    """Mark atoms that the file gives again: the same name, residue and place (to 0.001 A) as an earlier one."""
    repeated = np.zeros(table.n_atoms, dtype=bool)
    places = np.round(table.positions * 1000).astype(np.int64)
    order = np.lexsort(places.T)
    same = (places[order][1:] == places[order][:-1]).all(axis=1)
    suspects = np.unique(np.concatenate((order[1:][same], order[:-1][same])))
    seen = set()
    for row in suspects.tolist():  # in the order of the file
        key = (table.name_atom(row), *places[row].tolist())
        repeated[row] = key in seen
        seen.add(key)
    return repeated


def _find_other_conformations(table: AtomTable, rows: list[int]) -> list[int]:
    """Return the rows of one residue that are not kept."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        rows_of[table.alternates[row]].append(row)
    # what has no label comes first and always stays; sorting is stable, so that the first of equals wins
    labels = sorted(rows_of, key=lambda label: (label != "", -table.occupancies[rows_of[label]].mean()))
    kept: set[str] = set()
    left_out: list[int] = []
    for label in labels:
        names = set(table.atom_names[rows_of[label]].tolist())
        if kept & names:
            left_out += rows_of[label]
        else:
            kept |= names
    return left_out
