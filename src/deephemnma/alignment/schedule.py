"""Coarse to fine: many starts at low resolution, few at the end."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.alignment.levenberg import Fit, fit
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.state import State
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.imaging.band import Band, make_band
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.projector import Projector

LONGEST_STEP = 0.3
"""Longest step of a level, in units of its resolution: beyond it the linearised image is no guide."""
SAME_MINIMUM = 0.15
"""States nearer than this, in units of the resolution, have run into the same minimum."""


@dataclass(frozen=True)
class Level:
    """One resolution of the descent.

    Attributes
    ----------
    projector
        The reference on the band of this level.
    kept
        States an image that leave the level.
    iterations
        Steps at the most.
    """

    projector: Projector
    kept: int
    iterations: int

    @property
    def band(self) -> Band:
        """The components of this level."""
        return self.projector.band


def make_level(
    model: GaussianModel, modes: Modes, band: Band, *, kept: int, iterations: int, tolerance: float
) -> Level:
    """Make a level on `band`; `tolerance` is the relative error of its projector."""
    return Level(GaussianProjector(model, modes, band, tolerance=tolerance), kept, iterations)


def make_band_within(full: Band, *, resolution: float) -> Band:
    """Make the part of `full` that is coarser than `resolution` (A)."""
    band = make_band(full.box_size, full.pixel_size, resolution=resolution, device=full.rows.device)
    return band if band.max_index < full.max_index else full


def descend(observations: Observations, levels: list[Level], starts: State, *, scales: Scales) -> Fit:
    """Refine the starts of every image level by level; return the states that the last level keeps, the best first.

    Parameters
    ----------
    observations
        On a band that holds those of all levels.
    levels
        From coarse to fine.
    starts
        The same number for every image, in the order of the images.
    scales
        Of the reference.
    """
    images = torch.arange(len(observations), device=starts.shifts.device)
    unit = scales.to_vector(starts.amplitudes.shape[1]).to(starts.shifts)
    for level in levels:
        per_image = len(starts) // len(observations)
        seen = observations.restrict(level.band).select(images.repeat_interleave(per_image))
        found = fit(
            seen,
            level.projector,
            starts,
            step_scale=LONGEST_STEP * level.band.resolution * unit,
            iterations=level.iterations,
        )
        rows = select_distinct(
            found.state,
            found.evaluation.cost.reshape(len(images), per_image),
            kept=level.kept,
            distance=SAME_MINIMUM * level.band.resolution,
            scales=scales,
        ).flatten()
        found = found.select(rows)
        starts = found.state
    return found


def select_distinct(
    states: State, costs: Float[Tensor, "images starts"], *, kept: int, distance: float, scales: Scales
) -> Int[Tensor, "images kept"]:
    """Choose for each image the `kept` states of lowest cost that lie `distance` (A RMS) apart.

    Greedy: the best first, then the best among those far from all chosen. Where too few are distinct, the best of
    the rest fill the places.

    Returns
    -------
    rows
        Row numbers into `states`.
    """
    n_images, n_starts = costs.shape
    images = torch.arange(n_images, device=costs.device)
    table = torch.arange(n_images * n_starts, device=costs.device).reshape(n_images, n_starts)
    rank = costs.double()
    penalty = rank.abs().max() * 4 + 1  # puts every near one behind every far one
    chosen = []
    for _ in range(min(kept, n_starts)):
        pick = rank.argmin(1)
        chosen.append(table[images, pick])
        here = states.select(chosen[-1].repeat_interleave(n_starts))
        near = scales.compute_distance(states, here).reshape(n_images, n_starts) < distance
        rank = rank + penalty * near
        rank[images, pick] = torch.inf
    return torch.stack(chosen, dim=1)
