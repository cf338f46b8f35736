"""The simulated microscope: poses, optics, contrast and noise of each image."""

import math

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.fourier import make_frequencies, make_shell_indices
from deephemnma.core.particle import Optics, Poses
from deephemnma.imaging.ctf import compute_ctf
from deephemnma.imaging.noise import NoiseModel
from deephemnma.settings.stage.simulate import ImageOptions

ANGSTROM_PER_UM = 1e4
N_CHANCES = 4
"""Even draws that say an image's defocus, astigmatism, its axis, and contrast, in this order."""


def draw_pose(options: ImageOptions, generator: torch.Generator) -> Poses:
    """Draw one uniform orientation and one shift."""
    rotation = roma.random_rotmat(1, dtype=torch.float64, generator=generator)
    shift = options.shift_range * (2 * torch.rand(1, 2, generator=generator, dtype=torch.float64) - 1)
    return Poses(rotation, shift)


def draw_chances(generator: torch.Generator) -> Float[Tensor, "chances"]:
    """Draw what :func:`make_optics` and :func:`make_contrasts` need for one image, evenly from 0-1."""
    return torch.rand(N_CHANCES, generator=generator, dtype=torch.float64)


def make_optics(options: ImageOptions, chances: Float[Tensor, "images chances"]) -> Optics:
    """Return the optics of images."""
    spread, astigmatism, axis, _ = chances.unbind(1)

    def fill(value: float) -> Float[Tensor, "images"]:
        return torch.full_like(spread, value)

    mean = (options.defocus_um + options.defocus_spread_um * (2 * spread - 1)) * ANGSTROM_PER_UM
    half = options.astigmatism_um * astigmatism / 2 * ANGSTROM_PER_UM
    return Optics(
        voltage_kv=fill(options.voltage_kv),
        cs_mm=fill(options.cs_mm),
        amplitude_contrast=fill(options.amplitude_contrast),
        defocus_u=mean + half,
        defocus_v=mean - half,
        defocus_angle=math.pi * axis if options.astigmatism_um else fill(0.0),
        phase_shift=fill(0.0),
    )


def make_contrasts(options: ImageOptions, chances: Float[Tensor, "images chances"]) -> Float[Tensor, "images"]:
    """Return the contrast of images in units of the mean."""
    return 1 + options.contrast_spread * (2 * chances[:, -1] - 1)


def make_noise_model(options: ImageOptions, ctf: Float[Tensor, "images box half"]) -> NoiseModel:
    """Return the noise that the images get; over all images, whose CTFs are like `ctf`, its variance is 1."""
    spectrum, shells = _make_spectrum(options), make_shell_indices(options.box_size)
    plain = _average_over_plane(spectrum[shells])
    filtered = _average_over_plane(spectrum[shells] * ctf.square().mean(dim=0))
    before = options.noise_before_ctf
    after = (1 - before) / plain * spectrum
    return NoiseModel(after, options.box_size, options.pixel_size, before / filtered * spectrum)


def compute_image_ctf(options: ImageOptions, optics: Optics) -> Float[Tensor, "images box half"]:
    """Return the CTF of each image over the half plane."""
    return compute_ctf(optics.to("cpu"), make_frequencies(options.box_size, options.pixel_size))


def _make_spectrum(options: ImageOptions) -> Float[Tensor, "shells"]:
    """Return the power of the noise in each shell, 1 at zero frequency."""
    shells = torch.arange(int(make_shell_indices(options.box_size).max()) + 1)
    frequencies = shells / (options.box_size * options.pixel_size)
    falling = 1 / (1 + (frequencies * options.noise_resolution).square())
    return options.noise_floor + (1 - options.noise_floor) * falling


def _average_over_plane(values: Float[Tensor, "box half"]) -> float:
    """Return the mean over the whole plane: of the half plane's inner columns each stands for two."""
    weights = torch.full((values.shape[1],), 2.0)
    weights[0] = 1
    if values.shape[0] % 2 == 0:
        weights[-1] = 1
    return float((values * weights).sum() / values.shape[0] ** 2)
