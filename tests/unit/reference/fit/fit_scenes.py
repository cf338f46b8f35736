"""Small molecules and their maps."""

import math

import torch
from reference_maps import make_map

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import rotation_from_vector
from deephemnma.core.structure import DensityMap
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.reference.fit.placement import Placement, make_placement, place_sites

WIDTH = 2.5


def make_molecule(n_modes: int = 3) -> tuple[GaussianModel, Modes]:
    """Return a bent chain of 60 beads, 50 A long, without symmetry, and its softest modes."""
    steps = torch.arange(60, dtype=torch.float64)
    spiral = torch.stack((6 * (steps / 2).cos(), 9 * (steps / 2).sin(), 0.6 * steps + 0.004 * steps**2), dim=-1)
    spiral[30:, 0] += 0.35 * (steps[30:] - 30)
    center = torch.tensor([40.0, 37.0, 45.0], dtype=torch.float64)
    positions = spiral - spiral.mean(0)
    weights = 1 + 0.5 * (steps / 7).sin()
    model = GaussianModel(positions, weights, torch.full((60,), WIDTH, dtype=torch.float64), center)
    modes = compute_modes(positions, n_modes=6 + n_modes, cutoff=16.0)
    return model, modes.select(range(7, 7 + n_modes))


def make_truth(amplitudes: list[float], *, degrees: float = 0.0, shift: float = 0.0) -> Placement:
    """Return a placement turned about a slanting axis and shifted."""
    start = make_placement(len(amplitudes))
    axis = torch.tensor([0.48, 0.6, 0.64], dtype=torch.float64)
    way = torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64) / 3
    rotation = rotation_from_vector(axis * math.radians(degrees)) @ start.rotation
    return Placement(torch.tensor(amplitudes, dtype=torch.float64), rotation, shift * way)


def make_scene_map(
    model: GaussianModel,
    modes: Modes,
    truth: Placement,
    *,
    shape: tuple[int, int, int] = (34, 31, 33),
    voxel_size: float = 3.0,
    origin: tuple[float, float, float] = (-8.5, -6.25, -4.0),
    noise: float = 0.0,
    seed: int = 0,
) -> DensityMap:
    """Return the map of a placed model; the origin is in no relation to the voxels, the box is odd."""
    sites = place_sites(model, modes, truth) - model.center
    moved = GaussianModel(sites, model.weights, model.widths, model.center)
    density = make_map(moved, shape=shape, voxel_size=voxel_size, origin=torch.tensor(origin, dtype=torch.float64))
    generator = torch.Generator().manual_seed(seed)
    values = density.values + noise * density.values.max() * torch.randn(shape, generator=generator)
    return DensityMap(values, voxel_size, density.origin, density.source)
