"""Noise with a radial power spectrum."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform, make_shell_indices


@dataclass(frozen=True)
class NoiseModel:
    """Stationary Gaussian noise.

    Attributes
    ----------
    power
        Variance of the components of each radial shell of the orthonormal transform, from shell 0 to the corner of
        the box; white noise of variance v has power v everywhere.
    box_size, pixel_size
        Of the images that the shells refer to (pixels, A).
    """

    power: Float[Tensor, "shells"]
    box_size: int
    pixel_size: float

    def draw(self, count: int, *, generator: torch.Generator) -> Float[Tensor, "count box box"]:
        """Draw `count` images of noise (float32, on the generator's device)."""
        device = generator.device
        white = torch.randn(count, self.box_size, self.box_size, generator=generator, device=device)
        shells = make_shell_indices(self.box_size, device=device)
        coloured = fourier_transform(white) * self.power.to(device).float().sqrt()[shells]
        return inverse_fourier_transform(coloured, box_size=self.box_size)

    def resample(self, box_size: int) -> "NoiseModel":
        """Return the noise of the same images Fourier-cropped to `box_size` (see ``fourier_crop``)."""
        scale = box_size / self.box_size
        shells = int(make_shell_indices(box_size).max()) + 1
        return NoiseModel(self.power[:shells] * scale**2, box_size, self.pixel_size / scale)


def make_white_noise(variance: float, *, box_size: int, pixel_size: float) -> NoiseModel:
    """Return white noise of `variance`."""
    shells = int(make_shell_indices(box_size).max()) + 1
    return NoiseModel(torch.full((shells,), float(variance)), box_size, pixel_size)


def compute_radial_mean(power: Float[Tensor, "box half"]) -> Float[Tensor, "shells"]:
    """Return the mean over each radial shell of a half-plane array."""
    shells = make_shell_indices(power.shape[0], device=power.device).flatten()
    total = torch.zeros(int(shells.max()) + 1, dtype=power.dtype, device=power.device)
    total.index_add_(0, shells, power.flatten())
    return total / torch.bincount(shells).to(power.dtype)
