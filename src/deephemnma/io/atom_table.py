"""The atoms of one model as columns."""

from dataclasses import dataclass, fields

import gemmi
import numpy as np
from jaxtyping import Bool, Float, Int

from deephemnma.core.error import InputError

FARTHEST = 1e6
"""Coordinates from here on, A, are mistakes: a hundred micrometres."""


@dataclass(frozen=True)
class AtomTable:
    """Atoms in the order of the file.

    Attributes
    ----------
    positions
        A.
    occupancies, b_factors
        As the file has them; B-factors in A^2.
    elements, atom_names, residue_names, chains
        Text arrays.
    residue_numbers, insertion_codes
        Residues; no insertion code is "".
    alternates
        Labels of alternate conformations; none is "".
    subchains
        Chain names that mmCIF's assemblies go by (label_asym_id).
    """

    positions: Float[np.ndarray, "atoms 3"]
    occupancies: Float[np.ndarray, "atoms"]
    b_factors: Float[np.ndarray, "atoms"]
    elements: np.ndarray
    atom_names: np.ndarray
    residue_names: np.ndarray
    chains: np.ndarray
    residue_numbers: Int[np.ndarray, "atoms"]
    insertion_codes: np.ndarray
    alternates: np.ndarray
    subchains: np.ndarray

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.elements)

    def take(self, rows: Int[np.ndarray, "taken"] | Bool[np.ndarray, "atoms"]) -> "AtomTable":
        """Return the atoms of these rows (or of this mask)."""
        return AtomTable(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def name_atom(self, row: int) -> str:
        """Return how messages call an atom."""
        number = f"{self.residue_numbers[row]}{self.insertion_codes[row]}"
        return f"{self.chains[row]}/{self.residue_names[row]} {number}/{self.atom_names[row]}"


def make_atom_table(model: gemmi.Model, *, source: str) -> AtomTable:
    """Return the columns of a model whose serial numbers are places in the file.

    Raises
    ------
    InputError
        If names are longer than the table holds, or atoms have no coordinates.
    """
    flat, chains, subchains = _flatten(model, source)
    flat.strings_as_numbers = False
    order = np.argsort(flat.serials, kind="stable")
    residue_numbers = flat.resnums[order].astype(np.int64)
    table = AtomTable(
        positions=flat.pos[order],
        occupancies=flat.occ[order].astype(np.float64),
        b_factors=flat.b_iso[order].astype(np.float64),
        elements=_decode(flat.element_names[order]),
        atom_names=_decode(flat.atom_names[order]),
        residue_names=_decode(flat.residue_names[order]),
        chains=chains[flat.chain_ids[order].astype(np.int64)],
        residue_numbers=residue_numbers,
        insertion_codes=_decode_letters(flat.icodes[order]),
        alternates=_decode_letters(flat.altlocs[order]),
        subchains=subchains[flat.subchains[order].astype(np.int64)],
    )
    lost = np.flatnonzero(~(np.abs(table.positions) < FARTHEST).all(axis=1))
    if len(lost):
        row = int(lost[0])
        raise InputError(
            f"{source}: atom {table.name_atom(row)} is at {table.positions[row].tolist()} A, which is no place "
            f"({len(lost)} such atom(s)): correct or remove it in the file."
        )
    return table


def _flatten(model: gemmi.Model, source: str) -> tuple[gemmi.FlatStructure, np.ndarray, np.ndarray]:
    """Return gemmi's flat table, with chains and subchains by number, and their names (which may be long)."""
    single = gemmi.Structure()
    single.add_model(model)
    chains: list[str] = []
    subchains: dict[str, int] = {}
    for number, chain in enumerate(single[0]):
        chains.append(chain.name)
        chain.name = str(number)
        for residue in chain:
            residue.subchain = str(subchains.setdefault(residue.subchain, len(subchains)))
    try:
        return gemmi.FlatStructure(single), np.array(chains), np.array(list(subchains))
    except RuntimeError as error:
        raise InputError(f"{source} has names that are too long ({error}): shorten them to 7 letters.") from None


def _decode(text: np.ndarray) -> np.ndarray:
    return text.astype(str)


def _decode_letters(codes: np.ndarray) -> np.ndarray:
    """Return characters from their codes; a blank or nothing is ""."""
    letters = codes.astype(np.uint8).view("S1").astype(str)
    return np.where(letters == " ", "", letters)
