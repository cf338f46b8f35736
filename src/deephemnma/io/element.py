"""Elements of atoms where the file does not say, or where programs put the atom's name into the wrong columns."""

from dataclasses import replace
from functools import cache

import gemmi
import numpy as np

from deephemnma.core.error import InputError
from deephemnma.core.structure import WATERS
from deephemnma.io.atom_table import AtomTable

PSEUDOATOM_NAME = "DENS"  # Xmipp's name for a pseudoatom; gemmi would take it for deuterium
UNKNOWN = "X"
_AMINO_ACIDS = ("MSE", "HSD", "HSE", "HSP", "HID", "HIE", "HIP", "CYX", "CYM", "ASH", "GLH", "LYN")
"""Not among gemmi's standard ones: selenomethionine, and protonation states by the names of CHARMM and Amber."""
_ORGANIC = ("H", "D", "C", "N", "O", "P", "S", "Se")


def correct_elements(model: gemmi.Model, table: AtomTable) -> AtomTable:
    """Return the table, and leave the model, with the elements that names and residues tell.

    In amino acids, nucleotides and waters every element but those of biology was read from a name in the wrong columns
    (calcium for a CA): there it is the first letter. Elsewhere an element that is not told is that of an ion called
    like its residue, or what can be read from the atom's name in one way only.
    """
    guesses = [
        _guess(*atom)
        for atom in zip(
            *(column.tolist() for column in (table.elements, table.atom_names, table.residue_names)), strict=True
        )
    ]
    elements = np.array(guesses)
    changed = elements != table.elements
    if not changed.any():
        return table
    by_serial = sorted((cra.atom for cra in model.all()), key=lambda atom: atom.serial)
    for row in np.flatnonzero(changed):
        by_serial[row].element = gemmi.Element(guesses[row])
    return replace(table, elements=elements)


def check_elements(table: AtomTable, *, source: str) -> None:
    """Raise if an atom has no element, which neither the elastic network nor the projector can do without."""
    pseudo = (table.atom_names == PSEUDOATOM_NAME) | np.isin(table.residue_names, WATERS)
    unknown = np.flatnonzero((table.elements == UNKNOWN) & ~pseudo)
    if len(unknown):
        name = table.residue_names[unknown[0]]
        raise InputError(
            f"{source}: the element of atom {table.name_atom(int(unknown[0]))} is not known (one of {len(unknown)}): "
            f"fill its element column (77-78 in PDB, type_symbol in mmCIF), or leave it out with "
            f"--select 'not ({name})'."
        )


@cache
def _guess(element: str, atom_name: str, residue_name: str) -> str:
    if atom_name == PSEUDOATOM_NAME:
        return UNKNOWN
    residue = gemmi.find_tabulated_residue(residue_name)
    known = residue.is_standard() or residue.is_water() or residue_name in (*WATERS, *_AMINO_ACIDS)
    letters = atom_name.lstrip("0123456789'\"*").capitalize()
    if known and element not in _ORGANIC:
        return letters[:1] if letters[:1] in _ORGANIC else UNKNOWN
    if element != UNKNOWN:
        return element
    if atom_name == residue_name:
        return gemmi.Element(atom_name).name
    readings = {gemmi.Element(text).name for text in {letters[:1], letters[:2]}} - {UNKNOWN}
    return readings.pop() if len(readings) == 1 else UNKNOWN
