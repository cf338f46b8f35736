"""The map of a Gaussian model: what a reconstruction of its images should look like."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import DensityMap

SITES_AT_ONCE = 512


def make_model_map(
    model: GaussianModel,
    *,
    box_size: int,
    voxel_size: float,
    positions: Float[Tensor, "sites 3"] | None = None,
) -> DensityMap:
    """Return the density of `model` on a grid, band-limited at Nyquist: exact, without aliasing.

    Parameters
    ----------
    model
        Its centre falls on voxel ``box // 2``.
    box_size, voxel_size
        Of the map (voxels, A).
    positions
        In place of the model's own, A about its centre: a deformed conformation.

    Returns
    -------
    DensityMap
        A voxel's share of the weights; `origin` is in the frame of the model's file.
    """
    positions = model.positions if positions is None else positions
    edge = box_size * voxel_size
    nyquist = (box_size - 1) // 2
    full = torch.fft.fftfreq(box_size, 1 / box_size, dtype=torch.float64) / edge
    half = torch.fft.rfftfreq(box_size, 1 / box_size, dtype=torch.float64) / edge
    # A component at Nyquist cannot hold what it aliases.
    kept = ((full.abs() * edge).round() <= nyquist)[:, None, None] & ((full.abs() * edge).round() <= nyquist)[:, None]
    kept = kept & ((half * edge).round() <= nyquist)
    transform = torch.zeros(box_size, box_size, box_size // 2 + 1, dtype=torch.complex64)
    for sites in torch.arange(model.n_sites).split(SITES_AT_ONCE):
        widths, weights = model.widths[sites], model.weights[sites]
        x, y, z = positions[sites].unbind(-1)
        slab = _transform_axis(z, widths, full) * weights.double()[:, None]
        plane = torch.einsum("sy,sx->syx", _transform_axis(y, widths, full), _transform_axis(x, widths, half))
        transform += torch.einsum("sz,syx->zyx", slab.to(torch.complex64), plane.to(torch.complex64))
    values = torch.fft.irfftn(transform * kept, s=(box_size, box_size, box_size))
    origin = model.center.double() - box_size // 2 * voxel_size
    return DensityMap(torch.fft.fftshift(values), voxel_size, origin, "a model's map")


def _transform_axis(
    positions: Float[Tensor, "sites"], widths: Float[Tensor, "sites"], frequencies: Float[Tensor, "frequencies"]
) -> Complex[Tensor, "sites frequencies"]:
    """Return one factor of the transform of a Gaussian: it is a product over the axes."""
    phase = -2 * math.pi * positions.double()[:, None] * frequencies
    damping = -2 * math.pi**2 * widths.double()[:, None].square() * frequencies.square()
    return torch.polar(damping.exp(), phase)
