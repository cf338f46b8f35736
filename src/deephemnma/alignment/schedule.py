"""Coarse to fine: many starts at low resolution, few at the end."""

from dataclasses import dataclass, replace

import torch

from deephemnma.alignment.candidate import select_likeliest
from deephemnma.alignment.distinct import select_distinct
from deephemnma.alignment.levenberg import Fit, concatenate_fits, fit
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.prior import AmplitudePrior
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.state import State
from deephemnma.alignment.widening import widen
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.imaging.band import Band, make_band
from deephemnma.imaging.coarsening import coarsen_reference
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.projector import Projector

LONGEST_STEP = 0.3
"""Longest step of a level, in units of its resolution: beyond it the linearised image is no guide."""
SAME_MINIMUM = 0.15
"""States nearer than this, in units of the resolution, have run into the same minimum."""
AT_ONCE = {"cpu": 2**19, "cuda": 2**24}
"""Components of states refined together: a bound on memory, however many images come at once."""


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
    refined
        States an image that are refined here: so many of the candidates, or all that enter where none are tried, which
        this then foretells for the planning of memory; 0 where that is not asked for.
    candidates
        States an image that are tried around those that the level before has kept, of which `refined` go on; 0 for
        none but these, all of which do.
    restraint
        Holds the amplitudes to what is searched where the resolution cannot; None where it can.
    """

    projector: Projector
    kept: int
    iterations: int
    refined: int = 0
    candidates: int = 0
    restraint: AmplitudePrior | None = None

    @property
    def band(self) -> Band:
        """The components of this level."""
        return self.projector.band

    @property
    def at_once(self) -> int:
        """States refined together."""
        return max(1, AT_ONCE.get(self.band.rows.device.type, AT_ONCE["cpu"]) // self.band.n_components)


def make_band_within(full: Band, *, resolution: float) -> Band:
    """Make the part of `full` that is coarser than `resolution` (A)."""
    band = make_band(full.box_size, full.pixel_size, resolution=resolution, device=full.rows.device)
    return band if band.max_index < full.max_index else full


def make_coarse_projector(model: GaussianModel, modes: Modes, band: Band, *, tolerance: float) -> Projector:
    """Make the projector of a level at low resolution, where beads do for atoms."""
    model, modes = coarsen_reference(model, modes, resolution=band.resolution)
    return GaussianProjector(model, modes, band, tolerance=tolerance)


def descend(observations: Observations, levels: list[Level], starts: State, *, scales: Scales) -> Fit:
    """Refine the starts of every image level by level; return the states that the last level keeps, the best first.

    A minimum at low resolution lies away from the truth by about its own error bars, which are wider than what the next
    resolution can bridge. So states are drawn from within these error bars, and the likeliest of them go on.

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
    first, *others = levels
    found, resolution = _fit_level(_observe(observations, first), first, starts, scales=scales), first.band.resolution
    for level in others:
        seen = _observe(observations, level)
        starts = _choose_starts(seen, level, found, resolution=resolution, scales=scales)
        found, resolution = _fit_level(seen, level, starts, scales=scales), level.band.resolution
    return found


def _observe(observations: Observations, level: Level) -> Observations:
    seen = observations.restrict(level.band)
    return seen if level.restraint is None else replace(seen, prior=level.restraint.combine(seen.prior))


def _choose_starts(seen: Observations, level: Level, found: Fit, *, resolution: float, scales: Scales) -> State:
    """Return the states that a level refines, from the fits of the level before, at its `resolution`."""
    per_image = len(found.converged) // len(seen)
    if not level.candidates:
        return found.state
    candidates = widen(
        found,
        draws=max(1, level.candidates // per_image),
        resolution=resolution,
        scales=scales,
        held=level.projector.held,
    )
    return select_likeliest(seen, level.projector, candidates, kept=level.refined, spacing=SAME_MINIMUM, scales=scales)


def _fit_level(seen: Observations, level: Level, starts: State, *, scales: Scales) -> Fit:
    """Refine the starts of each image, and keep the best distinct ends."""
    per_image = len(starts) // len(seen)
    unit = scales.to_vector(starts.amplitudes.shape[1]).to(starts.shifts)
    rows = torch.arange(len(starts), device=starts.shifts.device)
    parts = [
        fit(
            seen.select(some // per_image),
            level.projector,
            starts.select(some),
            step_scale=LONGEST_STEP * level.band.resolution * unit,
            iterations=level.iterations,
        )
        for some in rows.split(level.at_once)
    ]
    found = concatenate_fits(parts)
    chosen = select_distinct(
        found.state,
        found.evaluation.cost.reshape(len(seen), per_image),
        kept=level.kept,
        distance=SAME_MINIMUM * level.band.resolution,
        scales=scales,
    )
    return found.select(chosen.flatten())
