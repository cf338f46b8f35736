"""Makes the aligner that searches from no prior knowledge, and the parts that all aligners share."""

import math

import torch

from deephemnma.alignment.aligner import Aligner
from deephemnma.alignment.effort import Effort, choose_effort, compute_signal
from deephemnma.alignment.exhaustive_search import (
    find_amplitude_spacing,
    make_exhaustive_search,
    make_search_bank,
)
from deephemnma.alignment.prior import make_prior
from deephemnma.alignment.scale import Scales, compute_scales
from deephemnma.alignment.schedule import LONGEST_STEP, Level, make_band_within, make_coarse_projector
from deephemnma.alignment.status import SearchRange
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource
from deephemnma.imaging.band import Band, make_band
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.projector import Projector
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.settings.estimate import EstimateSettings

SEARCH_RESOLUTION = 0.5
"""Of the search, in units of the radius of gyration."""
FINER = 0.58
"""Resolution of a level over that of the one before, at the least: a state within the error bars of one level must lie
where the next one finds its minimum."""
COARSE_TOLERANCE, FINE_TOLERANCE = 1e-2, 1e-3
"""Relative errors of the projectors, far below the noise."""
COARSE_STEPS = 5
RESTRAINT = 0.8
"""Standard deviation of the amplitudes at low resolution, in units of the searched range."""
RESTRAINED = 2
"""Levels that are restrained."""


def make_search_aligner(
    model: GaussianModel,
    modes: Modes,
    source: ImageSource,
    *,
    settings: EstimateSettings,
    formation: ImageFormation,
    device: torch.device | str = "cpu",
) -> Aligner:
    """Make the aligner that knows nothing beforehand. It builds the template bank: seconds to a minute.

    Parameters
    ----------
    model, modes
        The reference.
    source
        Whose box and pixel size the images have.
    settings
        How images are aligned.
    formation
        Contrast and noise of the images (:func:`~deephemnma.alignment.pilot.measure_formation`).
    device
        That computes.
    """
    scales = compute_scales(model)
    bands = make_bands(source, scales=scales, settings=settings, device=device)
    projector = make_coarse_projector(model, modes, bands[0], tolerance=COARSE_TOLERANCE)
    bank = make_search_bank(projector, scales=scales, settings=settings)
    signal = compute_signal(bank.templates, bands[0], source, formation=formation, likelihood=settings.likelihood)
    effort = choose_effort(settings, signal)
    strategy = make_exhaustive_search(bank, projector, starts=effort.starts, scales=scales, settings=settings)
    levels = make_levels(model, modes, bands, effort=effort, settings=settings)
    judge = make_judge(model, modes, bands[0])
    return assemble_aligner(
        levels, strategy, judge=judge, scales=scales, modes=modes, settings=settings, formation=formation
    )


def make_bands(
    source: ImageSource, *, scales: Scales, settings: EstimateSettings, device: torch.device | str
) -> list[Band]:
    """Make the bands of a descent, from the resolution of the search to the finest, in even proportion."""
    full = make_band(source.box_size, source.pixel_size, resolution=settings.resolution, device=device)
    coarsest = settings.search_resolution or SEARCH_RESOLUTION * scales.gyration_radius
    ratio = min(1.0, full.resolution / coarsest)
    steps = max(1, math.ceil(math.log(ratio) / math.log(FINER)))
    coarse = [make_band_within(full, resolution=coarsest * ratio ** (step / steps)) for step in range(steps)]
    return [*coarse, full]


def make_levels(
    model: GaussianModel, modes: Modes, bands: list[Band], *, effort: Effort, settings: EstimateSettings
) -> list[Level]:
    """Make the levels of a descent on `bands`, which refine ever fewer states."""
    fall = (effort.finalists / effort.starts) ** (1 / (len(bands) - 1))
    refined = [max(1, round(effort.starts * fall**place)) for place in range(len(bands))]
    restraint = make_prior(
        (RESTRAINT * settings.amplitude_range,) if settings.amplitude_range else (),
        scales=compute_scales(model),
        n_modes=modes.n_modes,
    )
    coarse = [
        Level(
            make_coarse_projector(model, modes, band, tolerance=COARSE_TOLERANCE),
            # what the search found is no minimum worth choosing by yet, where candidates decide
            kept=refined[0] if place == 0 and effort.candidates else refined[place + 1],
            iterations=COARSE_STEPS,
            refined=refined[place],
            candidates=effort.candidates if place else 0,
            restraint=restraint if place < RESTRAINED else None,
        )
        for place, band in enumerate(bands[:-1])
    ]
    last = Level(
        GaussianProjector(model, modes, bands[-1], tolerance=FINE_TOLERANCE),
        kept=effort.finalists,
        iterations=settings.iterations,
        refined=effort.finalists,
        candidates=effort.candidates,
    )
    return [*coarse, last]


def make_judge(model: GaussianModel, modes: Modes, band: Band) -> GaussianProjector:
    """Make what fits are scored by, on the `band` of the search."""
    return GaussianProjector(model, modes, band, tolerance=FINE_TOLERANCE)


def assemble_aligner(
    levels: list[Level],
    strategy: SearchStrategy,
    *,
    judge: Projector,
    scales: Scales,
    modes: Modes,
    settings: EstimateSettings,
    formation: ImageFormation,
) -> Aligner:
    """Put the parts of an aligner together."""
    return Aligner(
        strategy=strategy,
        levels=levels,
        judge=judge,
        scales=scales,
        searched=_find_range(levels, scales=scales, settings=settings),
        formation=formation,
        mode_numbers=modes.numbers,
        reject_below=settings.reject_below,
        batch_size=settings.batch_size,
        likelihood=settings.likelihood,
    )


def _find_range(levels: list[Level], *, scales: Scales, settings: EstimateSettings) -> SearchRange:
    """Return what the search covers: no less than what lies about a single conformation or shift."""
    band = levels[0].band
    return SearchRange(
        amplitude=scales.amplitude * max(settings.amplitude_range, find_amplitude_spacing(settings, band) / 2),
        shift=min(max(settings.shift_range, LONGEST_STEP * band.resolution), band.box_size * band.pixel_size / 2),
    )
