"""Images by the number of their stack and their number in it, from memory maps."""

from collections import OrderedDict
from pathlib import Path

import numpy as np

from deephemnma.io.stack.layout import StackLayout
from deephemnma.io.stack.mrc import read_mrc_layout
from deephemnma.io.stack.spider import SUFFIXES, read_spider_layout
from deephemnma.io.stack.unpacking import unpack_stack

OPEN_STACKS = 64  # each open memory map holds a file descriptor, of which a process has about 1,000


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


class StackReader:
    """Memory maps of stacks, opened when first asked for; the most recent ones stay open.

    Parameters
    ----------
    layouts
        The stacks, by number.
    """

    def __init__(self, layouts: list[StackLayout]) -> None:
        self._layouts = layouts
        self._maps: OrderedDict[int, np.ndarray] = OrderedDict()

    def __getstate__(self) -> dict:
        # A worker opens its own maps: pickling one would copy the whole stack.
        return {"_layouts": self._layouts, "_maps": OrderedDict()}

    def read(self, stacks: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Return image `indices` (from 0) of stack `stacks`, one pair an image, as float32 (images, box, box)."""
        side = self._layouts[int(stacks[0])].box_size
        images = np.empty((len(stacks), side, side), dtype=np.float32)
        for stack in np.unique(stacks):
            rows = np.flatnonzero(stacks == stack)
            images[rows] = self._open(int(stack))[indices[rows]]
        return images

    def _open(self, stack: int) -> np.ndarray:
        if stack not in self._maps:
            self._maps[stack] = self._layouts[stack].map()
            if len(self._maps) > OPEN_STACKS:
                self._maps.popitem(last=False)
        self._maps.move_to_end(stack)
        return self._maps[stack]
