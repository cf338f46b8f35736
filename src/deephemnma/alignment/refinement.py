"""Makes the aligner that starts from what is given."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.aligner import Aligner
from deephemnma.alignment.assembly import assemble_aligner, make_levels
from deephemnma.alignment.local_search import LocalSearch
from deephemnma.alignment.scale import Scales, compute_scales
from deephemnma.alignment.state import State
from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import ImageSource
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.refine import RefineSettings


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
        As in :func:`~deephemnma.alignment.assembly.make_search_aligner`.
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
    levels = make_levels(model, modes, source, settings=settings, finalists=refinement.finalists, device=device)
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
    return assemble_aligner(levels, strategy, scales=scales, modes=modes, settings=settings, formation=formation)


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
