"""A bank of templates over orientations and conformations."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.alignment.scale import Scales
from deephemnma.alignment.state import State
from deephemnma.core.rotation import make_rotation_grid
from deephemnma.imaging.projector import Projector


@dataclass(frozen=True)
class Bank:
    """Templates on the projector's band, at shift zero.

    Attributes
    ----------
    rotations
        Orientations of the grid.
    conformations
        Amplitudes of the grid (A). Templates run over all orientations of the first conformation, then of the next.
    templates
        Projections.
    """

    rotations: Float[Tensor, "orientations 3 3"]
    conformations: Float[Tensor, "conformations modes"]
    templates: Complex[Tensor, "templates components"]

    def __len__(self) -> int:
        return self.templates.shape[0]

    def get_states(self, templates: Tensor) -> State:
        """Return the states of templates by number."""
        n = len(self.rotations)
        rotations = self.rotations[templates % n]
        shifts = torch.zeros(len(templates), 2, device=rotations.device)
        return State(rotations, shifts, self.conformations[templates // n])


def make_bank(
    projector: Projector,
    *,
    n_orientations: int,
    conformations: Float[Tensor, "conformations modes"],
    block: int = 256,
) -> Bank:
    """Project every conformation at every orientation of an even grid over SO(3)."""
    device = projector.band.rows.device
    rotations = make_rotation_grid(n_orientations).to(device, torch.float32)
    bank = Bank(rotations, conformations.to(device, torch.float32), torch.empty(0, 0, dtype=torch.complex64))
    numbers = torch.arange(n_orientations * len(conformations), device=device)
    templates = torch.empty(len(numbers), projector.band.n_components, dtype=torch.complex64, device=device)
    for rows in numbers.split(block):
        state = bank.get_states(rows)
        templates[rows] = projector.project(state.rotations, state.shifts, state.amplitudes)
    return Bank(rotations, bank.conformations, templates)


def make_conformation_grid(
    n_modes: int, *, scales: Scales, extent: float, spacing: float, most: int
) -> Float[Tensor, "conformations modes"]:
    """Return amplitudes (A) that cover displacements up to `extent` along each mode, `spacing` apart (A RMSD).

    Where the full grid would have more than `most` points (many modes), as many points of a Sobol sequence fill the
    box instead; the undisplaced reference is always the first.
    """
    steps = max(0, round(extent / spacing)) if n_modes else 0
    ladder = [extent * step / steps for step in range(-steps, steps + 1)] if steps else [0.0]
    if len(ladder) ** n_modes <= most:
        nodes = list(itertools.product(ladder, repeat=n_modes))
        points = torch.tensor(nodes, dtype=torch.float32).reshape(len(nodes), n_modes)
    else:
        sobol = torch.quasirandom.SobolEngine(n_modes, scramble=False).draw(most)
        points = (2 * sobol - 1) * extent
    points = points[points.norm(dim=1).argsort(stable=True)]
    points[0] = 0
    return points * scales.amplitude


def make_shift_grid(radius: float, spacing: float) -> Float[Tensor, "shifts 2"]:
    """Return shifts (x, y; A) on a square lattice within a disc; zero is always among them."""
    steps = int(radius / spacing)
    ladder = torch.arange(-steps, steps + 1, dtype=torch.float32) * spacing
    grid = torch.cartesian_prod(ladder, ladder).reshape(-1, 2)
    return grid[grid.norm(dim=1) <= radius + 1e-6]


def iterate_chunks(count: int, size: int) -> Iterator[slice]:
    """Yield slices that cover ``range(count)``."""
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))
