"""cryoSPARC's ``.cs`` files as structured arrays, one row a particle, each known by its ``uid``."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deephemnma.core.error import InputError
from deephemnma.io.atomic import require_file, write_beside
from deephemnma.io.content import describe_content
from deephemnma.io.metadata.cryosparc_compressed import COMPRESSED, read_compressed_table
from deephemnma.io.metadata.cryosparc_field import UID_FIELD, check_fields

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 1 << 17
"""Characters: numpy's own 10,000 are too few for tables of some 200 fields."""
_JOB = re.compile(r"(?:^|_)(J\d+)_")


def read_cryosparc_table(path: Path | str, *, passthroughs: Sequence[Path] | None = None) -> np.ndarray:
    """Read the particles of a ``.cs`` file, with the fields of its passthrough files beside.

    Parameters
    ----------
    path
        The file.
    passthroughs
        Files with further fields of the same particles, matched by uid. None takes those that lie beside the file
        and are named like its job (``J24_passthrough_particles.cs``); particles that one of them lacks are no error
        then, but leave it aside.

    Raises
    ------
    InputError
        If a file is missing, is no table of cryoSPARC, or a particle of it is twice there or lacks its passthrough.
    """
    path = require_file(path, "a .cs file of cryoSPARC")
    table = _load(path)
    named = passthroughs is not None
    for other in passthroughs if named else find_passthroughs(path):
        table = _join(table, _load(require_file(other, "a passthrough file (.cs)")), path, other, is_named=named)
    return table


def find_passthroughs(path: Path) -> list[Path]:
    """Return the passthrough files beside `path` that are named like its job."""
    job = _JOB.search(path.name)
    if job is None or "passthrough" in path.name:
        return []
    beside = sorted(path.parent.glob("*passthrough_particles*.cs"))
    return [each for each in beside if (found := _JOB.search(each.name)) and found[1] == job[1]]


def write_cryosparc_table(path: Path | str, table: np.ndarray) -> None:
    """Write `table` as a plain ``.cs`` file, which every version of cryoSPARC and its tools reads."""
    with write_beside(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, table, allow_pickle=False)


def add_fields(table: np.ndarray, columns: dict[str, np.ndarray]) -> np.ndarray:
    """Return `table` with `columns` set, or added behind the others; a field keeps its type where it has one."""
    kinds = [(name, table.dtype[name]) for name in table.dtype.names]
    kinds += [
        (name, (values.dtype, values.shape[1:])) for name, values in columns.items() if name not in table.dtype.names
    ]
    joined = np.empty(len(table), dtype=kinds)
    for name in table.dtype.names:
        joined[name] = table[name]
    for name, values in columns.items():
        joined[name] = values
    return joined


def _load(path: Path) -> np.ndarray:
    with path.open("rb") as stream:
        head = stream.read(1024)
    if not head:
        raise InputError(f"{path} is empty, wanted a .cs file of cryoSPARC: copy or write it again.")
    if not head.startswith((MAGIC, *COMPRESSED)):
        hint = f"it is {describe_content(head)}" if describe_content(head) else "it is damaged, or of another kind"
        raise InputError(f"{path} cannot be read as a .cs file of cryoSPARC: {hint} (pickles are never loaded).")
    table = _load_plain(path) if head.startswith(MAGIC) else read_compressed_table(path)
    if not isinstance(table, np.ndarray) or table.dtype.names is None or table.ndim != 1:
        raise InputError(f"{path} is not a table of cryoSPARC: give a .cs file of particles.")
    check_fields(table, path)
    return table


def _load_plain(path: Path) -> np.ndarray:
    try:
        # Mapped first: a header that lies about its size must not claim memory.
        return np.array(np.load(path, allow_pickle=False, mmap_mode="r", max_header_size=LONGEST_HEADER))
    except Exception:  # numpy's own words advise to load pickles, and damaged headers raise errors of any kind
        raise InputError(
            f"{path} cannot be read as a .cs file of cryoSPARC: it is damaged, of another kind, or holds Python "
            "objects (which are never loaded, for they can run programs)."
        ) from None


def _join(table: np.ndarray, other: np.ndarray, path: Path, other_path: Path, *, is_named: bool) -> np.ndarray:
    for each, source in ((table, path), (other, other_path)):
        if UID_FIELD not in each.dtype.names:
            raise InputError(f"{source} has no field uid: it is not a table of particles as cryoSPARC writes them.")
        if len(np.unique(each[UID_FIELD])) != len(each):
            raise InputError(f"{source} has a uid more than once, so that rows of other files cannot be matched to it.")
    order = np.argsort(other[UID_FIELD])
    place = np.searchsorted(other[UID_FIELD], table[UID_FIELD], sorter=order).clip(max=max(len(other) - 1, 0))
    rows = order[place] if len(other) else np.zeros(0, dtype=int)
    found = other[UID_FIELD][rows] == table[UID_FIELD] if len(other) else np.zeros(len(table), dtype=bool)
    if not found.all():
        if not is_named:
            return table
        row = int(np.flatnonzero(~found)[0])
        raise InputError(
            f"{other_path} has no row of particle {row + 1} of {path} (uid {table[UID_FIELD][row]}): give the "
            "passthrough file of the same job."
        )
    extra = {name: other[name][rows] for name in other.dtype.names if name not in table.dtype.names}
    return add_fields(table, extra)
