"""Choice of the likeliest among states that are tried: by a strategy, or between two levels of a descent."""

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.distinct import select_distinct
from deephemnma.alignment.exhaustive_search import SPACING
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.state import State
from deephemnma.imaging.projector import Projector

NUMBERS_AT_ONCE, MOST_AT_ONCE = 2**22, 4096
"""Components of all candidates that are projected together, and candidates: a bound on memory."""


def count_at_once(n_components: int) -> int:
    """Return how many candidates are projected together."""
    return max(1, min(MOST_AT_ONCE, NUMBERS_AT_ONCE // n_components))


def select_likeliest(
    observations: Observations,
    projector: Projector,
    candidates: State,
    *,
    kept: int,
    scales: Scales,
    spacing: float = SPACING,
) -> State:
    """Return the `kept` likeliest candidates of each image that lie apart, best first.

    Parameters
    ----------
    observations
        On the band of `projector`.
    projector
        The reference, at the resolution at which the candidates are compared.
    candidates
        The same number for every image, in the order of the images.
    kept
        States an image that are returned.
    scales
        Of the reference.
    spacing
        How far apart, in units of the resolution.
    """
    per_image = len(candidates) // len(observations)
    rows = torch.arange(len(candidates), device=candidates.shifts.device)
    images = rows // per_image
    costs = torch.cat(
        [
            _compute_costs(observations.select(images[some]), projector, candidates.select(some))
            for some in rows.split(count_at_once(observations.band.n_components))
        ]
    )
    distance = spacing * projector.band.resolution
    chosen = select_distinct(
        candidates, costs.reshape(len(observations), per_image), kept=kept, distance=distance, scales=scales
    )
    return candidates.select(chosen.flatten())


def _compute_costs(observations: Observations, projector: Projector, states: State) -> Float[Tensor, "states"]:
    """Return minus the log likelihood gain of each state, the contrast fitted; with the cost of a prior."""
    value = projector.project(states.rotations, states.shifts, states.amplitudes) * observations.transfer
    value, data = (torch.view_as_real(each).flatten(1) for each in (value, observations.data))
    inner = (value * data).sum(1).clamp_min(0)
    cost = -inner.square() / (2 * value.square().sum(1).clamp_min(1e-30))
    return cost if observations.prior is None else cost + observations.prior.compute_cost(states.amplitudes)
