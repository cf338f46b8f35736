"""What `prepare` does to the images of one scale."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deephemnma.core.fourier import make_frequencies
from deephemnma.core.particle import Optics
from deephemnma.imaging.bad_image import find_bad_images
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.normalization import normalize_background, subtract_ramp
from deephemnma.imaging.resampling import make_resampling_matrix, resample_images
from deephemnma.pipeline.target_grid import Grid

IMAGES_AT_ONCE = 8
"""Images whose CTFs are computed at once, so that they stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """What is done to the images of one scale.

    Attributes
    ----------
    source, target
        Grids before and after.
    phase_flip, invert_contrast, ramp, normalize
        As the options of `prepare`.
    background
        Pixels of the target that are outside the particle.
    """

    source: Grid
    target: Grid
    background: Bool[Tensor, "box box"]
    phase_flip: bool = False
    invert_contrast: bool = False
    ramp: bool = False
    normalize: bool = True

    @cached_property
    def matrix(self) -> Float[Tensor, "new_box box"] | None:
        """From grid to grid; None where they are one."""
        if self.source == self.target:
            return None
        return make_resampling_matrix(
            self.source.box_size,
            self.source.pixel_size,
            new_box_size=self.target.box_size,
            new_pixel_size=self.target.pixel_size,
        )


@dataclass(frozen=True, eq=False)
class PreparedImages:
    """What became of some images.

    Attributes
    ----------
    images
        White protein, on the target grid.
    n_bad
        How many held NaN, or were flat.
    """

    images: Float[Tensor, "images box box"]
    n_bad: int


def prepare_images(
    images: Float[Tensor, "images box box"],
    recipe: Recipe,
    *,
    optics: Optics | None = None,
    moves: Int[Tensor, "images 2"] | None = None,
) -> PreparedImages:
    """Move, phase-flip, resample, invert and normalise images; what one holds never gets into another.

    Parameters
    ----------
    images
        As they are stored.
    recipe
        What to do.
    optics
        Of each image, for the phase flip.
    moves
        By how many pixels (x, y) each is moved; what leaves on one side comes in on the other.
    """
    bad = find_bad_images(images).nonzero()[:, 0]
    flat = bad[images[bad].flatten(1).isfinite().all(1)]
    level = images[flat, 0, 0]
    if moves is not None:
        images = move_images(images, moves)
    if recipe.phase_flip:
        images = flip_phases(images, optics, pixel_size=recipe.source.pixel_size)
    if recipe.matrix is not None:
        images = resample_images(images, recipe.matrix)
    if recipe.invert_contrast:
        images, level = -images, -level
    if recipe.ramp:
        images = subtract_ramp(images, recipe.background)
    if recipe.normalize:
        images = normalize_background(images, recipe.background)
    # To the last digit: what rounding leaves of a flat image must not be made to look like noise.
    images[flat] = 0.0 if recipe.ramp or recipe.normalize else level[:, None, None]
    return PreparedImages(images, len(bad))


def move_images(
    images: Float[Tensor, "images box box"], moves: Int[Tensor, "images 2"]
) -> Float[Tensor, "images box box"]:
    """Return images moved by whole pixels (x, y), periodically."""
    pairs = zip(images, moves.tolist(), strict=True)
    return torch.stack([image if (x, y) == (0, 0) else image.roll((y, x), (0, 1)) for image, (x, y) in pairs])


def flip_phases(
    images: Float[Tensor, "images box box"], optics: Optics, *, pixel_size: float
) -> Float[Tensor, "images box box"]:
    """Multiply the transforms of images by the sign of their CTF."""
    size = images.shape[-2:]
    frequencies = make_frequencies(size[-1], pixel_size)
    flipped = torch.empty_like(images)
    for rows in torch.arange(len(images)).split(IMAGES_AT_ONCE):
        # Wherever the origin is: the CTF has no phase.
        transforms = torch.fft.rfft2(images[rows]) * compute_ctf(optics.select(rows), frequencies).sign()
        flipped[rows] = torch.fft.irfft2(transforms, s=size)
    return flipped
