"""The part of a map that a molecule is fitted into, as Fourier components."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from deephemnma.core.fourier import choose_box_size
from deephemnma.core.structure import DensityMap

LEAST_SIZE = 8
"""Voxels."""


@dataclass(frozen=True)
class FitBox:
    """A cubic piece of a map, its solvent at zero and its variance at 1.

    Attributes
    ----------
    transform
        Discrete transform, z y x (half along x), about :attr:`center`.
    box_size
        Voxels.
    voxel_size
        A.
    center
        Of voxel ``box // 2``, x y z, A, in the frame of the map.
    """

    transform: Complex[Tensor, "z y half"]
    box_size: int
    voxel_size: float
    center: Float[Tensor, "3"]

    @property
    def edge(self) -> float:
        """Length of a side, A."""
        return self.box_size * self.voxel_size


@dataclass(frozen=True)
class Components:
    """Components of a box up to a resolution, without the mean: one of each pair k, -k.

    Attributes
    ----------
    indices
        x y z, x >= 0.
    frequencies
        1/A.
    shells
        Number of the shell of each component, from 0: integer radius in Fourier voxels, less 1.
    data
        The map.
    """

    indices: Int[Tensor, "components 3"]
    frequencies: Float[Tensor, "components 3"]
    shells: Int[Tensor, "components"]
    data: Complex[Tensor, "components"]

    @property
    def n_shells(self) -> int:
        """Number of shells."""
        return int(self.shells[-1]) + 1 if len(self.shells) else 0

    @property
    def counts(self) -> Float[Tensor, "shells"]:
        """Number of components of each shell, float64."""
        return torch.bincount(self.shells).double()

    def sum_shells(self, values: Float[Tensor, "*rows components"]) -> Float[Tensor, "*rows shells"]:
        """Sum over each shell, float64."""
        total = values.new_zeros(*values.shape[:-1], self.n_shells, dtype=torch.float64)
        return total.index_add_(-1, self.shells, values.double())


def make_fit_box(
    density: DensityMap, *, center: Float[Tensor, "3"], edge: float, weight: Float[Tensor, "z y x"] | None = None
) -> FitBox:
    """Cut a cube out of a map; what lies outside the map is solvent.

    Parameters
    ----------
    density
        The map, of any shape.
    center
        Of the cube, A, frame of the map; rounded to a voxel.
    edge
        Side, A.
    weight
        Of the map's shape, 0-1: where it is 0 the map counts as empty.
    """
    values = density.values.double()
    values = values - find_solvent(values)
    if weight is not None:
        values = values * weight
    size = choose_box_size(max(LEAST_SIZE, math.ceil(edge / density.voxel_size)))
    middle = ((center - density.origin) / density.voxel_size).round().long()
    cube = torch.zeros(size, size, size, dtype=torch.float64)
    source, target = [], []
    for start, length in zip((middle - size // 2).flip(0).tolist(), values.shape, strict=True):
        low, high = max(start, 0), min(start + size, length)
        source.append(slice(low, max(low, high)))
        target.append(slice(low - start, max(low, high) - start))
    cube[tuple(target)] = values[tuple(source)]
    cube = cube / cube.square().sum().sqrt().clamp_min(1e-30)
    transform = torch.fft.rfftn(torch.fft.ifftshift(cube)).to(torch.complex64)
    return FitBox(transform, size, density.voxel_size, density.origin.double() + middle * density.voxel_size)


def find_solvent(values: Float[Tensor, "z y x"]) -> float:
    """Return the grey value of the solvent: the median of the map's faces."""
    faces = [face.flatten() for axis in range(3) for face in (values.select(axis, 0), values.select(axis, -1))]
    return float(torch.cat(faces).median())


def select_components(box: FitBox, resolution: float) -> Components:
    """Return the components of `box` up to `resolution` (A), by shells, all below Nyquist."""
    highest = min(int(box.edge / resolution), (box.box_size - 1) // 2)
    span = torch.arange(-highest, highest + 1)
    z, y, x = torch.meshgrid(span, span, torch.arange(highest + 1), indexing="ij")
    indices = torch.stack((x, y, z), dim=-1).reshape(-1, 3)
    radius = indices.double().norm(dim=-1)
    x, y, z = indices.unbind(-1)
    unique = (x > 0) | (y > 0) | ((y == 0) & (z > 0))
    kept = (unique & (radius <= highest + 0.5) & (radius > 0)).nonzero()[:, 0]
    kept = kept[radius[kept].round().argsort(stable=True)]
    indices = indices[kept]
    x, y, z = indices.unbind(-1)
    data = box.transform[z % box.box_size, y % box.box_size, x]
    return Components(indices, (indices / box.edge).float(), radius[kept].round().long() - 1, data)
