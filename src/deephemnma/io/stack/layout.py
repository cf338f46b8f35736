"""Where each image of a stack begins, and how its pixels are stored: all that reading needs to know."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from deephemnma.core.error import InputError

LARGEST_SIDE = 16384
"""Pixels: no camera's micrograph is larger, so a header that says more lies."""
LARGEST_LABEL = 1 << 20
"""Bytes: SPIDER's headers are of 1,024 and a row more."""


@dataclass(frozen=True)
class StackLayout:
    """A stack as its header describes it.

    Attributes
    ----------
    path
        The file, not packed.
    count
        Number of images.
    box_size
        Side of the square images, pixels.
    pixel_size
        A; None where the header does not say.
    dtype
        Of the pixels, with their byte order.
    offset
        Bytes before the first image.
    label_bytes
        Bytes before the pixels of every image.
    """

    path: Path
    count: int
    box_size: int
    pixel_size: float | None
    dtype: np.dtype
    offset: int
    label_bytes: int = 0

    @cached_property
    def item(self) -> np.dtype:
        """One image with its label."""
        pixels = (self.dtype, (self.box_size, self.box_size))
        size = self.label_bytes + self.dtype.itemsize * self.box_size**2
        return np.dtype({"names": ["pixels"], "formats": [pixels], "offsets": [self.label_bytes], "itemsize": size})

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Return the pixels of images `indices` (from 0) as they are stored (images, box, box).

        Plain reads rather than a memory map: where few images each of thousands of stacks are wanted, a map costs more
        than its pages, and where its file is cut short meanwhile, it ends the process.

        Raises
        ------
        InputError
            If the file has become shorter.
        """
        items = np.empty(len(indices), dtype=self.item)
        starts = np.flatnonzero(np.diff(indices, prepend=-2) != 1)
        with open(self.path, "rb", buffering=0) as file:
            for start, stop in zip(starts, [*starts[1:], len(indices)], strict=True):
                file.seek(self.offset + int(indices[start]) * self.item.itemsize)
                target = items[start:stop].view(np.uint8)
                if file.readinto(target) != target.nbytes:
                    raise InputError(f"{self.path} has become shorter while it was read: copy it again.")
        return items["pixels"]

    def check(self) -> "StackLayout":
        """Return the layout if the file can be what it says.

        Raises
        ------
        InputError
            If it says what cannot be, or the file is shorter than it says.
        """
        is_labelled = 0 <= self.label_bytes <= LARGEST_LABEL
        if not (1 <= self.box_size <= LARGEST_SIDE and self.count >= 1 and self.offset >= 0 and is_labelled):
            raise InputError(
                f"{self.path} says that it holds {self.count} images of {self.box_size} pixels: its header is damaged."
            )
        wanted = self.offset + self.count * self.item.itemsize
        present = self.path.stat().st_size
        if present < wanted:
            raise InputError(
                f"{self.path} is truncated: its header promises {self.count} images of {self.box_size} x "
                f"{self.box_size}, {wanted} bytes, but there are {present}: copy it again."
            )
        return self
