"""A soft circular mask that keeps the noise of an image as it is everywhere."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform, make_frequencies, make_shell_indices
from deephemnma.core.particle import Optics
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.noise import NoiseModel

EDGE = 4.0
"""Width of the soft edge around the particle, pixels."""


def make_background_mask(box_size: int, radius: float) -> Float[Tensor, "box box"]:
    """Return 0 inside `radius` (pixels), 1 outside, with a raised-cosine edge outwards."""
    axis = torch.arange(box_size) - box_size // 2
    distance = torch.hypot(axis[:, None].float(), axis[None, :].float())
    step = ((distance - radius) / EDGE).clamp(0, 1)
    return (1 - (math.pi * step).cos()) / 2


def fill_background(
    images: Float[Tensor, "images box box"], *, radius: float, optics: Optics | None, noise: NoiseModel
) -> Float[Tensor, "images box box"]:
    """Replace what lies beyond `radius` (A) by noise.

    Zeros there would take noise away, and a likelihood that expects it would call every fit too good; noise of the
    same spectrum leaves all components with the variance they had. The mean of a ring at the edge is subtracted, for a
    step there would be a signal. All images get the same pattern, so that none depends on its neighbours.

    Parameters
    ----------
    images
        With the particle at the centre.
    radius
        Where the soft edge begins.
    optics
        Of the images, for noise that passes the CTF and for their groups.
    noise
        Of the images.
    """
    box, device = noise.box_size, images.device
    outside = make_background_mask(box, radius / noise.pixel_size).to(device)
    ring = outside - make_background_mask(box, radius / noise.pixel_size + EDGE).to(device)
    background = (images * ring).sum((1, 2), keepdim=True) / ring.sum().clamp_min(1e-6)
    pattern = _draw_pattern(noise, optics.to(device) if optics is not None else None, device=device)
    inside = 1 - outside
    return inside * (images - background) + (1 - inside.square()).sqrt() * pattern


def _draw_pattern(
    noise: NoiseModel, optics: Optics | None, *, device: torch.device
) -> Float[Tensor, "#images box box"]:
    white = torch.randn(1, noise.box_size, noise.box_size, generator=torch.Generator().manual_seed(0)).to(device)
    shells: Int[Tensor, "box half"] = make_shell_indices(noise.box_size, device=device)
    ctf = None
    if optics is not None and noise.structural is not None:
        ctf = compute_ctf(optics, make_frequencies(noise.box_size, noise.pixel_size, device=device))
    power = noise.compute_power(shells, ctf, None if optics is None else optics.group)
    return inverse_fourier_transform(fourier_transform(white) * power.sqrt(), box_size=noise.box_size)
