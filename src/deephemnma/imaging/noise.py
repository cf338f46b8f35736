"""Noise whose power depends on the spatial frequency and, in part, on the CTF."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform, make_shell_indices


@dataclass(frozen=True)
class NoiseModel:
    """Stationary Gaussian noise: some passes through the CTF, as what surrounds the particle does, some comes after.

    A component of shell s, where the CTF is c, has the variance ``power[s] + structural[s] c^2``.

    Attributes
    ----------
    power
        Variance of the components of each radial shell of the orthonormal transform, from shell 0 to the corner of
        the box, by noise added after the CTF; white noise of variance v has power v everywhere.
    box_size, pixel_size
        Of the images that the shells refer to (pixels, A).
    structural
        The same for noise that passes through the CTF, before it does; None for no such noise.
    """

    power: Float[Tensor, "shells"]
    box_size: int
    pixel_size: float
    structural: Float[Tensor, "shells"] | None = None

    def compute_power(
        self, shells: Int[Tensor, "*grid"], ctf: Float[Tensor, "images *grid"] | None
    ) -> Float[Tensor, "..."]:
        """Return the variance (float32) of components in `shells`: of each image if there is structural noise."""
        power = self.power.to(shells.device, torch.float32)[shells]
        if self.structural is None or ctf is None:
            return power
        return power + self.structural.to(shells.device, torch.float32)[shells] * ctf.square()

    def draw(
        self, count: int, *, generator: torch.Generator, ctf: Float[Tensor, "count box half"] | None = None
    ) -> Float[Tensor, "count box box"]:
        """Draw `count` images of noise (float32, on the generator's device), through the `ctf` of each."""
        device = generator.device
        white = torch.randn(count, self.box_size, self.box_size, generator=generator, device=device)
        power = self.compute_power(make_shell_indices(self.box_size, device=device), ctf)
        return inverse_fourier_transform(fourier_transform(white) * power.sqrt(), box_size=self.box_size)

    def resample(self, box_size: int) -> "NoiseModel":
        """Return the noise of the same images Fourier-cropped to `box_size` (see ``fourier_crop``)."""
        scale = box_size / self.box_size
        shells = int(make_shell_indices(box_size).max()) + 1
        structural = None if self.structural is None else self.structural[:shells] * scale**2
        return NoiseModel(self.power[:shells] * scale**2, box_size, self.pixel_size / scale, structural)


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
