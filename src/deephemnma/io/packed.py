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
from deephemnma.io.content import describe_content, is_foreign_text

PIECE = 1 << 20
MOST_TEXT_RATIO = 50
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


def read_text(path: Path, *, what: str) -> str:
    """Return the text of a table, unpacked, with line ends as they are here; `what` it should be, for messages.

    Raises
    ------
    InputError
        If it is empty or no text, its packing is damaged, or it unpacks to more than tables do.
    """
    size = path.stat().st_size
    limit = max(LEAST_TEXT_LIMIT, MOST_TEXT_RATIO * size) if is_packed(path) else None
    content = bytearray()
    with open_plain(path) as stream:
        while piece := stream.read(PIECE):
            if not content and is_foreign_text(piece):
                raise InputError(f"{path} cannot be read as {what}: it is {describe_content(piece)}.")
            if b"\0" in piece:
                raise InputError(f"{path} holds binary data or text in UTF-16, wanted {what} as plain text (UTF-8).")
            content += piece
            if limit is not None and len(content) > limit:
                raise InputError(
                    f"{path} unpacks to more than {limit >> 20:,} MiB, more than {MOST_TEXT_RATIO} times its size: it "
                    "is no table of particles; unpack it yourself if it is."
                )
    if not content or content.isspace():
        raise InputError(f"{path} is empty, wanted {what}: copy or write it again.")
    text = content.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
