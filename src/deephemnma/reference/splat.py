"""Gaussians of one width onto a grid, and the derivative: the operator and its adjoint.

Lengths are voxels, axes z y x. Each Gaussian touches a cube of voxels about its nearest one and is a product of
three profiles, so that a patch costs three short vectors. The grid must have a margin of the patch's half side.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

REACH = 3.0  # standard deviations; beyond, a Gaussian is below 1 % of its peak


@dataclass(frozen=True)
class Patches:
    """The cubes that the Gaussians touch.

    Attributes
    ----------
    profiles
        Gaussian of peak 1 along z, y, x.
    slopes
        Derivative of `profiles` by the Gaussian's own position.
    indices
        Number of each voxel of the patch in the flattened grid.
    """

    profiles: Float[Tensor, "sites 3 side"]
    slopes: Float[Tensor, "sites 3 side"]
    indices: Int[Tensor, "sites voxels"]


def get_margin(width: float) -> int:
    """Return half the side of a patch, voxels."""
    return math.ceil(REACH * width)


def make_patches(positions: Float[Tensor, "sites 3"], *, width: float, shape: tuple[int, int, int]) -> Patches:
    """Return the patches of Gaussians of standard deviation `width` on a grid of `shape`."""
    margin = get_margin(width)
    steps = torch.arange(-margin, margin + 1)
    nearest = positions.detach().round()
    distances = steps - (positions - nearest)[:, :, None]
    profiles = torch.exp(-0.5 * (distances / width).square())
    strides = torch.tensor((shape[1] * shape[2], shape[2], 1))
    cube = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), dim=-1).reshape(-1, 3)
    return Patches(
        profiles=profiles,
        slopes=profiles * distances / width**2,
        indices=(nearest.long() @ strides)[:, None] + cube @ strides,
    )


def splat(patches: Patches, weights: Float[Tensor, "sites"], *, shape: tuple[int, int, int]) -> Float[Tensor, "z y x"]:
    """Return ``sum_n weights_n exp(-|r - position_n|^2 / (2 width^2))`` on the grid."""
    z, y, x = patches.profiles.unbind(dim=1)
    values = torch.einsum("n,na,nb,nc->nabc", weights, z, y, x)
    grid = torch.zeros(math.prod(shape), dtype=weights.dtype)
    return grid.index_add_(0, patches.indices.reshape(-1), values.reshape(-1)).reshape(shape)


def gather(
    patches: Patches, weights: Float[Tensor, "sites"], *, residual: Float[Tensor, "z y x"]
) -> tuple[Float[Tensor, "sites 3"], Float[Tensor, "sites"]]:
    """Return the derivative of ``1/2 |splat - target|^2``, with `residual` = splat - target.

    Returns
    -------
    by_positions, by_weights
    """
    side = patches.profiles.shape[-1]
    cubes = residual.reshape(-1)[patches.indices].reshape(-1, side, side, side)
    z, y, x = patches.profiles.unbind(dim=1)
    slope_z, slope_y, slope_x = patches.slopes.unbind(dim=1)
    summed_x = torch.einsum("nabc,nc->nab", cubes, x)
    summed_yx = torch.einsum("nab,nb->na", summed_x, y)
    by_z = torch.einsum("na,na->n", summed_yx, slope_z)
    by_y = torch.einsum("nab,na,nb->n", summed_x, z, slope_y)
    by_x = torch.einsum("nabc,na,nb,nc->n", cubes, z, y, slope_x)
    by_weights = torch.einsum("na,na->n", summed_yx, z)
    return torch.stack((by_z, by_y, by_x), dim=-1) * weights[:, None], by_weights
