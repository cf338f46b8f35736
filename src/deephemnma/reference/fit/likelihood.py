"""How well a model explains a map: a likelihood whose noise and contrast are unknown in each shell.

Maps are sharpened, damped and filtered: the ratio of a map's amplitudes to a model's is a function of the radius in
Fourier space that nobody knows, and so is the noise. Both have a best value in each shell at each conformation: what
remains is ``sum_s n_s log(1 - FSC_s^2)``, up to a constant.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.reference.fit.box import Components
from deephemnma.reference.fit.placement import Placement
from deephemnma.reference.fit.transform import DensityTransform

MODEL_ERROR = 1e-2
"""Relative error of the amplitudes that no model of a map is free of: shells are not trusted beyond it."""


@dataclass(frozen=True)
class Evaluation:
    """The likelihood of a placement.

    Attributes
    ----------
    cost
        Minus the log likelihood, up to a constant.
    gradient, curvature
        By the parameters of :meth:`DensityTransform.linearize`; the curvature is the Fisher matrix.
    """

    cost: float
    gradient: Float[Tensor, "parameters"]
    curvature: Float[Tensor, "parameters parameters"]


@dataclass(frozen=True)
class Comparison:
    """A model beside a map, shell by shell.

    Attributes
    ----------
    gains
        Of the model, so that it is nearest to the map; never negative.
    correlation
        Fourier shell correlation.
    power
        Of the map.
    """

    gains: Float[Tensor, "shells"]
    correlation: Float[Tensor, "shells"]
    power: Float[Tensor, "shells"]

    @property
    def overall(self) -> float:
        """Correlation of the map with the model whose shells have the gains, 0-1."""
        return self.correlate(len(self.power))

    def correlate(self, n_shells: int) -> float:
        """Return :attr:`overall` of the first shells alone."""
        power = self.power[:n_shells]
        explained = (self.correlation[:n_shells].clamp_min(0).square() * power).sum()
        return float((explained / power.sum().clamp_min(1e-300)).sqrt())


def compare(components: Components, value: Complex[Tensor, "components"]) -> Comparison:
    """Compare a model's transform with the map's."""
    power = components.sum_shells(components.data.abs().square())
    own = components.sum_shells(value.abs().square()).clamp_min(1e-300)
    common = components.sum_shells((components.data.conj() * value).real)
    return Comparison((common / own).clamp_min(0), common / (own * power).sqrt().clamp_min(1e-300), power)


def compute_cost(components: Components, value: Complex[Tensor, "components"]) -> float:
    """Return minus the log likelihood."""
    compared = compare(components, value)
    return float((components.counts * _compute_noise(compared).log()).sum())


def evaluate(components: Components, density: DensityTransform, placement: Placement) -> Evaluation:
    """Return the likelihood of `placement` and its derivatives."""
    value, slopes = density.linearize(placement)
    compared = compare(components, value)
    count = components.counts
    # Of each component: 2 n / residual of its shell.
    weight = (2 * count / (_compute_noise(compared) * compared.power).clamp_min(1e-300))[components.shells]
    gain = compared.gains[components.shells]
    own = components.sum_shells(value.abs().square()).clamp_min(1e-300)
    along = components.sum_shells((value.conj() * slopes).real) / own
    root = weight.sqrt()
    jacobian = ((slopes - along[:, components.shells] * value) * (gain * root)).to(torch.complex64)
    jacobian = torch.view_as_real(jacobian).flatten(1)
    residual = torch.view_as_real(((components.data - gain * value) * root).to(torch.complex64)).flatten()
    return Evaluation(
        cost=float((count * _compute_noise(compared).log()).sum()),
        gradient=-(jacobian @ residual).double(),
        curvature=(jacobian @ jacobian.mT).double(),
    )


def _compute_noise(compared: Comparison) -> Float[Tensor, "shells"]:
    """Return the share of each shell's power that the model leaves."""
    return 1 - compared.correlation.clamp_min(0).square() * (1 - MODEL_ERROR**2)
