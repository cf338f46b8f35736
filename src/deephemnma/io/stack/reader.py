"""Stacks of any kind, and images by the number of their stack and their number in it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deephemnma.io.stack.layout import StackLayout
from deephemnma.io.stack.mrc import read_mrc_layout
from deephemnma.io.stack.spider import SUFFIXES, read_spider_layout
from deephemnma.io.stack.unpacking import unpack_stack


def read_stack_layout(path: Path) -> StackLayout:
    """Read what the header of an MRC or SPIDER stack says, and check that the file is as long as it says.

    Raises
    ------
    InputError
        If it is neither, damaged, or holds other than square real images.
    """
    plain = unpack_stack(path)
    if plain.suffix.lower() in SUFFIXES and (layout := read_spider_layout(plain)) is not None:
        return layout
    return read_mrc_layout(plain)


def read_images(layouts: Sequence[StackLayout], stacks: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return image `indices` (from 0) of stack `stacks`, one pair an image, as float32 (images, box, box)."""
    side = layouts[int(stacks[0])].box_size
    images = np.empty((len(stacks), side, side), dtype=np.float32)
    order = np.argsort(stacks, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(stacks[order])) + 1):
        images[rows] = layouts[stacks[rows[0]]].read(indices[rows])
    return images
