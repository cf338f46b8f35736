"""Models as text, half a million atoms a second: the lines of one model, with coordinates filled in anew."""

from dataclasses import dataclass

import gemmi
import numpy as np
from jaxtyping import Float, Int, UInt8

from deephemnma.core.error import InputError

PDB_COORDINATES, PDB_LINE = slice(30, 54), 81  # with the line feed
CIF_WIDTH = 12  # a blank and -999999.999
_SPACE, _MINUS, _POINT, _ZERO = b" -.0"


@dataclass(frozen=True)
class ModelText:
    """The text of a model, as a template.

    Attributes
    ----------
    head, tail
        What stands before the first model and after the last.
    opening, closing
        What stands before and after each model; the opening holds ``{number}``.
    lines
        Characters of the model's lines, all equally long, each with its line feed.
    atoms
        Numbers of the lines that hold atoms.
    coordinates
        Columns of x y z, a third each.
    serials, numbers
        Columns of the atoms' serial numbers and of the model's number, where these go on from model to model.
    """

    head: bytes
    tail: bytes
    opening: str
    closing: str
    lines: UInt8[np.ndarray, "lines width"]
    atoms: Int[np.ndarray, "atoms"]
    coordinates: slice
    serials: slice | None = None
    numbers: slice | None = None

    def fill(self, positions: Float[np.ndarray, "atoms 3"], *, number: int) -> bytes:
        """Return the text of model `number`, from 1, with these coordinates (A).

        Raises
        ------
        InputError
            If a coordinate needs more columns than there are.
        """
        lines, columns = self.lines.copy(), self.coordinates
        filled = format_thousandths(positions, width=(columns.stop - columns.start) // 3)
        lines[self.atoms, columns] = filled.reshape(len(self.atoms), -1)
        if self.serials is not None and self.numbers is not None:
            first = 1 + (number - 1) * len(self.atoms)
            lines[:, self.serials] = _format_integers(np.arange(first, first + len(lines)), self.serials)
            lines[:, self.numbers] = _format_integers(np.array([number]), self.numbers)
        return self.opening.format(number=number).encode() + lines.tobytes() + self.closing.encode()


def make_pdb_text(structure: gemmi.Structure) -> ModelText:
    """Return the text of a structure of one model as PDB."""
    text = structure.make_pdb_string().encode()
    characters = np.frombuffer(text, dtype=np.uint8).reshape(-1, PDB_LINE)
    records = characters[:, :6].copy().view("S6").ravel()
    atoms = np.flatnonzero(np.isin(records, [b"ATOM  ", b"HETATM"]))
    end = np.flatnonzero(records == b"END   ")[0]
    return ModelText(
        head=characters[: atoms[0]].tobytes(),
        tail=characters[end:].tobytes(),
        opening=f"{'MODEL     {number:4d}':<87}\n",
        closing=f"{'ENDMDL':<80}\n",
        lines=characters[atoms[0] : end],
        atoms=atoms - atoms[0],
        coordinates=PDB_COORDINATES,
    )


def make_cif_text(structure: gemmi.Structure, *, n_models: int) -> ModelText:
    """Return the text of a structure of one model as mmCIF, with room for the serial numbers of `n_models` models."""
    block = structure.make_mmcif_document().sole_block()
    atoms = block.find_mmcif_category("_atom_site.")
    names = [tag.removeprefix("_atom_site.") for tag in atoms.tags]
    columns = {name: np.array(list(atoms.column(place)), dtype="S") for place, name in enumerate(names)}
    n_atoms = len(atoms)
    widths = {"id": len(str(n_atoms * n_models)), "pdbx_PDB_model_num": len(str(n_models))}
    widths |= dict.fromkeys(("Cartn_x", "Cartn_y", "Cartn_z"), CIF_WIDTH - 1)
    atoms.erase()
    pieces, places, start = [], {}, 0
    for name in names:
        width = widths.get(name, columns[name].dtype.itemsize)
        values = columns[name].astype(f"S{width}") if name not in widths else np.full(n_atoms, b"", dtype=f"S{width}")
        piece = np.char.ljust(values, width).view(np.uint8).reshape(n_atoms, width)
        pieces += [piece, np.full((n_atoms, 1), _SPACE, dtype=np.uint8)]
        places[name] = slice(start, start + width)
        start += width + 1
    pieces[-1][:] = ord("\n")
    loop = "loop_\n" + "".join(f"_atom_site.{name}\n" for name in names)
    return ModelText(
        head=(block.as_string() + "\n" + loop).encode(),
        tail=b"",
        opening="",
        closing="",
        lines=np.concatenate(pieces, axis=1),
        atoms=np.arange(n_atoms),
        # A coordinate's columns begin with the blank after the one before.
        coordinates=slice(places["Cartn_x"].start - 1, places["Cartn_z"].stop),
        serials=places["id"],
        numbers=places["pdbx_PDB_model_num"],
    )


def format_thousandths(values: Float[np.ndarray, "*shape"], *, width: int) -> UInt8[np.ndarray, "*shape width"]:
    """Return the characters of each value with three decimals, to the right of `width` columns.

    Raises
    ------
    InputError
        If a value needs more columns.
    """
    rest = np.rint(np.abs(values) * 1000).astype(np.int64)
    minus = (values < 0) & (rest > 0)
    characters = np.full((*values.shape, width), _SPACE, dtype=np.uint8)
    for column in range(width - 1, -1, -1):
        decimals = width - 1 - column
        if decimals == 3:
            characters[..., column] = _POINT
            continue
        shown = (rest > 0) | (decimals <= 4)
        characters[..., column] = np.where(shown, _ZERO + rest % 10, np.where(minus, _MINUS, _SPACE))
        minus &= shown
        rest //= 10
    if rest.any() or minus.any():
        longest = values.ravel()[np.abs(values).argmax()]
        raise InputError(
            f"The coordinate {longest:.1f} A does not fit into the {width} columns of the file: "
            "write mmCIF (.cif) instead of PDB, or move the structure to the origin."
        )
    return characters


def _format_integers(values: Int[np.ndarray, "values"], columns: slice) -> UInt8[np.ndarray, "values width"]:
    width = columns.stop - columns.start
    powers = 10 ** np.arange(width - 1, -1, -1)
    characters = (_ZERO + values[:, None] // powers % 10).astype(np.uint8)
    characters[(values[:, None] < powers) & (powers > 1)] = _SPACE
    return characters
