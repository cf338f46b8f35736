"""Maps of known Gaussians."""

import math

import torch

from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import DensityMap


def make_map(
    model: GaussianModel, *, shape: tuple[int, int, int], voxel_size: float, origin: torch.Tensor
) -> DensityMap:
    """Sum the Gaussians at every voxel, far tails included: slow, and independent of what is tested."""
    axes = [torch.arange(side, dtype=torch.float64) * voxel_size for side in shape]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flip(-1) + origin
    values = torch.zeros(shape, dtype=torch.float64)
    for position, weight, width in zip(model.positions + model.center, model.weights, model.widths, strict=True):
        squares = (grid - position).square().sum(dim=-1)
        values += weight * torch.exp(-squares / (2 * width**2)) / (2 * math.pi * width**2) ** 1.5
    return DensityMap(values.float(), voxel_size, origin, "made_up.mrc")
