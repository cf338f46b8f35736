"""Where in a map a molecule is: every rotation of a grid, every shift by a fast Fourier transform."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import compute_geodesic_angle, make_rotation_grid
from deephemnma.imaging.coarsening import coarsen_reference
from deephemnma.reference.fit.box import Components, FitBox, select_components
from deephemnma.reference.fit.placement import Placement
from deephemnma.reference.fit.transform import DensityTransform

SPACING = 0.5
"""Of the rotations: how far, in units of the resolution, the outermost site moves from one to the next."""
LEAST, MOST = 500, 20_000
"""Rotations."""
SAME_SHIFT = 0.5
"""Dockings are one if they are nearer than this, in units of the resolution, and nearer than a grid step in angle."""


def count_rotations(model: GaussianModel, resolution: float) -> int:
    """Return how many rotations a search at `resolution` (A) tries."""
    step = SPACING * resolution / model.radius
    return min(MOST, max(LEAST, round(8 * math.pi**2 / step**3)))


def search_dockings(
    model: GaussianModel,
    modes: Modes,
    box: FitBox,
    *,
    resolution: float,
    keep: int,
    advance: Callable[[float], None] = lambda amount: None,
) -> list[Placement]:
    """Return the best distinct dockings of the reference conformation, best first.

    Parameters
    ----------
    model, modes
        The reference; the modes are only counted.
    box
        The map.
    resolution
        A, of the comparison.
    keep
        Dockings returned at the most.
    advance
        Called with the share of the work done since the last call.
    """
    components = select_components(box, resolution)
    still, none = coarsen_reference(model, modes.select(()), resolution=resolution)
    density = DensityTransform(still, none, box, components)
    rotations = make_rotation_grid(count_rotations(model, resolution))
    data = _whiten(components, components.data)
    middle = box.center - model.center.double()
    placements, scores = [], []
    for rotation in rotations:
        placement = Placement(torch.zeros(0, dtype=torch.float64), rotation, middle)
        value = _whiten(components, density.transform(placement))
        score, shift = _find_shift(components, data.conj() * value, box)
        placements.append(Placement(torch.zeros(modes.n_modes, dtype=torch.float64), rotation, middle + shift))
        scores.append(score)
        advance(1 / len(rotations))
    order = torch.tensor(scores).argsort(descending=True).tolist()
    step = 1.5 * (8 * math.pi**2 / len(rotations)) ** (1 / 3)
    return _select_distinct([placements[row] for row in order], keep=keep, angle=step, shift=SAME_SHIFT * resolution)


def _whiten(components: Components, values: Complex[Tensor, "components"]) -> Complex[Tensor, "components"]:
    """Return `values` with the same power in each component, on average over a shell."""
    power = components.sum_shells(values.abs().square()) / components.counts
    return values * power.clamp_min(1e-300).rsqrt().to(values.real)[components.shells]


def _find_shift(
    components: Components, product: Complex[Tensor, "components"], box: FitBox
) -> tuple[float, Float[Tensor, "3"]]:
    """Return the highest correlation over all shifts of the model, and the shift, A."""
    side = 4 * int(components.indices.abs().max())
    grid = torch.zeros(side, side, side, dtype=product.dtype)
    x, y, z = components.indices.unbind(-1)
    grid[z % side, y % side, x] = product  # half of the components: the real part is half of the correlation
    correlation = torch.fft.fftn(grid).real
    best = int(correlation.argmax())
    place = torch.tensor((best % side, best // side % side, best // side**2), dtype=torch.float64)
    place = torch.where(place > side / 2, place - side, place)
    return float(correlation.max()) / len(product), place * box.edge / side


def _select_distinct(placements: list[Placement], *, keep: int, angle: float, shift: float) -> list[Placement]:
    kept: list[Placement] = []
    for placement in placements:
        if not any(is_same_docking(placement, other, angle=angle, shift=shift) for other in kept):
            kept.append(placement)
        if len(kept) == keep:
            break
    return kept


def is_same_docking(first: Placement, second: Placement, *, angle: float, shift: float) -> bool:
    """Return whether two placements differ by less than `angle` (radians) and `shift` (A)."""
    near = float((first.shift - second.shift).norm()) < shift
    return near and float(compute_geodesic_angle(first.rotation, second.rotation)) < angle
