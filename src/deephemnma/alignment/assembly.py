"""Makes the aligner that searches from no prior knowledge, and the parts that all aligners share."""

import torch

from deephemnma.alignment.aligner import Aligner
from deephemnma.alignment.exhaustive_search import make_exhaustive_search
from deephemnma.alignment.scale import Scales, compute_scales
from deephemnma.alignment.schedule import LONGEST_STEP, Level, make_band_within, make_level
from deephemnma.alignment.status import SearchRange
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource
from deephemnma.imaging.band import make_band
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.settings.estimate import EstimateSettings

SEARCH_RESOLUTION, MIDDLE_RESOLUTION = 0.5, 0.3
"""Of the search and of the level after it, in units of the radius of gyration."""
COARSE_TOLERANCE, FINE_TOLERANCE = 1e-2, 1e-4
"""Relative errors of the projectors, far below the noise."""
COARSE_STEPS, MIDDLE_STEPS = 4, 6


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
    levels = make_levels(model, modes, source, settings=settings, finalists=settings.finalists, device=device)
    scales = compute_scales(model)
    strategy = make_exhaustive_search(levels[0].projector, scales=scales, settings=settings)
    return assemble_aligner(levels, strategy, scales=scales, modes=modes, settings=settings, formation=formation)


def make_levels(
    model: GaussianModel,
    modes: Modes,
    source: ImageSource,
    *,
    settings: EstimateSettings,
    finalists: int,
    device: torch.device | str,
) -> list[Level]:
    """Make the levels of a descent: at the resolution of the search, between, and at full resolution."""
    gyration = compute_scales(model).gyration_radius
    search = settings.search_resolution or SEARCH_RESOLUTION * gyration
    middle = search * MIDDLE_RESOLUTION / SEARCH_RESOLUTION
    full = make_band(source.box_size, source.pixel_size, resolution=settings.resolution, device=device)
    coarse = make_band_within(full, resolution=search)
    between = make_band_within(full, resolution=middle)
    return [
        make_level(model, modes, coarse, kept=2 * finalists + 2, iterations=COARSE_STEPS, tolerance=COARSE_TOLERANCE),
        make_level(model, modes, between, kept=finalists, iterations=MIDDLE_STEPS, tolerance=COARSE_TOLERANCE),
        make_level(model, modes, full, kept=finalists, iterations=settings.iterations, tolerance=FINE_TOLERANCE),
    ]


def assemble_aligner(
    levels: list[Level],
    strategy: SearchStrategy,
    *,
    scales: Scales,
    modes: Modes,
    settings: EstimateSettings,
    formation: ImageFormation,
) -> Aligner:
    """Put the parts of an aligner together."""
    return Aligner(
        strategy=strategy,
        levels=levels,
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
        amplitude=scales.amplitude * max(settings.amplitude_range, settings.amplitude_spacing / 2),
        shift=min(max(settings.shift_range, LONGEST_STEP * band.resolution), band.box_size * band.pixel_size / 2),
    )
