"""The one way in which images reach the network: in training, validation and prediction alike."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.fourier import fourier_crop, fourier_transform, inverse_fourier_transform, make_frequencies
from deephemnma.core.particle import Optics
from deephemnma.imaging.ctf import compute_ctf

TARGET_PIXEL = 2.6
"""A; conformation and pose to within the reach of refinement need no finer one."""
SMALLEST_BOX = 16


@dataclass(frozen=True)
class Preparation:
    """How images are prepared.

    Attributes
    ----------
    box_size
        Side of the prepared images, pixels.
    pixel_size
        Of the prepared images, A.
    ctf_correction
        "multiply" by the CTF, or "flip" the phases.
    """

    box_size: int
    pixel_size: float
    ctf_correction: str


def choose_preparation(box_size: int, pixel_size: float, *, network_box: int, ctf_correction: str) -> Preparation:
    """Return the preparation of images of `box_size`; a `network_box` of 0 takes pixels of about 2.6 A."""
    wanted = network_box or max(SMALLEST_BOX, 2 * round(box_size * pixel_size / TARGET_PIXEL / 2))
    cropped = min(wanted, box_size - box_size % 2)
    return Preparation(cropped, pixel_size * box_size / cropped, ctf_correction)


def prepare_images(
    images: Float[Tensor, "images box box"], optics: Optics | None, preparation: Preparation
) -> Float[Tensor, "images cropped cropped"]:
    """Crop in Fourier space, correct for the CTF, keep the disc inside Nyquist; mean 0, standard deviation 1.

    Components beyond the disc are left out because a turn of the image would move them off the grid. What is not
    finite counts as 0, and a flat image stays 0 (see :func:`~deephemnma.imaging.bad_image.find_bad_images`).
    """
    box_size = preparation.box_size
    transforms = fourier_crop(fourier_transform(images.nan_to_num(0, 0, 0)), box_size=box_size)
    frequencies = make_frequencies(box_size, preparation.pixel_size, device=images.device)
    # The band of imaging.band, a hair wider against rounding: what is simulated must reach as far as what is measured.
    edge = ((box_size - 1) // 2 + 1e-3) / (box_size * preparation.pixel_size)
    weights = (frequencies.norm(dim=-1) <= edge).to(images.dtype)
    if optics is not None:
        ctf = compute_ctf(optics.to(images.device), frequencies)
        weights = weights * (ctf.sign() if preparation.ctf_correction == "flip" else ctf)
    return normalize_images(inverse_fourier_transform(transforms * weights, box_size=box_size))


def normalize_images(images: Float[Tensor, "images box box"]) -> Float[Tensor, "images box box"]:
    """Return images of mean 0 and standard deviation 1; flat ones of mean 0."""
    centred = images - images.mean(dim=(-2, -1), keepdim=True)
    deviation = centred.std(dim=(-2, -1), keepdim=True)
    return centred / torch.where(deviation > 0, deviation, torch.ones_like(deviation))
