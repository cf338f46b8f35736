"""States drawn from within the error bars of fits."""

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.levenberg import Fit
from deephemnma.alignment.pattern import make_normal_pattern
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.state import State

REACH = 0.5
"""Standard deviation of the draws at the most, in units of the resolution: where the images tell nothing."""


def widen(found: Fit, *, draws: int, resolution: float, scales: Scales, held: tuple[int, ...] = ()) -> State:
    """Return `draws` states around each fit, the first of which is the fit itself.

    They are distributed as the likelihood says by its curvature (Laplace's approximation), with the contrast unknown.
    All fits take the same evenly filled pattern: nothing is drawn at random, and the answer for an image depends on
    the image alone.

    Parameters
    ----------
    found
        The fits.
    draws
        States around each.
    resolution
        Of the band that they were fitted on, A.
    scales
        Of the reference.
    held
        Parameters that stay as they are.
    """
    n_parameters = found.evaluation.gradient.shape[1] - 1
    pattern = make_normal_pattern(draws, n_parameters, seed=0).to(found.state.shifts)
    pattern[0] = 0
    factor = _compute_factor(found.evaluation.curvature, unit=_make_unit(resolution, scales, n_parameters, held))
    steps = pattern @ factor.mT.to(pattern)
    rows = torch.arange(len(factor), device=pattern.device).repeat_interleave(draws)
    return found.state.select(rows).move(steps.flatten(0, 1))


def _make_unit(
    resolution: float, scales: Scales, n_parameters: int, held: tuple[int, ...]
) -> Float[Tensor, "parameters"]:
    unit = REACH * resolution * scales.to_vector(n_parameters - 5).double()
    unit[list(held)] = 0
    return unit


def _compute_factor(
    curvature: Float[Tensor, "fits every every"], *, unit: Float[Tensor, "parameters"]
) -> Float[Tensor, "fits parameters parameters"]:
    """Return L, with L L^T the covariance of the parameters, none of which exceeds its `unit` in any direction."""
    curvature, unit = curvature.double(), unit.to(curvature.device)
    border = curvature[:, :-1, -1:]
    # An image in which nothing was found (contrast zero) tells nothing.
    alone = (curvature[:, :-1, :-1] - border * border.mT / curvature[:, -1:, -1:]).nan_to_num(0.0, 0.0, 0.0)
    strengths, directions = torch.linalg.eigh(alone * unit[:, None] * unit + torch.eye(len(unit)).to(alone))
    return unit[:, None] * directions * strengths.clamp_min(1).rsqrt()[:, None]
