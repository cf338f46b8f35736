"""Which width of Gaussians a density asks for."""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage

from deephemnma.reference.splat import REACH
from deephemnma.reference.target import Target, crop_target

NARROWEST = 0.5  # voxels; below, a Gaussian slips through between voxels
WIDENING = math.sqrt(2)
STEPS = 25
FEWEST_SITES = 1000  # that fill the molecule; networks of a hundred have modes of a site or two
TYPICAL_PACKING = 2.5  # widths from one Gaussian to the next, of fitted models
WIDEST_OF_SMALL = 1.0  # voxels; a molecule of few voxels makes do with fewer sites
SAMPLE = 64  # voxels; side of the part of the grid that is tried


def list_widths(n_voxels: int) -> tuple[float, ...]:
    """Return the widths to try, voxels, the narrowest first, for a molecule of so many voxels."""
    widest = max(WIDEST_OF_SMALL, (n_voxels / FEWEST_SITES) ** (1 / 3) / TYPICAL_PACKING)
    return tuple(NARROWEST * WIDENING**step for step in range(1 + int(math.log(widest / NARROWEST, WIDENING) + 1e-6)))


def find_width(widths: tuple[float, ...], make: Callable[[float], Target], *, target_error: float) -> int:
    """Return the place in `widths` of the widest with which the error can be reached; 0 if it is none, by bisection."""
    low, high = 0, len(widths)
    while high - low > 1:
        middle = (low + high) // 2
        error = compute_least_error(make(widths[middle]), width=widths[middle])
        low, high = (middle, high) if error <= target_error else (low, middle)
    return low


def compute_least_error(target: Target, *, width: float) -> float:
    """Return about the least error of Gaussians of `width` (voxels of the map), however many.

    That is, of one at every voxel, by non-negative least squares with accelerated projected gradients (Beck &
    Teboulle 2009), over the densest part of the grid.
    """
    part = crop_target(target, SAMPLE)
    wanted, importance = part.density.numpy(), part.importance.numpy()
    heights = ahead = wanted
    momentum = 1.0
    for _ in range(STEPS):
        slope = _blur(importance * (_blur(ahead, width / target.step) - wanted), width / target.step)
        last, heights = heights, np.maximum(ahead - slope, 0)
        before, momentum = momentum, (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = heights + (before - 1) / momentum * (heights - last)
    return part.measure(torch.from_numpy(_blur(heights, width / target.step) - wanted))


def _blur(values: Float[np.ndarray, "z y x"], width: float) -> Float[np.ndarray, "z y x"]:
    return ndimage.gaussian_filter(values, width, mode="constant", truncate=REACH)
