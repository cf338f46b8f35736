"""The compressed ``.cs`` files that cryoSPARC has inside its projects from version 4 on, by cryosparc-tools.

In a process of its own: the library's compiled part crashes on files that are cut short or damaged.
"""

import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from deephemnma.core.error import InputError

COMPRESSED = (b"\x94CSDAT", b"\x95CSDAT")
"""First bytes of the two versions."""
MOST_RATIO = 255
"""How often LZ4 makes bytes fewer, at most."""


def read_compressed_table(path: Path) -> np.ndarray:
    """Return the rows; texts as bytes of one length, as in plain files.

    Raises
    ------
    InputError
        If the file is damaged or promises more rows than it can hold, or cryosparc-tools is not installed.
    """
    try:
        importlib.import_module("cryosparc.dataset")
    except ImportError:
        raise InputError(
            f"{path} is in cryoSPARC's compressed format: install what reads it (pip install 'deephemnma[cryosparc]'), "
            "or export the particles from cryoSPARC, which writes plain files."
        ) from None
    _check_promise(path)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "plain.npy"
        # -P: what lies in the working folder must not be taken for a library.
        command = [sys.executable, "-P", "-m", __name__, str(path.absolute()), str(target)]
        run = subprocess.run(command, capture_output=True, check=False)
        if run.returncode != 0 or not target.exists():
            raise InputError(
                f"{path} cannot be read as a .cs file of cryoSPARC: it is damaged, says cryosparc-tools; copy it "
                "again, or export the particles from cryoSPARC."
            )
        return np.load(target, allow_pickle=False)


def _check_promise(path: Path) -> None:
    """Raise if the header is none, or the file is too short for the rows that it promises."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(len(COMPRESSED[0]))
        length = min(int.from_bytes(stream.read(4), "little"), size)
        head = stream.read(length)
    try:
        header = json.loads(head)
        rows = int(header["length"])
        row_bytes = sum(np.dtype(kind[1]).itemsize * int(np.prod(kind[2:] or 1)) for kind in header["dtype"])
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise InputError(f"{path} cannot be read as a .cs file of cryoSPARC: it is damaged (its header).") from None
    if not 0 <= rows * row_bytes <= MOST_RATIO * size:
        raise InputError(
            f"{path} cannot be read as a .cs file of cryoSPARC: it is damaged, for its header promises {rows:,} rows, "
            f"but it has {size:,} bytes."
        )


def _convert(source: str, target: str) -> None:
    """Write the rows of a compressed file as a plain one."""
    dataset = importlib.import_module("cryosparc.dataset").Dataset.load(source)
    columns = {name: _make_plain(np.asarray(values)) for name, values in dataset.items()}
    table = np.empty(len(dataset), dtype=[(name, (each.dtype, each.shape[1:])) for name, each in columns.items()])
    for name, values in columns.items():
        table[name] = values
    np.save(target, table, allow_pickle=False)


def _make_plain(values: np.ndarray) -> np.ndarray:
    """Return text, which cryosparc-tools has as Python objects, as bytes of one length."""
    if values.dtype.kind != "O":
        return values
    return np.array([str(value).encode() for value in values], dtype="S") if len(values) else np.empty(0, dtype="S1")


if __name__ == "__main__":
    _convert(*sys.argv[1:])
