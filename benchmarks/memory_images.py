"""An image source for arrays that are there already."""

import torch

from deephemnma.core.particle import ImageSource, Optics


class MemoryImages(ImageSource):
    """Images in memory; `pixel_size` in A."""

    def __init__(self, images: torch.Tensor, optics: Optics, names: tuple[str, ...], *, pixel_size: float) -> None:
        self._images, self._optics, self._names, self._pixel_size = images, optics, names, pixel_size

    names = property(lambda self: self._names)
    box_size = property(lambda self: self._images.shape[-1])
    pixel_size = property(lambda self: self._pixel_size)
    optics = property(lambda self: self._optics)

    def __getitem__(self, ids: torch.Tensor) -> torch.Tensor:
        """Return images `ids`."""
        return self._images[ids]
