"""Writing image stacks block by block."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import mrcfile
import numpy as np
from jaxtyping import Float
from torch import Tensor

from deephemnma.io.atomic import write_beside
from deephemnma.io.mrc_label import set_label


class StackWriter:
    """Write a float32 MRC stack of known length; it appears at its place when all images are written.

    Use as a context manager: ``with StackWriter(path, ...) as writer: writer.write(images)``.

    Parameters
    ----------
    path
        Destination (``.mrcs``).
    box_size, pixel_size
        Pixels, A.
    count
        Number of images.
    """

    def __init__(self, path: Path | str, *, box_size: int, pixel_size: float, count: int) -> None:
        self.path = Path(path)
        self.box_size, self.pixel_size, self.count = box_size, pixel_size, count
        self._written = 0
        self._exit = ExitStack()
        self._mrc: mrcfile.mrcmemmap.MrcMemmap | None = None

    def __enter__(self) -> "StackWriter":
        """Make the file, beside its place."""
        temporary = self._exit.enter_context(write_beside(self.path))
        shape = (self.count, self.box_size, self.box_size)
        self._mrc = self._exit.enter_context(mrcfile.new_mmap(temporary, shape, mrc_mode=2, overwrite=True))
        self._mrc.set_image_stack()
        self._mrc.voxel_size = self.pixel_size
        set_label(self._mrc)
        return self

    def write(self, images: Float[Tensor, "images box box"]) -> None:
        """Append `images`."""
        stop = self._written + len(images)
        if stop > self.count:
            raise ValueError(f"{self.path} was announced with {self.count} images, {stop} came")
        self._mrc.data[self._written : stop] = images.detach().cpu().numpy().astype(np.float32)
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
