"""Packed stacks, unpacked once to where images can be read by number."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.io.atomic import write_beside
from deephemnma.io.file_kind import HEADER_BYTES
from deephemnma.io.packed import PIECE, is_packed, open_plain
from deephemnma.io.stack.layout import LARGEST_SIDE
from deephemnma.io.stack.mrc import REAL_MODES, parse_header

MOST_RATIO = 200
"""Images of noise pack 1.1 to 3 times, images without noise up to some 50 times."""
LEAST_LIMIT = 1 << 26
CACHE_VARIABLE = "DEEPHEMNMA_CACHE"
"""Environment variable that names the folder for unpacked stacks; by default one in the system's folder for them."""


def unpack_stack(path: Path) -> Path:
    """Return `path`, or of a packed MRC stack the unpacked copy, which is kept for the next time.

    Raises
    ------
    InputError
        If it is damaged, holds another amount than its header says, or the disk has no room.
    """
    if not is_packed(path):
        return path
    stat = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
    default = Path(tempfile.gettempdir()) / f"deephemnma-{os.getuid()}"
    target = Path(os.environ.get(CACHE_VARIABLE, default)) / key / path.stem
    if not target.exists():
        with write_beside(target) as temporary:
            _unpack(path, temporary)
    return target


def _unpack(path: Path, target: Path) -> None:
    with open_plain(path) as source, target.open("wb") as copy:
        head = source.read(HEADER_BYTES)
        wanted = _compute_size(head, path)
        if wanted > max(LEAST_LIMIT, MOST_RATIO * path.stat().st_size):
            raise InputError(
                f"{path} unpacks to {wanted:,} bytes, more than {MOST_RATIO} times its size, as no images do: unpack "
                "it yourself if it is right."
            )
        free = shutil.disk_usage(target.parent).free
        if wanted > free:
            raise InputError(
                f"{path} unpacks to {wanted:,} bytes, but {target.parent} has room for {free:,}: unpack it yourself, "
                f"or name another folder by the environment variable {CACHE_VARIABLE}."
            )
        copy.write(head)
        present = len(head)
        while present <= wanted and (piece := source.read(PIECE)):
            copy.write(piece)
            present += len(piece)
    if present != wanted:
        held = f"more than the {wanted:,}" if present > wanted else f"{present:,} of the {wanted:,}"
        raise InputError(f"{path} unpacks to {held} bytes that its header asks for: copy it again.")


def _compute_size(head: bytes, path: Path) -> int:
    """Return how many bytes the header asks for."""
    header = parse_header(head, path)
    sides = (int(header.nx), int(header.ny))
    mode = int(header.mode)
    if mode not in REAL_MODES or not all(1 <= side <= LARGEST_SIDE for side in sides) or int(header.nz) < 1:
        raise InputError(f"{path} does not unpack to an MRC stack of real images: its header is damaged.")
    item = {"int8": 1, "int16": 2, "uint16": 2, "float16": 2, "float32": 4}[REAL_MODES[mode]]
    return HEADER_BYTES + max(0, int(header.nsymbt)) + sides[0] * sides[1] * int(header.nz) * item
