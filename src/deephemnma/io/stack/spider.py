"""SPIDER stacks, which Xmipp and Scipion write (``.stk``, ``.spi``, ``.xmp``)."""

from pathlib import Path

import numpy as np

from deephemnma.core.error import InputError
from deephemnma.io.stack.layout import StackLayout

SUFFIXES = {".stk", ".spi", ".xmp"}
N_WORDS = 27
"""Words (float32) of the header that are looked at."""
IMAGE = 1
"""Its word 5 for a plane image, or a stack of these."""


def read_spider_layout(path: Path) -> StackLayout | None:
    """Read the header of a SPIDER image or stack; None where the file has none.

    The header's words are numbered from 1 in SPIDER's manual: 1 sections, 2 rows, 5 kind, 12 columns, 13 records of the
    header, 22 its bytes, 24 above 0 for a stack, 26 its images.

    Raises
    ------
    InputError
        If the images are not square, or the file is shorter than the header says.
    """
    with path.open("rb") as stream:
        content = stream.read(4 * N_WORDS)
    if len(content) < 4 * N_WORDS:
        return None
    for order in "<>":
        with np.errstate(invalid="ignore"):  # of other kinds of files some words are signalling NaN
            words = np.concatenate(([0.0], np.frombuffer(content, dtype=f"{order}f4").astype(np.float64)))
        if _is_header(words):
            return _make_layout(words, np.dtype(f"{order}f4"), path)
    return None


def _is_header(words: np.ndarray) -> bool:
    chosen = words[[1, 2, 5, 12, 13, 22]]
    if not (np.isfinite(chosen).all() and (chosen == np.rint(chosen)).all()):
        return False
    sections, rows, kind, columns, records, size = chosen
    is_plane = abs(sections) == 1 and kind == IMAGE and min(rows, columns, records) >= 1
    return bool(is_plane and size == records * columns * 4)


def _make_layout(words: np.ndarray, dtype: np.dtype, path: Path) -> StackLayout:
    rows, columns, label_bytes = int(words[2]), int(words[12]), int(words[22])
    if rows != columns:
        raise InputError(f"{path} holds images of {columns} x {rows}: only square ones can be read, crop or pad them.")
    is_stack = words[24] > 0
    count = int(words[26]) if is_stack and np.isfinite(words[26]) else 1
    # A stack has a header of its own before the first image, and every image has one.
    return StackLayout(path, count, rows, None, dtype, label_bytes if is_stack else 0, label_bytes).check()
