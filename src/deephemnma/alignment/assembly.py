"""Makes aligners: for the search from no prior knowledge, and for the search around what is given."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.aligner import Aligner
from deephemnma.alignment.exhaustive_search import make_exhaustive_search
from deephemnma.alignment.local_search import LocalSearch
from deephemnma.alignment.scale import Scales, compute_scales
from deephemnma.alignment.schedule import Level, make_band_within, make_level
from deephemnma.alignment.state import State
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource
from deephemnma.imaging.band import make_band
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.refine import RefineSettings

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
    levels = _make_levels(model, modes, source, settings=settings, finalists=settings.finalists, device=device)
    scales = compute_scales(model)
    strategy = make_exhaustive_search(levels[0].projector, scales=scales, settings=settings)
    return _assemble(levels, strategy, scales=scales, modes=modes, settings=settings, formation=formation)


def make_refinement_aligner(
    model: GaussianModel,
    modes: Modes,
    source: ImageSource,
    *,
    initial: Estimates,
    alternatives: Float[Tensor, "images hypotheses 3 3"] | None = None,
    settings: EstimateSettings,
    refinement: RefineSettings,
    formation: ImageFormation,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Aligner:
    """Make the aligner that starts around given poses and amplitudes.

    Parameters
    ----------
    model, modes, source, settings, formation, device
        As in :func:`make_search_aligner`.
    initial
        One row for each image of `source`, in its order. Their error bars, where they have any, say how far around
        them the search goes.
    alternatives
        Other orientations that each image may have (a network's further hypotheses).
    refinement
        How the local search goes.
    seed
        Of the states that are tried.

    Raises
    ------
    InputError
        If `initial` are not of the images of `source`, or of other modes.
    """
    _check_initial(initial, source, modes)
    levels = _make_levels(model, modes, source, settings=settings, finalists=refinement.finalists, device=device)
    scales = compute_scales(model)
    strategy = LocalSearch(
        levels[0].projector,
        hypotheses=_make_hypotheses(initial, alternatives, device),
        spread=_make_spread(initial, scales=scales, refinement=refinement),
        candidates=refinement.candidates,
        starts=refinement.starts,
        scales=scales,
        seed=seed,
    )
    return _assemble(levels, strategy, scales=scales, modes=modes, settings=settings, formation=formation)


def _make_levels(
    model: GaussianModel,
    modes: Modes,
    source: ImageSource,
    *,
    settings: EstimateSettings,
    finalists: int,
    device: torch.device | str,
) -> list[Level]:
    gyration = compute_scales(model).gyration_radius
    search = settings.search_resolution or SEARCH_RESOLUTION * gyration
    middle = search * MIDDLE_RESOLUTION / SEARCH_RESOLUTION
    full = make_band(source.box_size, source.pixel_size, resolution=settings.resolution, device=device)
    coarse = make_band_within(full, resolution=search)
    between = make_band_within(full, resolution=middle)
    return [
        make_level(model, modes, coarse, kept=2 * finalists + 2, iterations=COARSE_STEPS, tolerance=COARSE_TOLERANCE),
        make_level(model, modes, between, kept=finalists, iterations=MIDDLE_STEPS, tolerance=COARSE_TOLERANCE),
        make_level(model, modes, full, kept=1, iterations=settings.iterations, tolerance=FINE_TOLERANCE),
    ]


def _assemble(
    levels: list[Level],
    strategy: SearchStrategy,
    *,
    scales: Scales,
    modes: Modes,
    settings: EstimateSettings,
    formation: ImageFormation,
) -> Aligner:
    return Aligner(
        strategy=strategy,
        levels=levels,
        scales=scales,
        formation=formation,
        mode_numbers=modes.numbers,
        reject_below=settings.reject_below,
        batch_size=settings.batch_size,
    )


def _check_initial(initial: Estimates, source: ImageSource, modes: Modes) -> None:
    if initial.mode_numbers != modes.numbers:
        raise InputError(
            f"The estimates to refine are of modes {initial.mode_numbers}, but modes {modes.numbers} were asked for: "
            "name the same modes (--modes), or estimate anew."
        )
    if initial.names != source.names:
        raise InputError(
            f"The {len(initial)} estimates to refine are not those of the {len(source)} particles, image by image: "
            "give the table that was made from these particles."
        )


def _make_hypotheses(
    initial: Estimates, alternatives: Float[Tensor, "images hypotheses 3 3"] | None, device: torch.device | str
) -> State:
    rotations = initial.poses.rotations[:, None]
    if alternatives is not None:
        rotations = torch.cat((rotations, alternatives.to(rotations)), dim=1)
    per_image = rotations.shape[1]
    return State(
        rotations.flatten(0, 1).to(device, torch.float32),
        initial.poses.shifts.repeat_interleave(per_image, 0).to(device, torch.float32),
        initial.amplitudes.repeat_interleave(per_image, 0).to(device, torch.float32),
    )


def _make_spread(
    initial: Estimates, *, scales: Scales, refinement: RefineSettings
) -> Float[Tensor, "images parameters"]:
    """Return the error bars of the given states; the settings' spreads where there are none."""
    default = torch.tensor(
        [refinement.amplitude_spread * scales.amplitude] * initial.n_modes
        + [math.radians(refinement.rotation_spread_deg)] * 3
        + [refinement.shift_spread] * 2
    )
    known = initial.standard_deviations.float()
    return torch.where(known.isfinite(), known, default)
