"""A sample of the particles: spread evenly, drawn by seed, and Fourier-cropped as far as the checks need."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.fourier import fourier_crop, fourier_transform, inverse_fourier_transform
from deephemnma.core.particle import ImageSource, Optics
from deephemnma.core.seed import make_generator
from deephemnma.imaging.bad_image import find_bad_images

BLOCK = 32
WORTHWHILE = 0.85
"""Share of the box above which cropping would save little."""


class Subset(ImageSource):
    """Some images of another source, read when asked for.

    Parameters
    ----------
    source
        All images.
    ids
        Those wanted.
    sign
        By which grey values are multiplied.
    """

    def __init__(self, source: ImageSource, ids: Int[Tensor, "images"], *, sign: float = 1.0) -> None:
        self._source, self._ids, self._sign = source, ids, sign
        names = source.names
        self._names = tuple(names[number] for number in ids.tolist())
        self._optics = None if source.optics is None else source.optics.select(ids)

    @property
    def names(self) -> tuple[str, ...]:
        """Of these images."""
        return self._names

    @property
    def box_size(self) -> int:
        """As the source's."""
        return self._source.box_size

    @property
    def pixel_size(self) -> float:
        """As the source's."""
        return self._source.pixel_size

    @property
    def optics(self) -> Optics | None:
        """Of these images."""
        return self._optics

    def __getitem__(self, ids: Int[Tensor, "images"]) -> Float[Tensor, "images box box"]:
        """Read images by their place in the subset."""
        return self._sign * self._source[self._ids[ids.cpu()]]


class HeldImages(ImageSource):
    """Images in memory.

    Parameters
    ----------
    images
        Grey values.
    names, optics
        One for each.
    pixel_size
        A.
    """

    def __init__(
        self,
        images: Float[Tensor, "images box box"],
        *,
        names: tuple[str, ...],
        optics: Optics | None,
        pixel_size: float,
    ) -> None:
        self._images, self._names, self._optics, self._pixel_size = images, names, optics, pixel_size

    @property
    def names(self) -> tuple[str, ...]:
        """Of the images."""
        return self._names

    @property
    def box_size(self) -> int:
        """Pixels."""
        return self._images.shape[-1]

    @property
    def pixel_size(self) -> float:
        """A."""
        return self._pixel_size

    @property
    def optics(self) -> Optics | None:
        """Of the images."""
        return self._optics

    def __getitem__(self, ids: Int[Tensor, "images"]) -> Float[Tensor, "images box box"]:
        """Return images by number."""
        return self._images[ids.cpu()]

    def select(self, rows: Int[Tensor, "rows"]) -> "HeldImages":
        """Return some of the images."""
        names = tuple(self._names[row] for row in rows.tolist())
        optics = None if self._optics is None else self._optics.select(rows)
        return HeldImages(self._images[rows], names=names, optics=optics, pixel_size=self._pixel_size)

    def scale(self, factor: float) -> "HeldImages":
        """Return the images with their grey values times `factor`."""
        return HeldImages(factor * self._images, names=self._names, optics=self._optics, pixel_size=self._pixel_size)


def draw_sample(n_images: int, count: int, *, seed: int) -> Int[Tensor, "sample"]:
    """Return `count` numbers of images, ascending: one at random from each of as many equal stretches.

    Evenly spaced numbers would meet a set that repeats itself (tilt series, a stack a micrograph) always at one place.
    """
    count = min(count, n_images)
    edges = torch.linspace(0, n_images, count + 1, dtype=torch.float64)
    drawn = torch.rand(count, generator=make_generator(seed, "preflight"), dtype=torch.float64)
    first, last = edges[:-1].ceil(), edges[1:].ceil() - 1
    return (first + (drawn * (last - first + 1)).floor()).long().clamp(max=n_images - 1)


def choose_working_box(box_size: int, pixel_size: float, *, resolution: float) -> int:
    """Return the even box that holds `resolution` (A), or the whole one where that would hardly be smaller."""
    wanted = 2 * int(box_size * pixel_size / resolution) + 4
    return box_size if wanted > WORTHWHILE * box_size else wanted


def crop_sample(source: ImageSource, *, box_size: int) -> tuple[HeldImages, Int[Tensor, "good"], float]:
    """Read all images of a (small) source, Fourier-cropped; bad ones are left out.

    Returns
    -------
    images
        With a mean of 0, in units of the standard deviation of all pixels of the uncropped images.
    good
        Their numbers in `source`.
    grey
        That standard deviation.
    """
    kept, numbers, variance = [], [], []
    for ids in torch.arange(len(source)).split(BLOCK):
        images = source[ids]
        good = ~find_bad_images(images)
        if not good.any():
            continue
        images = images[good]
        images = images - images.mean((1, 2), keepdim=True)
        variance.append(images.square().mean((1, 2)))
        transforms = fourier_crop(fourier_transform(images), box_size=box_size)
        kept.append(inverse_fourier_transform(transforms, box_size=box_size))
        numbers.append(ids[good])
    if not kept:
        none = HeldImages(torch.zeros(0, box_size, box_size), names=(), optics=None, pixel_size=1.0)
        return none, torch.zeros(0).long(), 1.0
    rows, scale = torch.cat(numbers), torch.cat(variance).median().sqrt()
    names = source.names
    held = HeldImages(
        torch.cat(kept) / scale,
        names=tuple(names[row] for row in rows.tolist()),
        optics=None if source.optics is None else source.optics.select(rows),
        pixel_size=source.pixel_size * source.box_size / box_size,
    )
    return held, rows, float(scale)
