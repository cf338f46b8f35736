"""Whether a fit explains its image as well as a right one would."""

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.objective import Evaluation
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.state import State
from deephemnma.imaging.projector import Projector
from deephemnma.imaging.synthesis import ImageFormation

MOST_OUTSIDE = 2.0
"""Conformations beyond the searched range count so many standard deviations at the most: they are unlikely, not ruled
out, and alone no ground for rejection."""
MOST_DOUBT = 2.0
"""Rivals count so much at the most: an ambiguous answer is not rejected for that alone."""
MOST_ABOVE = 3.0
"""Scores above this tell no more: a contrast that is far too high is no better sign."""
LEAST_SHARE = 1e-3
"""Of the signal's energy, that must lie beyond the search's resolution to be judged apart."""


def compute_scores(
    observations: Observations,
    projector: Projector,
    state: State,
    evaluation: Evaluation,
    *,
    formation: ImageFormation,
    outside: Float[Tensor, "images"],
    share: Float[Tensor, "images"],
) -> Float[Tensor, "images"]:
    """Return by how many standard deviations a fit is better than right ones are on average; wrong ones are worse.

    The fit was chosen among many by the components of the search, which therefore fit well even where it is wrong. The
    finer components had no say in that choice: at a wrong minimum the contrast that they show is low. So the score is
    the deviation of their contrast from what is expected; less the root of the sum of squares of three signs that
    count only where they are bad: chi-square of the residual at the resolution of the search, how far the amplitudes
    lie outside the range that was searched, and how likely other minima are.

    The contrast to be expected is that of the data set, or as far as this varies from image to image, that of the
    coarse components of the same image.

    Parameters
    ----------
    observations
        On the band of `projector`, which should be that of the search.
    projector
        The reference.
    state, evaluation
        The end of the fit, at full resolution.
    formation
        Says the contrast to be expected, and how much it varies from image to image.
    outside
        Standard deviations by which the amplitudes lie outside the searched range, 0 or more.
    share
        Of this minimum in the probability of all that were found, 0-1.

    Returns
    -------
    score
        About standard normal for right fits.
    """
    value = projector.project(state.rotations, state.shifts, state.amplitudes) * observations.transfer
    residual = observations.data - evaluation.contrast[:, None] * value
    misfit = _normalize_chi_square(residual.abs().square().sum(1), degrees=observations.degrees)
    inner, energy = (value.conj() * observations.data).real.sum(1), value.abs().square().sum(1)
    strength = _compare_contrast(inner, energy, evaluation, formation=formation)
    doubt = (-2 * share.clamp_min(1e-30).log()).clamp_min(0).sqrt()
    signs = (misfit.clamp_min(0), outside.clamp_max(MOST_OUTSIDE), doubt.clamp_max(MOST_DOUBT).to(misfit))
    return strength.clamp_max(MOST_ABOVE) - torch.stack(signs).norm(dim=0)


def _normalize_chi_square(chi_square: Float[Tensor, "images"], *, degrees: int) -> Float[Tensor, "images"]:
    """Return chi-square in standard deviations, normal to the tails (Wilson & Hilferty 1931, PNAS 17:684)."""
    variance = 2 / (9 * max(degrees, 1))
    return ((chi_square / max(degrees, 1)) ** (1 / 3) - (1 - variance)) / variance**0.5


def _compare_contrast(
    inner: Float[Tensor, "images"],
    energy: Float[Tensor, "images"],
    evaluation: Evaluation,
    *,
    formation: ImageFormation,
) -> Float[Tensor, "images"]:
    """Return how many standard deviations the contrast of the finer components lies above what is expected.

    `inner` and `energy`, of the coarse components: product of projection and data, square of the projection. Where
    there are no finer components all are judged together.
    """
    all_energy = evaluation.curvature[:, -1, -1].clamp_min(1e-30)
    fine_energy = (all_energy - energy).clamp_min(1e-30)
    variance = formation.contrast_spread**2
    trust = variance * energy / (variance * energy + 1)  # in this image rather than in the data set
    expected = formation.contrast + trust * (inner / energy.clamp_min(1e-30) - formation.contrast)
    excess = evaluation.contrast * all_energy - inner - expected * fine_energy
    fine = excess / (fine_energy + variance * (1 - trust) * fine_energy.square()).sqrt()
    all_together = (evaluation.contrast - formation.contrast) / (1 / all_energy + variance).sqrt()
    return torch.where(fine_energy > LEAST_SHARE * all_energy, fine, all_together)
