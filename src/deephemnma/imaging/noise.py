"""Noise whose power depends on the spatial frequency and, in part, on the CTF."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform, make_shell_indices


@dataclass(frozen=True)
class NoiseModel:
    """Stationary Gaussian noise: some passes through the CTF, as what surrounds the particle does, some comes after.

    A component of shell s, where the CTF is c, has the variance ``power[s] + structural[s] c^2``, times the scale of
    the image's optics group in that shell.

    Attributes
    ----------
    power
        Variance of the components of each radial shell of the orthonormal transform, from shell 0 to the corner of
        the box, by noise added after the CTF; white noise of variance v has power v everywhere.
    box_size, pixel_size
        Of the images that the shells refer to (pixels, A).
    structural
        The same for noise that passes through the CTF, before it does; None for no such noise.
    group_scale
        Of each optics group that was measured apart, how much stronger its noise is than this; None where all groups
        are alike. Groups beyond the last row have the scale 1.
    """

    power: Float[Tensor, "shells"]
    box_size: int
    pixel_size: float
    structural: Float[Tensor, "shells"] | None = None
    group_scale: Float[Tensor, "groups shells"] | None = None

    def compute_power(
        self,
        shells: Int[Tensor, "*grid"],
        ctf: Float[Tensor, "images *grid"] | None,
        group: Int[Tensor, "images"] | None = None,
    ) -> Float[Tensor, "..."]:
        """Return the variance (float32) of components in `shells`: of each image, where images differ.

        Parameters
        ----------
        shells
            Of the components.
        ctf
            Of each image; None without structural noise.
        group
            Optics group of each image; None for noise that is not of any group.
        """
        power = self.power.to(shells.device, torch.float32)[shells]
        if self.structural is not None and ctf is not None:
            power = power + self.structural.to(shells.device, torch.float32)[shells] * ctf.square()
        if self.group_scale is None or group is None:
            return power
        return power * self.get_group_scale(group).to(shells.device, torch.float32)[:, shells]

    def get_group_scale(self, group: Int[Tensor, "images"]) -> Float[Tensor, "images shells"]:
        """Return the scale of each image's noise in every shell."""
        alike = torch.ones(1, len(self.power), dtype=self.power.dtype)
        table = alike if self.group_scale is None else torch.cat((self.group_scale.to(alike), alike))
        return table[group.cpu().clamp(max=len(table) - 1)]

    def draw(
        self,
        count: int,
        *,
        generator: torch.Generator,
        ctf: Float[Tensor, "count box half"] | None = None,
        group: Int[Tensor, "count"] | None = None,
    ) -> Float[Tensor, "count box box"]:
        """Draw `count` images of noise (float32, on the generator's device), of the `ctf` and the `group` of each."""
        device = generator.device
        white = torch.randn(count, self.box_size, self.box_size, generator=generator, device=device)
        power = self.compute_power(make_shell_indices(self.box_size, device=device), ctf, group)
        return inverse_fourier_transform(fourier_transform(white) * power.sqrt(), box_size=self.box_size)

    def resample(self, box_size: int) -> "NoiseModel":
        """Return the noise of the same images Fourier-cropped to `box_size` (see ``fourier_crop``)."""
        scale = box_size / self.box_size
        shells = int(make_shell_indices(box_size).max()) + 1
        structural = None if self.structural is None else self.structural[:shells] * scale**2
        groups = None if self.group_scale is None else self.group_scale[:, :shells]
        return NoiseModel(self.power[:shells] * scale**2, box_size, self.pixel_size / scale, structural, groups)


def make_white_noise(variance: float, *, box_size: int, pixel_size: float) -> NoiseModel:
    """Return white noise of `variance`."""
    shells = int(make_shell_indices(box_size).max()) + 1
    return NoiseModel(torch.full((shells,), float(variance)), box_size, pixel_size)


def compute_radial_mean(power: Float[Tensor, "*batch box half"]) -> Float[Tensor, "*batch shells"]:
    """Return the mean over each radial shell of half-plane arrays."""
    shells = make_shell_indices(power.shape[-2], device=power.device).flatten()
    total = power.new_zeros(*power.shape[:-2], int(shells.max()) + 1)
    total.index_add_(-1, shells, power.flatten(-2))
    return total / torch.bincount(shells).to(power.dtype)
