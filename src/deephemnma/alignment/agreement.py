"""How well images agree with a reference at given states: one contrast a shell for all of them, none for each."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.observation import Observations
from deephemnma.alignment.state import State
from deephemnma.imaging.projector import Projector

IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class Agreement:
    """Products of images and projections, shell by shell.

    Attributes
    ----------
    inner
        Of the data with the filtered projection, both whitened.
    energy
        Square of the latter.
    """

    inner: Float[Tensor, "images shells"]
    energy: Float[Tensor, "images shells"]

    def compute_gains(self) -> Float[Tensor, "images"]:
        """Return the log likelihood of each image above that of an empty one.

        The contrast of a shell is that of highest likelihood over all *other* images, and never negative. So nothing is
        fitted to the image itself: a wrong pose gains nothing on average, and ways to read the poses can be compared by
        the mean over images and its standard error, however weak each image is.
        """
        inner, energy = self.inner.sum(0) - self.inner, self.energy.sum(0) - self.energy
        contrast = inner.clamp_min(0) / energy.clamp_min(1e-30)
        return (contrast * self.inner - contrast.square() * self.energy / 2).sum(1)

    def compute_correlation(self, power: Float[Tensor, "images shells"]) -> Float[Tensor, "shells"]:
        """Return the correlation in each shell of all images, whose square in the shells is `power`."""
        norm = self.energy.sum(0) * power.sum(0)
        return self.inner.sum(0) / norm.clamp_min(1e-30).sqrt()

    def negate(self) -> "Agreement":
        """Return the agreement of the images with their grey values reversed."""
        return Agreement(-self.inner, self.energy)


@dataclass(frozen=True)
class Difference:
    """A mean over images, with its standard error.

    Attributes
    ----------
    mean, standard_error
        In the unit of what was compared.
    """

    mean: float
    standard_error: float

    @property
    def z(self) -> float:
        """The mean in standard errors."""
        return self.mean / max(self.standard_error, 1e-30)


def average(values: Float[Tensor, "images"]) -> Difference:
    """Return the mean of `values` with its standard error."""
    values = values.double()
    return Difference(float(values.mean()), float(values.std() / len(values) ** 0.5) if len(values) > 1 else 0.0)


def compute_agreement(observations: Observations, projector: Projector, state: State) -> Agreement:
    """Compare each image with the projection of its state.

    Parameters
    ----------
    observations, projector
        Of the same band.
    state
        A row an image.
    """
    rows = torch.arange(len(state), device=state.shifts.device)
    parts = []
    for some in rows.split(IMAGES_AT_ONCE):
        part = state.select(some)
        value = projector.project(part.rotations, part.shifts, part.amplitudes)
        parts.append(multiply(observations.select(some), value))
    return Agreement(torch.cat([part.inner for part in parts]), torch.cat([part.energy for part in parts]))


def multiply(observations: Observations, value: Tensor) -> Agreement:
    """Return the products of images with the projections `value`, which have not passed the transfer yet."""
    value = value * observations.transfer
    inner = (value.conj() * observations.data).real
    return Agreement(sum_shells(observations, inner), sum_shells(observations, value.abs().square()))


def sum_shells(
    observations: Observations, values: Float[Tensor, "images components"]
) -> Float[Tensor, "images shells"]:
    """Return the sums of `values` over each shell, in float64 on the CPU."""
    shells = observations.band.shells
    total = torch.zeros(len(values), observations.band.max_index + 1, dtype=torch.float64, device=values.device)
    return total.index_add_(1, shells, values.double()).cpu()
