"""What a mode is like: how collective, how it ranks, how much of a known motion it explains."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.model import Modes


def compute_collectivity(modes: Modes) -> Float[Tensor, "modes"]:
    """Return the share of sites that take part in each mode, in [1/sites, 1] (Bruschweiler 1995).

    ``exp(-sum_i a_i ln a_i) / sites`` with ``a_i`` the share of site i in the squared displacement.
    """
    shares = modes.vectors.square().sum(dim=-1)
    shares = shares / shares.sum(dim=-1, keepdim=True)
    return torch.special.entr(shares).sum(dim=-1).exp() / modes.n_sites


def compute_scores(modes: Modes) -> Float[Tensor, "modes"]:
    """Return HEMNMA's score of each mode, in (0, 1]: low is good, soft and collective.

    ``(number + rank by collectivity) / (2 modes)``, the most collective of all modes at hand having rank 1.
    """
    ranks = torch.empty(modes.n_modes, dtype=torch.float64)
    order = compute_collectivity(modes).argsort(descending=True, stable=True)
    ranks[order] = torch.arange(1, modes.n_modes + 1, dtype=torch.float64)
    return (torch.tensor(modes.numbers, dtype=torch.float64) + ranks) / (2 * modes.n_modes)


def compute_overlap(modes: Modes, displacement: Float[Tensor, "sites 3"]) -> Float[Tensor, "modes"]:
    """Return the cosine between each mode and `displacement`, in [-1, 1]."""
    length = displacement.norm().clamp_min(math.ulp(0.0))
    return torch.einsum("msx,sx->m", modes.vectors, displacement.to(modes.vectors)) / length


def compute_cumulative_overlap(modes: Modes, displacement: Float[Tensor, "sites 3"]) -> Float[Tensor, "modes"]:
    """Return the share (as a cosine, 0-1) of `displacement` that all modes up to each one explain together."""
    return compute_overlap(modes, displacement).square().cumsum(dim=0).sqrt()


def make_mode_table(modes: Modes) -> dict[str, list[int] | list[float]]:
    """Return the columns ``number, eigenvalue, collectivity, score``, one row a mode."""
    return {
        "number": list(modes.numbers),
        "eigenvalue": modes.eigenvalues.tolist(),
        "collectivity": compute_collectivity(modes).tolist(),
        "score": compute_scores(modes).tolist(),
    }
