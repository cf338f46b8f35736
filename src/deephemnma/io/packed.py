"""Files packed with gzip or bzip2: unpacked piece by piece, never beyond what they may rightly hold."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deephemnma.core.error import InputError

PIECE = 1 << 20
MOST_TEXT_RATIO = 100
"""Tables of numbers pack 3 to 20 times; what grows more than this is no table."""
LEAST_TEXT_LIMIT = 1 << 26

_OPENERS = {".gz": gzip.open, ".bz2": bz2.open}


def is_packed(path: Path) -> bool:
    """Return whether the name is that of a packed file."""
    return path.suffix.lower() in _OPENERS


@contextmanager
def open_plain(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading as bytes, unpacked if its name says that it is packed.

    Raises
    ------
    InputError
        If the packing is damaged, at whatever byte that shows.
    """
    try:
        with (_OPENERS.get(path.suffix.lower()) or open)(path, "rb") as stream:
            yield stream
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise InputError(f"{path} is damaged ({error}): copy it again.") from None
    except OSError as error:
        if error.errno is not None or not is_packed(path):  # bz2 tells damage by an OSError without a number
            raise
        raise InputError(f"{path} is damaged ({error}): copy it again.") from None


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a table, unpacked.

    Raises
    ------
    InputError
        If the packing is damaged, or unpacks to more than tables do.
    """
    if not is_packed(path):
        return path.read_bytes()
    limit = max(LEAST_TEXT_LIMIT, MOST_TEXT_RATIO * path.stat().st_size)
    with open_plain(path) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise InputError(
            f"{path} unpacks to more than {limit >> 20:,} MiB, more than {MOST_TEXT_RATIO} times its size: it is no "
            "table of particles; unpack it yourself if it is."
        )
    return content


def read_text(path: Path, *, what: str) -> str:
    """Return the text of a table, unpacked, with line ends as they are here; `what` it should be, for messages.

    Raises
    ------
    InputError
        If it is no text.
    """
    content = read_bytes(path)
    if b"\0" in content:
        raise InputError(f"{path} holds binary data or text in UTF-16, wanted {what} as plain text (UTF-8).")
    text = content.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
