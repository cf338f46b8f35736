"""The likelihood of a state, its slope and its curvature."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deephemnma.alignment.observation import Observations
from deephemnma.alignment.prior import AmplitudePrior
from deephemnma.alignment.state import State
from deephemnma.imaging.projector import Projector

SMALLEST_CONTRAST = 1e-12


@dataclass(frozen=True)
class Evaluation:
    """The likelihood around a state, the contrast being fitted.

    Parameters are (amplitudes, rotation, shift, contrast).

    Attributes
    ----------
    cost
        ``0.5 * sum |data - contrast * transfer * projection|^2``, summed in float64: differences count. With a prior
        on the amplitudes, minus its log density is added here, and to the slope and the curvature.
    contrast
        The best one, never negative.
    gradient, curvature
        Of the cost; the curvature is the Fisher matrix (Gauss-Newton).
    """

    cost: Float[Tensor, "images"]
    contrast: Float[Tensor, "images"]
    gradient: Float[Tensor, "images parameters"]
    curvature: Float[Tensor, "images parameters parameters"]

    def select(self, rows: Int[Tensor, "rows"]) -> "Evaluation":
        """Return the evaluations of `rows`, which may repeat."""
        return Evaluation(self.cost[rows], self.contrast[rows], self.gradient[rows], self.curvature[rows])

    def replace_where(self, chosen: Bool[Tensor, "images"], other: "Evaluation") -> "Evaluation":
        """Return `other` where `chosen`, this elsewhere."""
        return Evaluation(
            torch.where(chosen, other.cost, self.cost),
            torch.where(chosen, other.contrast, self.contrast),
            torch.where(chosen[:, None], other.gradient, self.gradient),
            torch.where(chosen[:, None, None], other.curvature, self.curvature),
        )


def evaluate(observations: Observations, projector: Projector, state: State) -> Evaluation:
    """Evaluate the likelihood of each image at its state."""
    value, derivatives = projector.linearize(state.rotations, state.shifts, state.amplitudes)
    # The largest arrays here: written once, read twice.
    filtered = derivatives.new_empty(len(value), derivatives.shape[1] + 1, value.shape[1])
    torch.mul(derivatives, observations.transfer[:, None], out=filtered[:, :-1])
    torch.mul(value, observations.transfer, out=filtered[:, -1])
    jacobian = torch.view_as_real(filtered).flatten(2)
    value, data = jacobian[:, -1], torch.view_as_real(observations.data).flatten(1)
    energy = value.square().sum(1).clamp_min(torch.finfo(value.dtype).tiny)
    contrast = ((value * data).sum(1) / energy).clamp_min(SMALLEST_CONTRAST)
    residual = data - contrast[:, None] * value
    # Derivatives are those of the projection at contrast 1.
    scale = torch.nn.functional.pad(contrast[:, None].expand(-1, derivatives.shape[1]), (0, 1), value=1.0)
    likelihood = Evaluation(
        cost=residual.square().sum(1, dtype=torch.float64) / 2,
        contrast=contrast,
        gradient=-scale * (jacobian @ residual[:, :, None])[:, :, 0],
        curvature=scale[:, :, None] * (jacobian @ jacobian.mT) * scale[:, None],
    )
    return likelihood if observations.prior is None else _add_prior(likelihood, observations.prior, state)


def _add_prior(likelihood: Evaluation, prior: AmplitudePrior, state: State) -> Evaluation:
    """Return the posterior: the amplitudes are the first parameters."""
    others = likelihood.gradient.shape[1] - state.amplitudes.shape[1]
    precision = torch.nn.functional.pad(prior.precision, (0, others)).to(likelihood.gradient)
    pull = torch.nn.functional.pad(state.amplitudes, (0, others)) * precision
    return Evaluation(
        cost=likelihood.cost + prior.compute_cost(state.amplitudes.double()),
        contrast=likelihood.contrast,
        gradient=likelihood.gradient + pull,
        curvature=likelihood.curvature + torch.diag_embed(precision),
    )


def invert_fisher(
    curvature: Float[Tensor, "images parameters parameters"], *, held: tuple[int, ...] = ()
) -> Float[Tensor, "images inner inner"]:
    """Return the covariance of (amplitudes, rotation, shift) with the contrast marginalised: the Cramer-Rao bound.

    This block of the inverse is the inverse of a Schur complement: each of its diagonal elements is the variance of one
    parameter when nothing is known of all others. See :func:`invert_curvature`.
    """
    return invert_curvature(curvature, held=held)[:, :-1, :-1]


def invert_curvature(
    curvature: Float[Tensor, "images parameters parameters"], *, held: tuple[int, ...] = ()
) -> Float[Tensor, "images parameters parameters"]:
    """Return the covariance of (amplitudes, rotation, shift, contrast).

    Computed in float64 after scaling to a unit diagonal, for the units of the parameters differ by orders of magnitude.
    A direction the data do not see has infinite variance. The parameters `held` have NaN, and the others the covariance
    given these.
    """
    scale = curvature.diagonal(dim1=-2, dim2=-1).double().clamp_min(1e-300).rsqrt()
    scaled = curvature.double() * scale[:, :, None] * scale[:, None, :]
    scaled[:, held, held] = 1
    inverse, failed = torch.linalg.inv_ex(scaled)
    unseen = (failed > 0) | (inverse.diagonal(dim1=-2, dim2=-1) <= 0).any(1)
    inverse = torch.where(unseen[:, None, None], torch.inf, inverse)
    inverse = inverse * scale[:, :, None] * scale[:, None, :]
    inverse[:, held, :] = inverse[:, :, held] = torch.nan
    return inverse
