"""The simulated microscope: poses, optics and noise of each image."""

import math
from dataclasses import dataclass, replace

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform, make_frequencies
from deephemnma.core.particle import Optics, Poses
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.noise import NoiseModel, make_white_noise
from deephemnma.settings.stage.simulate import ImageOptions

ANGSTROM_PER_UM = 1e4


@dataclass(frozen=True)
class NoiseLevels:
    """Variances of the white noise that the images get.

    Attributes
    ----------
    before_ctf
        Of the noise that passes through the CTF, before it does.
    after_ctf
        Of the noise added last.
    """

    before_ctf: float
    after_ctf: float


def draw_pose(options: ImageOptions, generator: torch.Generator) -> Poses:
    """Draw one uniform orientation and one shift."""
    rotation = roma.random_rotmat(1, dtype=torch.float64, generator=generator)
    shift = options.shift_range * (2 * torch.rand(1, 2, generator=generator, dtype=torch.float64) - 1)
    return Poses(rotation, shift)


def make_optics(options: ImageOptions, spread: Float[Tensor, "images"]) -> Optics:
    """Return the optics of images whose defocus lies `spread` (-1 to 1) of the range off the mean."""

    def fill(value: float) -> Float[Tensor, "images"]:
        return torch.full_like(spread, value)

    defocus = (options.defocus_um + options.defocus_spread_um * spread) * ANGSTROM_PER_UM
    return Optics(
        voltage_kv=fill(options.voltage_kv),
        cs_mm=fill(options.cs_mm),
        amplitude_contrast=fill(options.amplitude_contrast),
        defocus_u=defocus,
        defocus_v=defocus,
        defocus_angle=fill(0.0),
        phase_shift=fill(0.0),
    )


def compute_noise_levels(options: ImageOptions, ctf: Float[Tensor, "images box half"]) -> NoiseLevels:
    """Split a total noise variance of 1 into what comes before and after the CTF."""
    before = options.noise_before_ctf / _average_over_plane(ctf.square().mean(dim=0))
    return NoiseLevels(before_ctf=before, after_ctf=1 - options.noise_before_ctf)


def make_noise_model(options: ImageOptions, levels: NoiseLevels) -> NoiseModel:
    """Return the noise that the images get."""
    after = make_white_noise(levels.after_ctf, box_size=options.box_size, pixel_size=options.pixel_size)
    return replace(after, structural=torch.full_like(after.power, levels.before_ctf))


def draw_noise(
    levels: NoiseLevels, ctf: Float[Tensor, "box half"], *, generator: torch.Generator
) -> Float[Tensor, "box box"]:
    """Draw the noise of one image."""
    box_size = ctf.shape[-2]
    white = torch.randn(2, box_size, box_size, generator=generator)
    filtered = inverse_fourier_transform(fourier_transform(white[0]) * ctf, box_size=box_size)
    return math.sqrt(levels.before_ctf) * filtered + math.sqrt(levels.after_ctf) * white[1]


def compute_image_ctf(options: ImageOptions, optics: Optics) -> Float[Tensor, "images box half"]:
    """Return the CTF of each image over the half plane."""
    return compute_ctf(optics.to("cpu"), make_frequencies(options.box_size, options.pixel_size))


def _average_over_plane(values: Float[Tensor, "box half"]) -> float:
    """Return the mean over the whole plane: of the half plane's inner columns each stands for two."""
    weights = torch.full((values.shape[1],), 2.0)
    weights[0] = 1
    if values.shape[0] % 2 == 0:
        weights[-1] = 1
    return float((values * weights).sum() / values.shape[0] ** 2)
