"""Atoms chosen by gemmi's selection language (MMDB's CID), several selections in one text."""

import gemmi
import numpy as np
from jaxtyping import Bool, Int

from deephemnma.core.error import InputError

EXAMPLE = "--select '//A,B/10-120' (chains A and B, residues 10 to 120), --select 'not (HEM)', --select '//A//CA[C]'"


def select_atoms(model: gemmi.Model, selection: str, *, source: str) -> Bool[np.ndarray, "atoms"]:
    """Return which atoms of a model, in its order of serial numbers, a selection takes.

    Parameters
    ----------
    selection
        Selections of gemmi parted by spaces: an atom is taken if any takes it and none after the word ``not`` does.
        With nothing but exclusions, all others are taken.

    Raises
    ------
    InputError
        If the text is no selection, or takes no atom.
    """
    structure = gemmi.Structure()
    structure.add_model(model)
    serials = np.array([cra.atom.serial for cra in structure[0].all()])
    taken, left_out = _parse(selection)
    mask = np.full(len(serials), not taken)
    for word in taken:
        marked = _mark(structure, word, serials)
        if not marked.any():
            raise InputError(f"--select {word!r} takes no atom of {source}, {_tell_chains(model)}: see {EXAMPLE}.")
        mask |= marked
    for word in left_out:
        mask &= ~_mark(structure, word, serials)
    if not mask.any():
        raise InputError(f"--select {selection!r} leaves no atom of {source}: leave out less.")
    return mask[np.argsort(serials, kind="stable")]


def _parse(selection: str) -> tuple[list[str], list[str]]:
    """Return the selections that take atoms, and those that leave atoms out."""
    words: dict[bool, list[str]] = {True: [], False: []}
    wanted = True
    for word in selection.split():
        if word == "not" and wanted:
            wanted = False
            continue
        try:
            gemmi.Selection(word)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"--select {selection!r} is no selection ({error}): write it as in {EXAMPLE}.") from None
        words[wanted].append(word)
        wanted = True
    if not wanted or not (words[True] or words[False]):
        raise InputError(f"--select {selection!r} names no atoms: write it as in {EXAMPLE}.")
    return words[True], words[False]


def _mark(structure: gemmi.Structure, word: str, serials: Int[np.ndarray, "atoms"]) -> Bool[np.ndarray, "atoms"]:
    kept = gemmi.Selection(word).copy_structure_selection(structure)
    return np.isin(serials, [cra.atom.serial for model in kept for cra in model.all()])


def _tell_chains(model: gemmi.Model) -> str:
    names = list(dict.fromkeys(chain.name for chain in model))
    if names == [""]:
        return "which names no chains"
    shown = ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")
    return f"model {model.num}, with the chains {shown}"
