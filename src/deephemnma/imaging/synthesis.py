"""Clean images of a moving molecule, and what turns them into data."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.fourier import inverse_fourier_transform
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Optics, Poses
from deephemnma.imaging.band import make_band
from deephemnma.imaging.ctf import compute_ctf, compute_envelope
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.noise import NoiseModel


@dataclass(frozen=True)
class ImageFormation:
    """What lies between a projection and the data: ``image = contrast * CTF * envelope * projection + noise``.

    Attributes
    ----------
    contrast
        Typical grey-value scale of the data set.
    noise
        Noise of the data set.
    contrast_spread
        Standard deviation of the contrast from image to image.
    b_factor
        Of the envelope ``exp(-B k^2 / 4)`` that all projections pass, A^2.
    """

    contrast: float
    noise: NoiseModel
    contrast_spread: float = 0.0
    b_factor: float = 0.0


def project_images(
    model: GaussianModel,
    modes: Modes,
    poses: Poses,
    amplitudes: Float[Tensor, "images modes"],
    *,
    box_size: int,
    pixel_size: float,
    optics: Optics | None = None,
    device: torch.device | str = "cpu",
    tolerance: float = 1e-4,
    b_factor: float = 0.0,
) -> Float[Tensor, "images box box"]:
    """Return noise-free images (float32) of each conformation at each pose, after the CTF and the envelope.

    Band-limited to the disc inside Nyquist, mean zero. `tolerance` is the relative error of the projector, `b_factor`
    (A^2) that of :func:`~deephemnma.imaging.ctf.compute_envelope`.
    """
    band = make_band(box_size, pixel_size, device=device)
    projector = GaussianProjector(model, modes, band, tolerance=tolerance)
    components = projector.project(
        poses.rotations.to(device, torch.float32),
        poses.shifts.to(device, torch.float32),
        amplitudes.to(device, torch.float32),
    )
    components = components * compute_envelope(band.frequencies, b_factor)
    if optics is not None:
        components = components * compute_ctf(optics.to(device), band.frequencies)
    return inverse_fourier_transform(band.embed(components), box_size=box_size)
