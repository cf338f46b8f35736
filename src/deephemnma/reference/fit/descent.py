"""Levenberg-Marquardt on the placement of one model in one map."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.model import GaussianModel
from deephemnma.reference.fit.box import Components
from deephemnma.reference.fit.likelihood import Evaluation, compute_cost, evaluate
from deephemnma.reference.fit.placement import Placement
from deephemnma.reference.fit.transform import DensityTransform

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING, DAMPING_DOWN, DAMPING_UP = 1e-2, 1e-6, 1e6, 0.2, 5.0
POOR_GAIN, GOOD_GAIN = 0.25, 0.75
"""Of the gain that the quadratic model promised: below the first the damping rises, above the second it falls."""
TOLERANCE = 1e-2
"""Of the log likelihood, in units of which 1/2 is a standard deviation."""


@dataclass(frozen=True)
class Descent:
    """Where a descent ended.

    Attributes
    ----------
    placement, evaluation
        The best one.
    converged
        Whether the last step promised less than the tolerance.
    iterations
        Steps tried.
    """

    placement: Placement
    evaluation: Evaluation
    converged: bool
    iterations: int


def make_step_scale(model: GaussianModel, *, n_modes: int, length: float) -> Float[Tensor, "parameters"]:
    """Return the step in each parameter that moves the sites by `length` (A, root mean square)."""
    scale = torch.full((n_modes + 6,), length, dtype=torch.float64)
    scale[:n_modes] *= model.n_sites**0.5
    scale[n_modes : n_modes + 3] /= model.positions.double().square().sum(-1).mean().sqrt()
    return scale


def descend(
    components: Components,
    density: DensityTransform,
    start: Placement,
    *,
    step_scale: Float[Tensor, "parameters"],
    precision: Float[Tensor, "modes"],
    iterations: int,
    tolerance: float = TOLERANCE,
) -> Descent:
    """Descend from `start`.

    Parameters
    ----------
    components, density
        Map and model, on the same band.
    start
        The first placement.
    step_scale
        Longest step in each parameter (the norm after scaling is at most 1).
    precision
        Of a normal prior about 0 on the amplitudes, 1/A^2.
    iterations
        Steps at the most.
    tolerance
        Of the log likelihood: a step that promises less ends the descent.
    """
    best = add_prior(evaluate(components, density, start), start, precision)
    placement, damping = start, FIRST_DAMPING
    for iteration in range(iterations):
        step, promised = propose(best, damping=damping, step_scale=step_scale)
        if promised < tolerance:
            return Descent(placement, best, converged=True, iterations=iteration)
        trial = placement.move(step)
        cost = compute_cost(components, density.transform(trial)) + prior_cost(trial, precision)
        share = (best.cost - cost) / promised
        if share > 0:
            placement = trial
            best = add_prior(evaluate(components, density, trial), trial, precision)
        if share < POOR_GAIN:
            damping = damping * DAMPING_UP
        elif share > GOOD_GAIN:
            damping = max(damping * DAMPING_DOWN, LEAST_DAMPING)
        if damping > MOST_DAMPING:
            break
    return Descent(placement, best, converged=False, iterations=iterations)


def add_prior(evaluation: Evaluation, placement: Placement, precision: Float[Tensor, "modes"]) -> Evaluation:
    """Return the posterior."""
    padded = torch.nn.functional.pad(precision, (0, 6))
    pull = torch.nn.functional.pad(placement.amplitudes * precision, (0, 6))
    return Evaluation(
        evaluation.cost + prior_cost(placement, precision),
        evaluation.gradient + pull,
        evaluation.curvature + torch.diag(padded),
    )


def prior_cost(placement: Placement, precision: Float[Tensor, "modes"]) -> float:
    """Return minus the log density of the prior."""
    return float((precision * placement.amplitudes.square()).sum() / 2)


def propose(
    evaluation: Evaluation, *, damping: float, step_scale: Float[Tensor, "parameters"]
) -> tuple[Float[Tensor, "parameters"], float]:
    """Return the damped step, cut to the trust region, and the gain that the quadratic model promises for it."""
    curvature, gradient = evaluation.curvature, evaluation.gradient
    scale = curvature.diagonal().clamp_min(1e-20).rsqrt()
    scaled = curvature * scale[:, None] * scale
    damped = scaled + torch.eye(len(scaled), dtype=scaled.dtype) * (damping + 1e-9)
    step = -scale * torch.linalg.solve_ex(damped, gradient * scale)[0]
    step = step / (step / step_scale).norm().clamp_min(1)
    return step, -float(step @ gradient + step @ curvature @ step / 2)
