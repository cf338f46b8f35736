"""Makes the aligner that starts from what is given."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from deephemnma.alignment.aligner import Aligner
from deephemnma.alignment.assembly import COARSE_TOLERANCE, assemble_aligner, make_bands, make_judge, make_levels
from deephemnma.alignment.bank import make_conformation_grid, make_shift_grid
from deephemnma.alignment.conformation_search import ConformationSearch
from deephemnma.alignment.effort import (
    EFFORTS,
    TEMPLATES,
    Effort,
    choose_evenly,
    choose_refinement_effort,
    compute_signal,
)
from deephemnma.alignment.exhaustive_search import SPACING, find_amplitude_spacing
from deephemnma.alignment.held import HeldProjector
from deephemnma.alignment.local_search import LocalSearch
from deephemnma.alignment.orientation_search import OrientationSearch
from deephemnma.alignment.pattern import draw_evenly, make_normal_pattern
from deephemnma.alignment.scale import Scales, compute_scales
from deephemnma.alignment.schedule import Level, make_coarse_projector
from deephemnma.alignment.state import State
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource
from deephemnma.core.rotation import make_rotation_grid
from deephemnma.imaging.projector import Projector
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.refine import RefineSettings


@dataclass(frozen=True)
class Start:
    """What is given of each image, and how it is searched.

    Attributes
    ----------
    initial
        Poses and amplitudes; these are zero where none are known.
    hypotheses
        The states that each image may have, on the device that computes; all of the first image before the next.
    amplitudes_known
        False for poses of another program.
    scales
        Of the reference.
    effort
        How many states are tried.
    settings, refinement, seed
        As in :func:`make_refinement_aligner`.
    """

    initial: Estimates
    hypotheses: State
    amplitudes_known: bool
    scales: Scales
    effort: Effort
    settings: EstimateSettings
    refinement: RefineSettings
    seed: int

    @property
    def n_modes(self) -> int:
        """Number of amplitudes."""
        return self.initial.n_modes


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
    """Make the aligner that starts from given poses and amplitudes; the strategy of `refinement` says how.

    Parameters
    ----------
    model, modes, source, settings, formation, device
        As in :func:`~deephemnma.alignment.assembly.make_search_aligner`.
    initial
        One row for each image of `source`, in its order. Their error bars, where they have any, say how far around
        them the search goes. Estimates of no mode (poses of another program) leave the amplitudes unknown.
    alternatives
        Other orientations that each image may have (a network's further hypotheses).
    refinement
        How the search goes.
    seed
        Of the states that are tried.

    Raises
    ------
    InputError
        If `initial` are not of the images of `source`, or of other modes.
    """
    _check_initial(initial, source, modes)
    known = initial.mode_numbers == modes.numbers
    if not known:
        initial = _add_still_modes(initial, modes.numbers)
    hypotheses = _make_hypotheses(initial, alternatives, device)
    scales = compute_scales(model)
    free = _find_free(refinement.strategy, modes.n_modes)
    if not free[: modes.n_modes].all():  # a prior on what is held would move it
        settings = replace(settings, likelihood=replace(settings.likelihood, prior_rmsd=()))
    bands = make_bands(source, scales=scales, settings=settings, device=device)
    projector = make_coarse_projector(model, modes, bands[0], tolerance=COARSE_TOLERANCE)
    templates = _project_some(hypotheses, projector)
    signal = compute_signal(templates, bands[0], source, formation=formation, likelihood=settings.likelihood)
    effort = choose_refinement_effort(refinement, signal)
    start = Start(initial, hypotheses, known, scales, effort, settings=settings, refinement=refinement, seed=seed)
    levels = make_levels(model, modes, bands, effort=effort, settings=settings)
    strategy = _STRATEGIES[refinement.strategy](start, projector)
    if not free.all():
        levels = [_hold(level, free) for level in levels]
    judge = make_judge(model, modes, bands[0])
    aligner = assemble_aligner(
        levels, strategy, judge=judge, scales=scales, modes=modes, settings=settings, formation=formation
    )
    aligner = replace(aligner, searched=aligner.searched.include(initial))
    # What is held may be wrong on purpose, and then no fit is as good as noise allows: the score alone tells.
    return aligner if free.all() else replace(aligner, reject_below=-math.inf)


def _project_some(states: State, projector: Projector) -> Complex[Tensor, "states components"]:
    some = states.select(choose_evenly(len(states), TEMPLATES).to(states.shifts.device))
    return projector.project(some.rotations, some.shifts, some.amplitudes)


def _hold(level: Level, free: Bool[Tensor, "parameters"]) -> Level:
    return replace(level, projector=HeldProjector(level.projector, free=free), restraint=None)


def _make_local(start: Start, projector: Projector) -> SearchStrategy:
    """Around what is given; over all conformations where none is."""
    pattern = make_normal_pattern(start.refinement.candidates, start.n_modes + 5, seed=start.seed)
    spread = _make_spread(start)
    if not start.amplitudes_known:
        conformations = _make_conformations(start, projector)
        reach = start.settings.amplitude_range * start.scales.amplitude
        spread[:, : start.n_modes] = 1
        pattern[:, : start.n_modes] = reach * (2 * draw_evenly(len(pattern), start.n_modes, seed=start.seed) - 1)
        pattern = torch.cat((torch.nn.functional.pad(conformations, (0, 5)), pattern))
    return _make_local_search(start, projector, spread=spread, pattern=pattern)


def _make_rigid_local(start: Start, projector: Projector) -> SearchStrategy:
    """Around the given pose, the amplitudes held."""
    pattern = make_normal_pattern(start.refinement.candidates, start.n_modes + 5, seed=start.seed)
    spread = _make_spread(start)
    spread[:, : start.n_modes] = 0
    return _make_local_search(start, projector, spread=spread, pattern=pattern)


def _make_local_search(
    start: Start,
    projector: Projector,
    *,
    spread: Float[Tensor, "images parameters"],
    pattern: Float[Tensor, "steps parameters"],
) -> SearchStrategy:
    return LocalSearch(
        projector,
        hypotheses=start.hypotheses,
        spread=spread,
        pattern=pattern,
        starts=start.effort.starts,
        scales=start.scales,
    )


def _make_conformation(start: Start, projector: Projector) -> SearchStrategy:
    """Over all conformations, the pose held."""
    device = start.hypotheses.shifts.device
    return ConformationSearch(
        projector,
        given=_make_hypotheses(start.initial, None, device),
        conformations=_make_conformations(start, projector),
        starts=start.effort.starts,
        scales=start.scales,
    )


def _make_rigid(start: Start, projector: Projector) -> SearchStrategy:
    """Over all orientations and shifts, the amplitudes held."""
    return OrientationSearch(
        projector,
        amplitudes=start.initial.amplitudes,
        rotations=make_rotation_grid(start.settings.orientations),
        shifts=make_shift_grid(start.settings.shift_range, SPACING * projector.band.resolution),
        starts=start.settings.starts or EFFORTS["quick"].starts,
        scales=start.scales,
    )


_STRATEGIES: dict[str, Callable[[Start, Projector], SearchStrategy]] = {
    "local": _make_local,
    "conformation": _make_conformation,
    "rigid": _make_rigid,
    "rigid-local": _make_rigid_local,
}


def _find_free(strategy: str, n_modes: int) -> Bool[Tensor, "parameters"]:
    """Return which of amplitudes, rotation, shift a strategy may change."""
    poses = torch.tensor([strategy != "conformation"] * 5)
    amplitudes = torch.tensor([strategy in ("local", "conformation")] * n_modes, dtype=torch.bool)
    return torch.cat((amplitudes, poses))


def _make_conformations(start: Start, projector: Projector) -> Float[Tensor, "conformations modes"]:
    settings = start.settings
    return make_conformation_grid(
        start.n_modes,
        scales=start.scales,
        extent=settings.amplitude_range,
        spacing=find_amplitude_spacing(settings, projector.band),
        most=settings.max_conformations,
    )


def _check_initial(initial: Estimates, source: ImageSource, modes: Modes) -> None:
    if initial.mode_numbers not in (modes.numbers, ()):
        raise InputError(
            f"The estimates to refine are of modes {initial.mode_numbers}, but modes {modes.numbers} were asked for: "
            "name the same modes (--modes), or estimate anew."
        )
    if initial.names != source.names:
        raise InputError(
            f"The {len(initial)} estimates to refine are not those of the {len(source)} particles, image by image: "
            "give the table that was made from these particles."
        )


def _add_still_modes(initial: Estimates, numbers: tuple[int, ...]) -> Estimates:
    still = torch.zeros(len(initial), len(numbers), dtype=torch.float64)
    return make_estimates(
        names=initial.names, poses=initial.poses, amplitudes=still, mode_numbers=numbers, status=Status.GIVEN
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


def _make_spread(start: Start) -> Float[Tensor, "images parameters"]:
    """Return the error bars of the given states; the settings' spreads where there are none."""
    refinement = start.refinement
    default = torch.tensor(
        [refinement.amplitude_spread * start.scales.amplitude] * start.n_modes
        + [math.radians(refinement.rotation_spread_deg)] * 3
        + [refinement.shift_spread] * 2
    )
    known = start.initial.standard_deviations.float()
    return torch.where(known.isfinite(), known, default)
