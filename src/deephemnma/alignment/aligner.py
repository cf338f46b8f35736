"""Aligns images of a source: one way through for every search strategy."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deephemnma.alignment.levenberg import Fit, concatenate_fits
from deephemnma.alignment.objective import invert_curvature, invert_fisher
from deephemnma.alignment.observation import Observations, make_observations
from deephemnma.alignment.observed_curvature import observe_curvature
from deephemnma.alignment.prior import make_prior
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.schedule import Level, descend
from deephemnma.alignment.score import compute_scores
from deephemnma.alignment.status import (
    Findings,
    SearchRange,
    compute_evidence,
    compute_excess,
    find_outside,
    find_rivals,
    name_statuses,
)
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.core.estimates import Contrasts, Estimates, Status, concatenate_estimates
from deephemnma.core.particle import ImageSource, Poses
from deephemnma.imaging.bad_image import find_bad_images
from deephemnma.imaging.projector import Projector
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.settings.likelihood import LikelihoodSettings


@dataclass(frozen=True)
class Aligner:
    """All that alignment needs besides the images; built once a process.

    Attributes
    ----------
    strategy
        Where refinement starts.
    levels
        From coarse to fine; the band of the last holds those of all others. Of the states that it keeps the best is
        the answer, the others say whether that is ambiguous.
    judge
        By which fits are scored: the reference with all its sites, at the resolution of the search. Beads, which do for
        the search, are 4 % off: at high signal a right fit would look wrong.
    scales
        Of the reference.
    searched
        Conformations and shifts in which the answer is looked for.
    formation
        Contrast and noise of the data set.
    mode_numbers
        The users' numbers of the modes.
    reject_below
        Score under which a fit is rejected.
    batch_size
        Images at once.
    likelihood
        How images are compared with projections.
    """

    strategy: SearchStrategy
    levels: list[Level]
    judge: Projector
    scales: Scales
    searched: SearchRange
    formation: ImageFormation
    mode_numbers: tuple[int, ...]
    reject_below: float
    batch_size: int
    likelihood: LikelihoodSettings = field(default_factory=LikelihoodSettings)


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
    status
        See :class:`~deephemnma.core.estimates.Status`.
    bad
        True for images in which nothing can be found.
    alternatives
        Of images whose answer is ambiguous; these have a row for each rival, the likelier first.
    alternative_of
        Rows of the images that the alternatives are of.
    """

    fit: Fit
    covariance: Float[Tensor, "images parameters parameters"]
    score: Float[Tensor, "images"]
    status: tuple[Status, ...]
    bad: Bool[Tensor, "images"]
    alternatives: "Alignment | None" = None
    alternative_of: Int[Tensor, "alternatives"] | None = None


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
    observed = make_observations(
        images,
        band,
        optics=optics,
        noise=formation.noise,
        b_factor=formation.b_factor,
        likelihood=aligner.likelihood,
        prior=make_prior(aligner.likelihood.prior_rmsd, scales=aligner.scales, n_modes=len(aligner.mode_numbers)),
    )
    return observed, bad


def align_batch(aligner: Aligner, source: ImageSource, ids: Int[Tensor, "images"]) -> Alignment:
    """Align images `ids` all at once."""
    observations, bad = observe(aligner, source, ids)
    starts = aligner.strategy.propose(observations.restrict(aligner.strategy.band), ids)
    found = descend(observations, aligner.levels, starts, scales=aligner.scales)
    return _judge(aligner, observations, found, bad)


def align_images(aligner: Aligner, source: ImageSource, ids: Int[Tensor, "images"]) -> Estimates:
    """Align images `ids`, `aligner.batch_size` at a time, and give each a status."""
    return align_with_alternatives(aligner, source, ids)[0]


def align_with_alternatives(
    aligner: Aligner, source: ImageSource, ids: Int[Tensor, "images"]
) -> tuple[Estimates, Estimates]:
    """Align images `ids` as :func:`align_images` does, and return the other minima of ambiguous ones as well.

    Returns
    -------
    estimates
        A row an image.
    alternatives
        None, one or several rows an image: distinct minima that are about as likely, the likelier first.
    """
    names = source.names
    estimates, alternatives = [], []
    for rows in ids.split(aligner.batch_size):
        part = align_batch(aligner, source, rows)
        estimates.append(_make_estimates(aligner, part, tuple(names[row] for row in rows.tolist())))
        others = tuple(names[row] for row in rows[part.alternative_of.cpu()].tolist())
        alternatives.append(_make_estimates(aligner, part.alternatives, others))
    return concatenate_estimates(estimates), concatenate_estimates(alternatives)


