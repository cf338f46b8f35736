"""The noise spectrum of a data set, read off the corners of its images."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.fourier import fourier_transform
from deephemnma.core.particle import ImageSource
from deephemnma.imaging.noise import NoiseModel, compute_radial_mean

EDGE = 4.0
"""Width of the soft edge around the particle, pixels."""
LARGEST_DISC = 0.95
"""Of half the box: however large the particle, the corners outside this are taken for noise."""


def estimate_noise(source: ImageSource, *, radius: float, n_images: int = 500, block_size: int = 64) -> NoiseModel:
    """Estimate the radial power spectrum of the noise outside the particle.

    The power of the images behind a soft mask, over the mask's mean square: exact for white noise, and for a coloured
    spectrum that is smooth over a few Fourier pixels. Images with NaN do not count.

    Parameters
    ----------
    source
        The images.
    radius
        Of the particle, A. At most 95 % of half the box is used.
    n_images
        Images, spread evenly over the source, that are read.
    block_size
        Images in memory at once.

    Returns
    -------
    noise
        With every shell's power above zero.
    """
    box = source.box_size
    mask = _make_background_mask(box, min(radius / source.pixel_size, LARGEST_DISC * box / 2))
    ids = torch.linspace(0, len(source) - 1, min(n_images, len(source))).round().long()
    power, count = torch.zeros(box, box // 2 + 1, dtype=torch.float64), 0
    for rows in ids.split(block_size):
        images = source[rows].float()
        images = images[images.flatten(1).isfinite().all(1)]
        if not len(images):  # FFT libraries refuse an empty batch
            continue
        background = (images * mask).sum((1, 2), keepdim=True) / mask.sum()
        power += fourier_transform((images - background) * mask).abs().square().double().sum(0)
        count += len(images)
    radial = compute_radial_mean(power / max(count, 1) / mask.square().mean())
    radial = _smooth_low_shells(radial)
    floor = 1e-6 * radial.mean().clamp_min(1e-30)
    return NoiseModel(radial.clamp_min(floor), box, source.pixel_size)


def _make_background_mask(box_size: int, radius: float) -> Float[Tensor, "box box"]:
    """Return 0 inside `radius` (pixels), 1 outside, with a raised-cosine edge outwards."""
    axis = torch.arange(box_size) - box_size // 2
    distance = torch.hypot(axis[:, None].float(), axis[None, :].float())
    step = ((distance - radius) / EDGE).clamp(0, 1)
    return (1 - (math.pi * step).cos()) / 2


def _smooth_low_shells(power: Float[Tensor, "shells"]) -> Float[Tensor, "shells"]:
    """Replace shells 0 and 1, which the subtracted mean has emptied, by shell 2."""
    return torch.cat((power[2].expand(2), power[2:]))
