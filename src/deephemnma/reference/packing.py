"""Fit Gaussians of one width to a density: add them where the residual is greatest, then move and weigh them all."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor

from deephemnma.reference.splat import gather, get_margin, make_patches, splat
from deephemnma.reference.target import Target

GROWTH = 0.5  # sites added a round, of those at hand, at most
LEAST_GROWTH = 0.06
FEWEST_ADDED = 50
FIRST_SPACING = 3.0  # widths; so far apart would the first sites be if they filled what is bright
STEPS = 40  # of gradient descent a round
POSITION_STEP = 0.07  # widths
WEIGHT_STEP = 0.035  # mean weights
LEAST_WEIGHT = 0.02  # mean weights; what is lighter is dropped
SEPARATION = 0.7  # widths; no site is added nearer to another
MERGED = 0.5  # widths; of two sites nearer than this the lighter one is dropped
MAX_ROUNDS = 40
LEAST_GAIN = 0.02  # a round that lowers the error by less, relatively, is one of the last
PATIENCE = 2


@dataclass(frozen=True)
class Packing:
    """Gaussians that stand for a density on a grid.

    Attributes
    ----------
    positions
        Voxels, axes z y x.
    weights
        Peak of each Gaussian, positive.
    error
        Mean error, see :class:`~deephemnma.reference.target.Approximation`.
    """

    positions: Float[Tensor, "sites 3"]
    weights: Float[Tensor, "sites"]
    error: float


def pack_gaussians(
    target: Target, *, width: float, target_error: float, max_sites: int, advance: Callable[[float], None] | None = None
) -> Packing:
    """Fit Gaussians of standard deviation `width` (voxels of the grid) until the error is at most `target_error`.

    Stops short where more Gaussians do not help, or would be more than `max_sites`: the caller reads the error.

    Parameters
    ----------
    advance
        Called with the error after each round.
    """
    positions, weights = torch.zeros(0, 3), torch.zeros(0)
    residual = -target.density
    packing, stalled, growth = Packing(positions, weights, target.measure(residual)), 0, GROWTH
    fewest = max(FEWEST_ADDED, int((target.density > 0).sum() / (FIRST_SPACING * width) ** 3))
    for _ in range(MAX_ROUNDS):
        count = max(int(growth * len(weights)), fewest if growth == GROWTH else 1)
        count = min(count, max_sites - len(weights))
        new_positions, new_weights = _propose(residual * target.importance, positions, width=width)
        positions = torch.cat((positions, new_positions[:count]))
        weights = torch.cat((weights, new_weights[:count]))
        positions, weights = _descend(target, positions, weights, width=width)
        positions, weights = _prune(positions, weights, width=width)
        shape = target.density.shape
        residual = splat(make_patches(positions, width=width, shape=shape), weights, shape=shape) - target.density
        found = Packing(positions, weights, target.measure(residual))
        stalled = stalled + 1 if found.error > (1 - LEAST_GAIN) * packing.error else 0
        growth = _choose_growth(packing, found, target_error=target_error)
        packing = found
        if advance is not None:
            advance(packing.error)
        if packing.error <= target_error or stalled == PATIENCE or len(weights) >= max_sites:
            break
    return packing


def _choose_growth(before: Packing, after: Packing, *, target_error: float) -> float:
    """Return the share of sites to add, no more than the target asks for if the error falls on as a power of them."""
    if not 0 < len(before.weights) < len(after.weights) or after.error >= before.error:
        return GROWTH
    power = math.log(before.error / after.error) / math.log(len(after.weights) / len(before.weights))
    wanted = (after.error / (0.98 * target_error)) ** (1 / power) - 1 if power > 0.1 else GROWTH
    return min(GROWTH, max(LEAST_GROWTH, wanted))


def _propose(
    residual: Float[Tensor, "z y x"], positions: Float[Tensor, "sites 3"], *, width: float
) -> tuple[Float[Tensor, "new 3"], Float[Tensor, "new"]]:
    """Return the local maxima of what is missing, seen through the Gaussian itself, the greatest first."""
    margin = get_margin(width)
    missing = ndimage.gaussian_filter(-residual.numpy(), width, truncate=3.0)
    inner = missing[margin:-margin, margin:-margin, margin:-margin]
    peaks = np.argwhere((inner == ndimage.maximum_filter(inner, size=3)) & (inner > 0)) + margin
    if len(positions):
        peaks = peaks[cKDTree(positions.numpy()).query(peaks)[0] > SEPARATION * width]
    heights = missing[tuple(peaks.T)]
    order = np.argsort(-heights, kind="stable")
    # a lone Gaussian seen through itself keeps 2^(-3/2) of its peak
    return torch.from_numpy(peaks[order]).float(), torch.from_numpy(heights[order]).float() * 2**1.5


def _descend(
    target: Target, positions: Float[Tensor, "sites 3"], weights: Float[Tensor, "sites"], *, width: float
) -> tuple[Float[Tensor, "sites 3"], Float[Tensor, "sites"]]:
    """Lower the error by Adam with steps that shrink to nothing; weights stay positive, positions inside."""
    # in units of its step, a position and a weight change alike
    scale = torch.tensor([POSITION_STEP * width] * 3 + [WEIGHT_STEP * float(weights.mean())])
    margin, shape = get_margin(width), target.density.shape
    lowest = torch.tensor([margin] * 3 + [0]) / scale
    highest = torch.tensor([side - 1 - margin for side in shape] + [torch.inf]) / scale
    state = torch.cat((positions, weights[:, None]), dim=1) / scale
    adam = torch.optim.Adam([state], lr=1.0, betas=(0.9, 0.99))
    shrink = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / STEPS)
    for _ in range(STEPS):
        positions, weights = (state * scale).split((3, 1), dim=1)
        patches = make_patches(positions, width=width, shape=shape)
        residual = (splat(patches, weights[:, 0], shape=shape) - target.density) * target.importance
        by_positions, by_weights = gather(patches, weights[:, 0], residual=residual)
        state.grad = torch.cat((by_positions, by_weights[:, None]), dim=1) * scale
        adam.step()
        state.clamp_(lowest, highest)
        shrink.step()
    return (state * scale)[:, :3], (state * scale)[:, 3]


def _prune(
    positions: Float[Tensor, "sites 3"], weights: Float[Tensor, "sites"], *, width: float
) -> tuple[Float[Tensor, "kept 3"], Float[Tensor, "kept"]]:
    """Drop sites of hardly any weight, and the lighter one of two that ran into each other."""
    kept = weights > LEAST_WEIGHT * weights.mean()
    positions, weights = positions[kept], weights[kept]
    pairs = torch.from_numpy(cKDTree(positions.numpy()).query_pairs(MERGED * width, output_type="ndarray"))
    first, second = pairs[:, 0], pairs[:, 1]
    kept = torch.ones_like(weights, dtype=torch.bool)
    kept[torch.where(weights[first] < weights[second], first, second)] = False
    return positions[kept], weights[kept]
