"""Choice among states of which many lie in the same place."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.alignment.scale import Scales
from deephemnma.alignment.state import State


def select_distinct(
    states: State, costs: Float[Tensor, "images starts"], *, kept: int, distance: float, scales: Scales
) -> Int[Tensor, "images kept"]:
    """Choose for each image the `kept` states of lowest cost that lie `distance` (A RMS) apart.

    Greedy: the best first, then the best among those far from all chosen. Where too few are distinct, the best of
    the rest fill the places.

    Returns
    -------
    rows
        Row numbers into `states`.
    """
    n_images, n_starts = costs.shape
    images = torch.arange(n_images, device=costs.device)
    table = torch.arange(n_images * n_starts, device=costs.device).reshape(n_images, n_starts)
    rank = costs.double()
    # Puts every near one behind every far one; each image has its own, so that none depends on its neighbours.
    penalty = 4 * rank.abs().amax(1, keepdim=True) + 1
    chosen = []
    for _ in range(min(kept, n_starts)):
        pick = rank.argmin(1)
        chosen.append(table[images, pick])
        here = states.select(chosen[-1].repeat_interleave(n_starts))
        near = scales.compute_distance(states, here).reshape(n_images, n_starts) < distance
        rank = rank + penalty * near
        rank[images, pick] = torch.inf
    return torch.stack(chosen, dim=1)
