"""The noise spectrum of a data set, read off the corners of its images."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.fourier import fourier_transform, make_shell_indices
from deephemnma.core.particle import ImageSource
from deephemnma.imaging.circular_mask import make_background_mask
from deephemnma.imaging.noise import NoiseModel, compute_radial_mean

LARGEST_DISC = 0.95
"""Of half the box: however large the particle, the corners outside this are taken for noise."""
IMAGES_A_GROUP = 32
"""Images of an optics group that are read at the least, where it has so many."""
SMALLEST_GROUP = 4
"""Images that a group needs for its noise to be told apart: one box's corners hold thousands of components, so that
four settle its level to 2 % and shrinking settles the shells."""
LEVEL_COMPONENTS = 300
"""Weight of a group's overall level beside each shell of its spectrum: a shell counts for its components."""
NEIGHBOURS = 2
"""Shells on either side that are pooled with one, for a group."""


@dataclass(frozen=True)
class CornerSpectra:
    """Sums over some images of the power outside the particle, an optics group a row.

    Attributes
    ----------
    power
        Radial mean of the power, summed over images.
    count
        Images.
    """

    power: Float[Tensor, "groups shells"]
    count: Int[Tensor, "groups"]


def estimate_noise(source: ImageSource, *, radius: float, n_images: int = 500, block_size: int = 64) -> NoiseModel:
    """Estimate the radial power spectrum of the noise outside the particle, and how it differs between optics groups.

    The power of the images behind a soft mask, over the mask's mean square: exact for white noise, and for a coloured
    spectrum that is smooth over a few Fourier pixels. Images with NaN do not count. A group's spectrum is measured
    relative to that of all, shells pooled with their neighbours and drawn towards the group's overall level; groups
    of which fewer than `SMALLEST_GROUP` images can be used have the noise of all.

    Parameters
    ----------
    source
        The images.
    radius
        Of the particle, A. At most 95 % of half the box is used.
    n_images
        Images, spread evenly over the source, that are read; of each optics group `IMAGES_A_GROUP` besides.
    block_size
        Images in memory at once.

    Returns
    -------
    noise
        With every shell's power above zero.
    """
    box = source.box_size
    mask = make_background_mask(box, min(radius / source.pixel_size, LARGEST_DISC * box / 2))
    group = _get_groups(source)
    pooled = torch.linspace(0, len(source) - 1, min(n_images, len(source))).round().long()
    spectra = _sum_spectra(source, pooled, mask=mask, group=torch.zeros_like(group), block_size=block_size)
    radial = _smooth_low_shells(spectra.power[0] / spectra.count[0].clamp_min(1))
    noise = NoiseModel(radial.clamp_min(1e-6 * radial.mean().clamp_min(1e-30)), box, source.pixel_size)
    if not group.any():
        return noise
    apart = _sum_spectra(source, _choose_of_each(group), mask=mask, group=group, block_size=block_size)
    return replace(noise, group_scale=_compute_group_scale(apart, noise))


def _get_groups(source: ImageSource) -> Int[Tensor, "images"]:
    group = None if source.optics is None else source.optics.group
    return torch.zeros(len(source), dtype=torch.long) if group is None else group


def _choose_of_each(group: Int[Tensor, "images"]) -> Int[Tensor, "chosen"]:
    """Return up to `IMAGES_A_GROUP` images of each group, spread evenly over it."""
    members = [(group == number).nonzero()[:, 0] for number in group.unique().tolist()]
    places = [torch.linspace(0, len(ids) - 1, min(IMAGES_A_GROUP, len(ids))).round().long() for ids in members]
    return torch.cat([ids[place] for ids, place in zip(members, places, strict=True)])


def _sum_spectra(
    source: ImageSource,
    ids: Int[Tensor, "chosen"],
    *,
    mask: Float[Tensor, "box box"],
    group: Int[Tensor, "images"],
    block_size: int,
) -> CornerSpectra:
    """Return the power of images `ids` behind `mask`, summed over each group."""
    n_groups = int(group.max()) + 1
    shells = int(make_shell_indices(source.box_size).max()) + 1
    total = torch.zeros(n_groups, shells, dtype=torch.float64)
    count = torch.zeros(n_groups, dtype=torch.long)
    for rows in ids.split(block_size):
        images = source[rows].float()
        usable = images.flatten(1).isfinite().all(1)
        if not usable.any():  # FFT libraries refuse an empty batch
            continue
        images, member = images[usable], group[rows[usable]]
        background = (images * mask).sum((1, 2), keepdim=True) / mask.sum()
        power = fourier_transform((images - background) * mask).abs().square().double()
        total.index_add_(0, member, compute_radial_mean(power) / mask.square().mean())
        count += torch.bincount(member, minlength=n_groups)
    return CornerSpectra(total, count)


def _compute_group_scale(spectra: CornerSpectra, noise: NoiseModel) -> Float[Tensor, "groups shells"]:
    """Return the power of each group's noise in units of that of `noise`."""
    shells = torch.arange(spectra.power.shape[1])
    # half plane; the corners are the share of the box that the mask leaves
    weight = spectra.count[:, None] * math.pi * shells
    ratio = spectra.power / spectra.count[:, None].clamp_min(1) / noise.power
    weight[:, :2] = 0  # emptied by the subtracted mean
    weighted, pooled = pool_shells(weight * ratio, reach=NEIGHBOURS), pool_shells(weight, reach=NEIGHBOURS)
    level = weighted.sum(1, keepdim=True) / pooled.sum(1, keepdim=True).clamp_min(1)
    scale = (weighted + LEVEL_COMPONENTS * level) / (pooled + LEVEL_COMPONENTS)
    measured = (spectra.count >= SMALLEST_GROUP)[:, None] & (scale > 0)
    return torch.where(measured, scale, 1.0)


def pool_shells(values: Float[Tensor, "rows shells"], *, reach: int) -> Float[Tensor, "rows shells"]:
    """Return the sums over each shell and `reach` neighbours on either side."""
    return torch.nn.functional.pad(values, (reach, reach)).unfold(1, 2 * reach + 1, 1).sum(-1)


def _smooth_low_shells(power: Float[Tensor, "shells"]) -> Float[Tensor, "shells"]:
    """Replace shells 0 and 1, which the subtracted mean has emptied, by shell 2."""
    return torch.cat((power[2].expand(2), power[2:]))
