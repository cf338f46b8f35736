"""PDB and mmCIF files as gemmi's structures, whatever programs made of the formats.

Every atom's serial number becomes its place in the model: gemmi gathers the atoms of a residue, and the order of the
file is found again by these.
"""

import gzip
import zlib
from pathlib import Path

import gemmi

from deephemnma.core.error import InputError
from deephemnma.io.atomic import require_file
from deephemnma.io.file_kind import refuse_map, refuse_stack
from deephemnma.io.pdb_text import split_pdb

_GZIP_MAGIC = b"\x1f\x8b"
_OTHER_COMPRESSION = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd"}

# What gemmi needs of an atom, and where else it may stand, or what is taken where the file does not say.
_NEEDED = {
    "id": (None, "."),
    "type_symbol": (None, "X"),
    "label_atom_id": ("auth_atom_id", None),
    "label_alt_id": (None, "."),
    "label_comp_id": ("auth_comp_id", None),
    "label_asym_id": ("auth_asym_id", ""),
    "occupancy": (None, "1"),
    "B_iso_or_equiv": (None, "0"),
}


def read_coordinate_file(path: Path | str) -> gemmi.Structure:
    """Read all models of a PDB or mmCIF file, which may be gzipped; the content says which it is.

    Raises
    ------
    InputError
        If the file is missing, cannot be read or holds no atoms.
    """
    path = require_file(path, "an atomic model")
    refuse_stack(path)
    refuse_map(path)
    text = _read_text(path)
    try:
        structure = _parse_mmcif(text, path) if _is_cif(text) else _parse_pdb(text, path)
    except (RuntimeError, ValueError, IndexError) as error:
        raise InputError(
            f"{path} cannot be read as an atomic model ({_first_line(error)}): give a PDB or mmCIF file, plain or .gz."
        ) from None
    if sum(model.count_atom_sites() for model in structure) == 0:
        raise InputError(f"{path} holds no atoms: give a PDB or mmCIF file with at least one model.")
    return structure


def _read_text(path: Path) -> str:
    content = path.read_bytes()
    for magic, program in _OTHER_COMPRESSION.items():
        if content.startswith(magic):
            raise InputError(f"{path} is packed by {program}, but plain and gzipped files are read: unpack it first.")
    if content.startswith(_GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path} is a damaged gzip file ({error}): fetch it again.") from None
    # one letter a byte, so that columns stay where they are
    return content.decode("ascii", errors="replace").replace("\N{REPLACEMENT CHARACTER}", "?").replace("\0", " ")


def _is_cif(text: str) -> bool:
    lines = (line.lstrip("?") for line in text[:100_000].splitlines())
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    return first.lower().startswith("data_")


def _parse_pdb(text: str, path: Path) -> gemmi.Structure:
    remarks, models = split_pdb(text, name=path.name)
    structure = gemmi.read_pdb_string("\n".join([*remarks, "END"]))
    del structure[:]
    for number, lines in models.items():
        model = structure.add_model(gemmi.read_pdb_string("\n".join(lines))[0], pos=-1)
        model.num = number
    return structure


def _parse_mmcif(text: str, path: Path) -> gemmi.Structure:
    document = gemmi.cif.read_string(text)
    block = next((block for block in document if block.find_mmcif_category("_atom_site.").width() > 0), None)
    if block is None:
        raise InputError(f"{path} has no table of atoms (_atom_site): give an mmCIF file with coordinates.")
    _complete_atoms(block, path)
    return gemmi.make_structure_from_block(block)


def _complete_atoms(block: gemmi.cif.Block, path: Path) -> None:
    """Add the columns that gemmi would silently return no atoms without, and number the atoms."""
    table = block.find_mmcif_category("_atom_site.")
    table.ensure_loop()
    present = {tag.split(".", 1)[1] for tag in table.tags}
    for axis in ("Cartn_x", "Cartn_y", "Cartn_z"):
        if axis not in present:
            raise InputError(f"{path} has no column _atom_site.{axis}: give an mmCIF file with coordinates in A.")
    for name, (source, default) in _NEEDED.items():
        if name in present:
            continue
        if source not in present and default is None:
            raise InputError(f"{path} has neither a column _atom_site.{name} nor _atom_site.{source}: add one.")
        block.find_mmcif_category("_atom_site.").loop.add_columns(
            [f"_atom_site.{name}"], "." if default is None else default
        )
        if source in present:
            _set_values(block, name, list(block.find_values(f"_atom_site.{source}")))
    numbers = [str(number) for number in range(1, len(block.find_values("_atom_site.id")) + 1)]
    if list(block.find_values("_atom_site.id")) != numbers:
        _set_values(block, "id", numbers)


def _set_values(block: gemmi.cif.Block, name: str, values: list[str]) -> None:
    column = block.find_values(f"_atom_site.{name}")
    for row, value in enumerate(values):
        column[row] = value


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(":. ") if str(error).strip() else type(error).__name__
