"""Aligns images of a source: one way through for every search strategy."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deephemnma.alignment.levenberg import Fit
from deephemnma.alignment.objective import invert_fisher
from deephemnma.alignment.observation import Observations, make_observations
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.schedule import Level, descend
from deephemnma.alignment.score import compute_scores
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.core.estimates import Estimates, Status
from deephemnma.core.particle import ImageSource, Poses
from deephemnma.imaging.bad_image import find_bad_images
from deephemnma.imaging.synthesis import ImageFormation


@dataclass(frozen=True)
class Aligner:
    """All that alignment needs besides the images; built once a process.

    Attributes
    ----------
    strategy
        Where refinement starts.
    levels
        From coarse to fine; the last keeps one state an image, and its band holds those of all others.
    scales
        Of the reference.
    formation
        Contrast and noise of the data set.
    mode_numbers
        The users' numbers of the modes.
    reject_below
        Score under which a fit is rejected.
    batch_size
        Images at once.
    """

    strategy: SearchStrategy
    levels: list[Level]
    scales: Scales
    formation: ImageFormation
    mode_numbers: tuple[int, ...]
    reject_below: float
    batch_size: int


@dataclass(frozen=True)
class Alignment:
    """What came of some images; a row for each.

    Attributes
    ----------
    fit
        The best states, and the likelihood there.
    covariance
        Of amplitudes, rotation, shift.
    score
        See :func:`~deephemnma.alignment.score.compute_scores`.
    bad
        True for images in which nothing can be found.
    """

    fit: Fit
    covariance: Float[Tensor, "images parameters parameters"]
    score: Float[Tensor, "images"]
    bad: Bool[Tensor, "images"]


def observe(
    aligner: Aligner, source: ImageSource, ids: Int[Tensor, "images"]
) -> tuple[Observations, Bool[Tensor, "images"]]:
    """Return images `ids` on the finest band, and which are bad (these are observed as zero)."""
    images = source[ids]
    bad = find_bad_images(images)
    images = torch.where(bad[:, None, None], torch.zeros_like(images), images)
    optics = source.optics.select(ids) if source.optics is not None else None
    band = aligner.levels[-1].band
    formation = aligner.formation
    observed = make_observations(images, band, optics=optics, noise=formation.noise, b_factor=formation.b_factor)
    return observed, bad


def align_batch(aligner: Aligner, source: ImageSource, ids: Int[Tensor, "images"]) -> Alignment:
    """Align images `ids` all at once."""
    observations, bad = observe(aligner, source, ids)
    starts = aligner.strategy.propose(observations.restrict(aligner.strategy.band), ids)
    found = descend(observations, aligner.levels, starts, scales=aligner.scales)
    score = _score(aligner, observations, found)
    covariance = invert_fisher(found.evaluation.curvature, held=aligner.levels[-1].projector.held)
    return Alignment(found, covariance, score, bad)


def align_images(aligner: Aligner, source: ImageSource, ids: Int[Tensor, "images"]) -> Estimates:
    """Align images `ids`, `aligner.batch_size` at a time, and give each a status."""
    parts = [align_batch(aligner, source, rows) for rows in ids.split(aligner.batch_size)]
    names = source.names
    score = torch.cat([part.score for part in parts]).double().cpu()
    return Estimates(
        names=tuple(names[row] for row in ids.tolist()),
        poses=Poses(
            torch.cat([part.fit.state.rotations for part in parts]).double().cpu(),
            torch.cat([part.fit.state.shifts for part in parts]).double().cpu(),
        ),
        amplitudes=torch.cat([part.fit.state.amplitudes for part in parts]).double().cpu(),
        covariance=torch.cat([part.covariance for part in parts]).cpu(),
        score=score,
        status=tuple(status for part in parts for status in _decide_status(aligner, part)),
        mode_numbers=aligner.mode_numbers,
    )


def _score(aligner: Aligner, observations: Observations, found: Fit) -> Float[Tensor, "images"]:
    level = aligner.levels[0]
    return compute_scores(
        observations.restrict(level.band),
        level.projector,
        found.state,
        found.evaluation,
        formation=aligner.formation,
    )


def _decide_status(aligner: Aligner, part: Alignment) -> list[Status]:
    rows = zip(part.bad.tolist(), part.score.tolist(), part.fit.converged.tolist(), strict=True)
    return [_name_status(bad, score < aligner.reject_below, converged) for bad, score, converged in rows]


def _name_status(bad: bool, rejected: bool, converged: bool) -> Status:  # noqa: FBT001
    if bad:
        return Status.BAD_IMAGE
    if rejected:
        return Status.REJECTED
    return Status.CONVERGED if converged else Status.NOT_CONVERGED
