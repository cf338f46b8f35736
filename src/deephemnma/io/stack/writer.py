"""Writing image stacks block by block: in order, or each block at its place."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import mrcfile
import numpy as np
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.io.atomic import write_beside
from deephemnma.io.mrc_label import set_label
from deephemnma.io.stack.layout import StackLayout
from deephemnma.io.stack.mrc import read_mrc_layout

MODES = {"float32": 2, "float16": 12}
"""MRC modes; RELION reads the second from version 4 on."""
SMALLEST_PEAK = 1e-2
"""Of an image in half precision: below, what is a thousandth of the peak loses its digits."""


class StackWriter:
    """Write an MRC stack of known length; it appears at its place when all images are written.

    Use as a context manager: ``with StackWriter(path, ...) as writer: writer.write(images)``.

    Parameters
    ----------
    path
        Destination (``.mrcs``).
    box_size, pixel_size
        Pixels, A.
    count
        Number of images.
    dtype
        Of the pixels, float32 or float16.
    """

    def __init__(
        self, path: Path | str, *, box_size: int, pixel_size: float, count: int, dtype: str = "float32"
    ) -> None:
        self.path = Path(path)
        self.box_size, self.pixel_size, self.count, self.dtype = box_size, pixel_size, count, dtype
        self._written = 0
        self._exit = ExitStack()
        self._mrc: mrcfile.mrcmemmap.MrcMemmap | None = None

    def __enter__(self) -> "StackWriter":
        """Make the file, beside its place."""
        temporary = self._exit.enter_context(write_beside(self.path))
        self._mrc = self._exit.enter_context(_make_stack(temporary, self))
        return self

    def write(self, images: Float[Tensor, "images box box"]) -> None:
        """Append `images`."""
        stop = self._written + len(images)
        if stop > self.count:
            raise ValueError(f"{self.path} was announced with {self.count} images, {stop} came")
        self._mrc.data[self._written : stop] = convert_pixels(images, np.dtype(self.dtype), first=self._written)
        self._written = stop

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Rename the file to its place, or remove it after an error."""
        if error is None and self._written != self.count:
            error = ValueError(f"{self.path} was announced with {self.count} images, {self._written} came")
            self._exit.__exit__(type(error), error, None)
            raise error
        self._exit.__exit__(kind, error, trace)


def make_empty_stack(path: Path | str, *, box_size: int, pixel_size: float, count: int, dtype: str = "float32") -> None:
    """Make an MRC stack of black images, for :func:`write_images` to fill; parameters as of :class:`StackWriter`."""
    writer = StackWriter(path, box_size=box_size, pixel_size=pixel_size, count=count, dtype=dtype)
    with write_beside(path) as temporary, _make_stack(temporary, writer):
        pass


def write_images(path: Path | str, images: Float[Tensor, "images box box"], *, first: int) -> None:
    """Write `images` at their place in a stack that is there, the first of them as number `first` (from 0).

    Several processes may write different images of one stack at the same time.
    """
    layout = read_mrc_layout(Path(path))
    _check_place(layout, images, first=first)
    with layout.path.open("r+b") as file:
        file.seek(layout.offset + first * layout.item.itemsize)
        file.write(convert_pixels(images, layout.dtype, first=first).tobytes())


def convert_pixels(images: Float[Tensor, "images box box"], dtype: np.dtype, *, first: int = 0) -> np.ndarray:
    """Return the pixels as `dtype`; number `first` (from 0) is that of the first image, for messages.

    Raises
    ------
    InputError
        If an image is too bright or too faint for half precision; NaN and infinity are kept.
    """
    pixels = images.detach().cpu().numpy()
    if dtype.itemsize == 2:
        peaks = np.abs(np.where(np.isfinite(pixels), pixels, 0)).max(axis=(1, 2))
        wrong = np.flatnonzero((peaks > np.finfo(np.float16).max) | ((peaks > 0) & (peaks < SMALLEST_PEAK)))
        if len(wrong):
            raise InputError(
                f"Image {first + int(wrong[0]) + 1} has grey values up to {peaks[wrong[0]]:.3g}, but half precision "
                f"holds {SMALLEST_PEAK:g} to 65504 well: normalise the images (--normalize), or leave out --float16."
            )
    return pixels.astype(dtype)


def _make_stack(path: Path, writer: StackWriter) -> mrcfile.mrcmemmap.MrcMemmap:
    shape = (writer.count, writer.box_size, writer.box_size)
    mrc = mrcfile.new_mmap(path, shape, mrc_mode=MODES[writer.dtype], overwrite=True)
    mrc.set_image_stack()
    mrc.voxel_size = writer.pixel_size
    set_label(mrc)
    return mrc


def _check_place(layout: StackLayout, images: Tensor, *, first: int) -> None:
    if images.shape[-1] != layout.box_size or not 0 <= first <= layout.count - len(images):
        raise ValueError(
            f"{layout.path} holds {layout.count} images of {layout.box_size} pixels: {tuple(images.shape)} has no "
            f"place at {first}"
        )
