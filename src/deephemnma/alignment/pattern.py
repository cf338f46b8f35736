"""Patterns of steps that every image takes alike: nothing is drawn image by image."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.seed import derive_seed


def make_normal_pattern(count: int, n_parameters: int, *, seed: int) -> Float[Tensor, "steps parameters"]:
    """Return steps distributed as standard normals, but more evenly than random ones: a scrambled Sobol sequence."""
    uniform = draw_evenly(count, n_parameters, seed=seed)
    return math.sqrt(2) * torch.erfinv((2 * uniform - 1).clamp(-1 + 1e-6, 1 - 1e-6))


def draw_evenly(count: int, dimensions: int, *, seed: int) -> Float[Tensor, "points dimensions"]:
    """Return points that fill the unit cube evenly; the first `n` of them do so for every `n`."""
    scramble = derive_seed(seed, "local search")
    return torch.quasirandom.SobolEngine(dimensions, scramble=True, seed=scramble).draw(count)
