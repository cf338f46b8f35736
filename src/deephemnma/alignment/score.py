"""Whether a fit explains its image as well as noise allows."""

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.objective import Evaluation
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.state import State
from deephemnma.imaging.projector import Projector
from deephemnma.imaging.synthesis import ImageFormation


def compute_scores(
    observations: Observations,
    projector: Projector,
    state: State,
    evaluation: Evaluation,
    *,
    formation: ImageFormation,
) -> Float[Tensor, "images"]:
    """Return minus the number of standard deviations by which a fit is worse than a right one would be.

    Two signs tell a wrong minimum. The residual at low resolution is stronger than the noise, chi-square against its
    mean and variance. And the fitted contrast is low, for a wrong projection correlates less: it is compared with
    that of the data set. Each counts only where it is bad; the score is minus the root of the sum of their squares.

    Parameters
    ----------
    observations
        On the band of `projector`, which should be that of the search.
    state, evaluation
        The end of the fit, at full resolution.
    formation
        Says the contrast to be expected, and how much it varies from image to image.

    Returns
    -------
    score
        Zero is best.
    """
    value = projector.project(state.rotations, state.shifts, state.amplitudes) * observations.transfer
    residual = observations.data - evaluation.contrast[:, None] * value
    degrees = 2 * observations.band.n_components
    misfit = (residual.abs().square().sum(1) - degrees) / (2 * degrees) ** 0.5
    variance = 1 / evaluation.curvature[:, -1, -1].clamp_min(1e-30) + formation.contrast_spread**2
    weakness = (formation.contrast - evaluation.contrast) / variance.sqrt()
    return 0 - torch.hypot(misfit.clamp_min(0), weakness.clamp_min(0))  # not "-torch...", which writes -0 in tables
