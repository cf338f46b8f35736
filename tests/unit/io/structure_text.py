"""Texts of small PDB and mmCIF files."""

from pathlib import Path

ATOM_SITE = {
    "group_PDB": "ATOM", "id": "1", "type_symbol": "C", "label_atom_id": "CA", "label_alt_id": ".",
    "label_comp_id": "ALA", "label_asym_id": "A", "label_entity_id": "1", "label_seq_id": "7", "Cartn_x": "1.0",
    "Cartn_y": "2.0", "Cartn_z": "3.0", "occupancy": "1.0", "B_iso_or_equiv": "10.0", "auth_seq_id": "5",
    "auth_comp_id": "ALA", "auth_asym_id": "H", "auth_atom_id": "CA", "pdbx_PDB_model_num": "1",
    "pdbx_PDB_ins_code": "?",
}  # fmt: skip


def make_pdb_line(
    name: str = " CA ",
    residue: str = "ALA",
    chain: str = "A",
    number: int | str = 1,
    *,
    x: float | str = 1.0,
    z: float = 3.0,
    serial: int | str = 1,
    alternate: str = "",
    code: str = "",
    occupancy: float = 1.0,
    element: str = "C",
    record: str = "ATOM",
) -> str:
    """Return a line of an atom; `name` has the four columns of the format."""
    x = x if isinstance(x, str) else f"{x:8.3f}"
    return (
        f"{record:6}{serial:>5} {name:4}{alternate:1}{residue:>3} {chain:1}{number:>4}{code:1}   {x:>8}   2.000{z:8.3f}"
        f"{occupancy:6.2f} 10.00          {element:>2}"
    )


def make_mmcif(*rows: dict[str, str], without: tuple[str, ...] = ()) -> str:
    """Return an mmCIF file of atoms that differ from :data:`ATOM_SITE` by `rows`, without some columns."""
    names = [name for name in ATOM_SITE if name not in without]
    lines = ["data_made", "loop_", *(f"_atom_site.{name}" for name in names)]
    lines += [" ".join({**ATOM_SITE, **row}[name] for name in names) for row in rows]
    return "\n".join(lines) + "\n"


def write_text(folder: Path, text: str | list[str], name: str = "made.pdb", *, newline: str = "\n") -> Path:
    """Write a file, byte for byte."""
    path = folder / name
    path.write_bytes((text if isinstance(text, str) else newline.join(text)).encode())
    return path
