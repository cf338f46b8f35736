"""Residues of an atomic model: which atoms make one, what it is called, and what a structure consists of."""

import numpy as np
from jaxtyping import Bool, Int

from deephemnma.core.structure import AtomicModel


def number_residues(atoms: AtomicModel) -> Int[np.ndarray, "atoms"]:
    """Return the number, from 0 in order of first appearance, of the residue that each atom belongs to.

    Atoms of one residue share chain, residue number, insertion code and residue name, and have different names: where a
    name comes again, another residue begins. So residues stay apart in files where chains have no names, where numbers
    start again after 9,999 and where waters have no numbers; and a residue whose hydrogens stand elsewhere in the file
    stays whole.
    """
    labels = (atoms.chains, atoms.residue_numbers, atoms.insertion_codes, atoms.residue_names)
    return number_groups(*labels, names=atoms.atom_names)


def number_groups(*labels: np.ndarray, names: np.ndarray) -> Int[np.ndarray, "atoms"]:
    """Return the same for groups of atoms that share all `labels` and have different `names`."""
    if len(names) == 0:
        return np.zeros(0, dtype=np.int64)
    change = np.logical_or.reduce([_find_changes(label) for label in labels])
    _, name = np.unique(names, return_inverse=True)
    # a name that comes again within a run cuts the run
    run = np.cumsum(change) - 1
    change |= np.diff(_count_before(run, name), prepend=0) > 0
    run, first = np.cumsum(change) - 1, np.flatnonzero(change)
    codes = np.stack([np.unique(label[first], return_inverse=True)[1].reshape(-1) for label in labels])
    _, identity = np.unique(codes, axis=1, return_inverse=True)
    # runs of one identity are one residue, unless they share a name
    copy = np.maximum.reduceat(_count_before(identity.reshape(-1)[run], name), first)
    _, appearance, residue = np.unique(
        np.stack((identity.reshape(-1), copy)), axis=1, return_index=True, return_inverse=True
    )
    order = np.argsort(np.argsort(appearance))
    return order[residue.reshape(-1)][run]


def name_residue(atoms: AtomicModel, row: int) -> str:
    """Return how messages call the residue of an atom: ``A/LYS 52A``."""
    number = f"{atoms.residue_numbers[row]}{atoms.insertion_codes[row]}"
    return f"{atoms.chains[row]}/{atoms.residue_names[row]} {number}"


def describe_structure(sites: AtomicModel) -> str:
    """Return a sentence part about sites of a file: ``1 model, 1 chain, 214 residues, 1,656 of 3,341 atoms kept``.

    Beads are counted as such, for one may stand for several residues.
    """
    parts = [
        _count(len(np.unique(sites.chains)), "chain"),
        _count(int(number_residues(sites).max(initial=-1)) + 1, "residue"),
    ]
    counts, kept = sites.counts, len(sites.elements)
    if counts is None:
        return ", ".join([*parts, _count(kept, "site")])
    copies = "" if counts.copies == 1 else f" and their copies (of a chain up to {counts.copies})"
    if counts.beads:
        parts = [_count(counts.models, "model"), parts[0], f"{_count(kept, 'bead')} of {counts.atoms:,} atoms{copies}"]
    else:
        parts = [_count(counts.models, "model"), *parts, f"{kept:,} of {counts.atoms:,} atoms{copies} kept"]
    left_out = {
        "not selected": counts.unselected,
        "of other conformations": counts.alternates,
        "repeated": counts.duplicates,
        "of waters": counts.waters,
    }
    told = ", ".join(f"{number:,} {what}" for what, number in left_out.items() if number)
    return ", ".join(parts) + (f"; left out: {told}" if told else "")


def _find_changes(labels: np.ndarray) -> Bool[np.ndarray, "atoms"]:
    return np.concatenate(([True], labels[1:] != labels[:-1]))


def _count_before(group: np.ndarray, name: np.ndarray) -> Int[np.ndarray, "atoms"]:
    """Return how many atoms of the same group and name come before each atom."""
    key = group.astype(np.int64) * (int(name.max()) + 1) + name
    order = np.argsort(key, kind="stable")
    new = _find_changes(key[order])
    start = np.flatnonzero(new)[np.cumsum(new) - 1]
    before = np.empty(len(key), dtype=np.int64)
    before[order] = np.arange(len(key)) - start
    return before


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