def _judge(aligner: Aligner, observations: Observations, found: Fit, bad: Bool[Tensor, "images"]) -> Alignment:
    """Choose the best of the states that each image ended with, and say what became of the image."""
    kept = len(found.converged) // len(bad)
    held = aligner.levels[-1].projector.held
    covariance = invert_fisher(found.evaluation.curvature, held=held)
    rivals, shares = find_rivals(found, covariance, kept=kept, searched=aligner.searched, held=held)
    score = _score(aligner, observations, found, covariance=covariance, shares=shares)
    first = torch.arange(0, len(score), kept, device=score.device)
    best = found.select(first)
    empty = observations.data.abs().square().sum(1, dtype=torch.float64) / 2
    gain = empty - best.evaluation.cost
    findings = Findings(
        fit=best,
        gain=gain,
        evidence=compute_evidence(
            best,
            gain,
            searched=aligner.searched,
            contrast=aligner.formation.contrast,
            prior=observations.prior,
            held=held,
        ),
        score=score[first],
        has_rival=rivals.any(1),
        outside=find_outside(best.state, covariance[first], searched=aligner.searched),
        bad=bad.to(score.device),
    )
    status = name_statuses(findings, reject_below=aligner.reject_below)
    ambiguous = torch.tensor([each is Status.AMBIGUOUS for each in status], device=score.device)
    others = (rivals & ambiguous[:, None]).flatten().nonzero()[:, 0]
    alternatives = Alignment(
        found.select(others),
        covariance[others],
        score[others],
        (Status.AMBIGUOUS,) * len(others),
        bad[(others // kept).cpu()],
    )
    if aligner.likelihood.error_bars == "observed":
        best = _observe_curvature(aligner, observations, best)
    bars = invert_fisher(best.evaluation.curvature, held=held)
    return Alignment(best, bars, score[first], status, bad, alternatives, others // kept)


def _score(
    aligner: Aligner,
    observations: Observations,
    found: Fit,
    *,
    covariance: Float[Tensor, "states parameters parameters"],
    shares: Float[Tensor, "images kept"],
) -> Float[Tensor, "states"]:
    excess = compute_excess(found.state, covariance, searched=aligner.searched).norm(dim=1)
    seen, share = observations.restrict(aligner.judge.band), shares.flatten()
    kept = len(covariance) // len(observations)
    parts = [
        compute_scores(
            seen.select(some // kept),
            aligner.judge,
            found.state.select(some),
            found.evaluation.select(some),
            formation=aligner.formation,
            outside=excess[some],
            share=share[some],
        )
        for some in _split_rows(aligner, covariance)
    ]
    return torch.cat(parts)


def _observe_curvature(aligner: Aligner, observations: Observations, best: Fit) -> Fit:
    projector = aligner.levels[-1].projector
    return concatenate_fits(
        [
            observe_curvature(observations.select(some), projector, best.select(some), scales=aligner.scales)
            for some in _split_rows(aligner, best.gain)
        ]
    )


def _split_rows(aligner: Aligner, rows: Tensor) -> tuple[Int[Tensor, "_"], ...]:
    """Return the numbers of `rows`, as many at once as the last level refines: a bound on memory."""
    return torch.arange(len(rows), device=rows.device).split(aligner.levels[-1].at_once)


def _make_estimates(aligner: Aligner, aligned: Alignment, names: tuple[str, ...]) -> Estimates:
    state, evaluation = aligned.fit.state, aligned.fit.evaluation
    spread = invert_curvature(evaluation.curvature, held=aligner.levels[-1].projector.held)[:, -1]
    return Estimates(
        names=names,
        poses=Poses(state.rotations.double().cpu(), state.shifts.double().cpu()),
        amplitudes=state.amplitudes.double().cpu(),
        covariance=aligned.covariance.cpu(),
        score=aligned.score.double().cpu(),
        status=aligned.status,
        mode_numbers=aligner.mode_numbers,
        contrasts=Contrasts(evaluation.contrast.double().cpu(), spread.cpu()),
    )
