"""The curvature of the likelihood of the very image, instead of the one expected of images like it."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.levenberg import Fit
from deephemnma.alignment.objective import evaluate
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.scale import Scales
from deephemnma.imaging.projector import Projector

STEP = 0.2
"""Of the differences, in standard deviations. One-sided ones of 0.1 to 0.5 give the error bars of two-sided ones."""
LONGEST = 1.0
"""Of a step, A of displacement: along what the image hardly tells, the error bar is no measure."""
LEAST, MOST = 0.25, 4.0
"""The curvature along any direction stays within these shares of the expected one."""


def observe_curvature(observations: Observations, projector: Projector, found: Fit, *, scales: Scales) -> Fit:
    """Return `found`, evaluated, with the curvature observed around it, from differences of the gradient.

    The Fisher matrix leaves out how the derivatives of a projection turn into its residual. At low signal these matter,
    and error bars from the observed curvature are nearer to the scatter (Efron & Hinkley 1978). The contrast is linear,
    so that its row of the curvature is exact already. One evaluation a parameter, and one more.

    Parameters
    ----------
    observations, projector
        Of the fit, on one band.
    found
        A minimum of each image. Where it leaves a direction unseen, its curvature stays as it is.
    scales
        Of the reference.
    """
    # The last step of a descent was not evaluated.
    found = replace(found, evaluation=evaluate(observations, projector, found.state))
    curvature = found.evaluation.curvature.double()
    free = [column for column in range(curvature.shape[-1] - 1) if column not in projector.held]
    profile = curvature - curvature[:, :, -1:] * curvature[:, -1:] / curvature[:, -1:, -1:].clamp_min(1e-300)
    expected = profile[:, free][:, :, free]
    lower, failed = torch.linalg.cholesky_ex(expected)  # a whitened direction is a column of its inverse, transposed
    seen = (failed == 0) & lower.flatten(1).isfinite().all(1)
    identity = torch.eye(len(free), dtype=lower.dtype, device=lower.device)
    lower = torch.where(seen[:, None, None], lower, identity)
    directions = torch.linalg.solve_triangular(lower, identity.expand_as(lower), upper=False).mT
    directions = torch.where(seen[:, None, None], directions, 0.0)
    unit = scales.to_vector(found.state.amplitudes.shape[1]).to(directions)[free]
    steps = (LONGEST / (directions / unit[:, None]).norm(dim=1).clamp_min(1e-30)).clamp(max=STEP)
    observed = _differentiate(observations, projector, found, directions=directions, steps=steps, free=free)
    observed = torch.where(observed.isfinite().all(-1).all(-1)[:, None, None], observed, identity)
    values, vectors = torch.linalg.eigh((observed + observed.mT) / 2)
    change = (vectors * (values.clamp(LEAST, MOST) - 1)[:, None]) @ vectors.mT
    change = torch.where(seen[:, None, None], lower @ change @ lower.mT, 0.0)
    curvature[:, torch.tensor(free)[:, None], torch.tensor(free)] += change
    return replace(found, evaluation=replace(found.evaluation, curvature=curvature.to(found.evaluation.curvature)))


def _differentiate(
    observations: Observations,
    projector: Projector,
    found: Fit,
    *,
    directions: Float[Tensor, "images free free"],
    steps: Float[Tensor, "images free"],
    free: list[int],
) -> Float[Tensor, "images free free"]:
    """Return the differences of the gradient along each direction (a column), over its step, in all of them."""
    columns = []
    for direction, length in zip(directions.unbind(-1), steps[:, None].unbind(-1), strict=True):
        step = torch.zeros_like(found.evaluation.gradient[:, :-1])
        step[:, free] = (length * direction).to(step)
        ahead = evaluate(observations, projector, found.state.move(step)).gradient
        change = (ahead - found.evaluation.gradient)[:, free].double()
        columns.append((directions.mT @ change[:, :, None])[:, :, 0] / length)
    return torch.stack(columns, dim=-1)
