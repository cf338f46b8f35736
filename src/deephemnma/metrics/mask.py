"""Soft masks."""

import math

import torch
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from deephemnma.core.structure import DensityMap


def make_spherical_mask(box_size: int, *, radius: float, edge: float) -> Float[Tensor, "z y x"]:
    """Return a sphere about voxel ``box // 2``: 1 up to `radius`, then a cosine down to 0 over `edge` (voxels)."""
    axis = torch.arange(box_size, dtype=torch.float32) - box_size // 2
    distance = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    return _fall_off(distance - radius, edge)


def make_envelope_mask(density: DensityMap, *, threshold: float, padding: float, edge: float) -> Float[Tensor, "z y x"]:
    """Return a mask around the molecule: 1 up to `padding` outside its surface, then down to 0 over `edge` (A).

    Parameters
    ----------
    density
        The map that says where the molecule is; take one that is independent of what is compared, or smooth.
    threshold
        The surface, as a share of the map's greatest value, 0-1.
    padding, edge
        A.
    """
    outside = (density.values < threshold * density.values.max()).cpu().numpy()
    distance = torch.from_numpy(distance_transform_edt(outside)).float().to(density.values.device)
    return _fall_off(distance - padding / density.voxel_size, edge / density.voxel_size)


def _fall_off(beyond: Float[Tensor, "z y x"], edge: float) -> Float[Tensor, "z y x"]:
    phase = (beyond / max(edge, 1e-6)).clamp(0, 1)
    return 0.5 + 0.5 * (math.pi * phase).cos()
