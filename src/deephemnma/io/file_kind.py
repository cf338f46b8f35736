"""What a file holds by its name and size, where it was given for something else."""

from pathlib import Path

import numpy as np
from mrcfile.utils import dtype_from_mode

from deephemnma.core.error import InputError

STACK_SUFFIXES = {".mrcs", ".stk"}
MAP_SUFFIXES = {".mrc", ".map", ".ccp4"}
STRUCTURE_SUFFIXES = {".pdb", ".ent", ".cif", ".mmcif"}
PACKED_SUFFIXES = {".gz", ".bz2"}
HEADER_BYTES = 1024
STACK_SHAPE = 8
"""A file of square sections, so many times fewer than they have columns, is rather images than a map."""


def find_suffix(path: Path) -> str:
    """Return the last suffix that is not of a packing program, in small letters."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in PACKED_SUFFIXES]
    return suffixes[-1] if suffixes else ""


def refuse_stack(path: Path) -> None:
    """Raise if the name is that of an image stack."""
    suffix = find_suffix(path)
    if suffix in STACK_SUFFIXES:
        raise InputError(
            f"{path} is an image stack by its name ({suffix}), neither a structure nor a map: give a PDB or mmCIF "
            "file, or a volume (.mrc, .map); images go with a star file to --particles."
        )


def refuse_structure(path: Path) -> None:
    """Raise if the name is that of an atomic model."""
    if find_suffix(path) in STRUCTURE_SUFFIXES:
        raise InputError(f"{path} is an atomic model by its name, not a density map: give a volume (.mrc, .map).")


def refuse_map(path: Path) -> None:
    """Raise if the name is that of a map."""
    if find_suffix(path) in MAP_SUFFIXES:
        raise InputError(f"{path} is a density map by its name, not an atomic model: give a PDB or mmCIF file.")


def refuse_truncated(path: Path, header: np.recarray) -> None:
    """Raise if a plain MRC file is shorter than its header asks for."""
    if path.suffix.lower() in PACKED_SUFFIXES:
        return
    try:
        item_bytes = dtype_from_mode(header.mode).itemsize
    except ValueError:
        return
    shape = (int(header.nz), int(header.ny), int(header.nx))
    if min(shape) < 1:
        return
    wanted = HEADER_BYTES + max(0, int(header.nsymbt)) + shape[0] * shape[1] * shape[2] * item_bytes
    present = path.stat().st_size
    if present < wanted:
        raise InputError(
            f"{path} holds {present:,} bytes of the {wanted:,} that its header asks for ({shape[2]} x {shape[1]} x "
            f"{shape[0]} voxels): it is truncated, copy it again."
        )


def refuse_endless_header(path: Path) -> None:
    """Raise if a plain MRC file is shorter than its extended header, for which the library makes room first."""
    if path.suffix.lower() in PACKED_SUFFIXES:
        return
    with path.open("rb") as stream:
        word = stream.read(HEADER_BYTES)[92:96]
    present = path.stat().st_size
    if len(word) == 4 and min(int.from_bytes(word, "little"), int.from_bytes(word, "big")) > present:
        raise InputError(
            f"{path} holds {present:,} bytes, less than the extended header that its header promises: it is truncated "
            "or damaged, copy it again."
        )


def looks_like_stack(header: np.recarray) -> bool:
    """Return whether the sections are square and few, as images are."""
    return 1 < int(header.nz) * STACK_SHAPE <= int(header.nx) == int(header.ny)
