"""What became of each aligned image: a status, from what the likelihood says of the minima found."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deephemnma.alignment.levenberg import Fit
from deephemnma.alignment.prior import AmplitudePrior
from deephemnma.alignment.state import State
from deephemnma.core.estimates import Estimates, Status
from deephemnma.metrics.angle import compute_rotation_vector

BEYOND = 3.0
"""Outside the range by more than so many standard deviations is out of range."""
DISTINCT = 5.0
"""Minima are distinct where a parameter differs by more than so many standard deviations of either."""
RIVAL_ODDS = 1 / 20
"""Another minimum is a rival where its odds against the best are at least these."""
LEAST_GAIN = 0.5
"""Log likelihood above an empty image that the contrast alone, of one standard deviation, brings."""


@dataclass(frozen=True)
class SearchRange:
    """What was searched; nothing is known of better answers outside.

    Attributes
    ----------
    amplitude
        Greatest amplitude of a mode, A (not RMSD).
    shift
        Greatest shift, A.
    """

    amplitude: float
    shift: float

    def include(self, given: Estimates) -> "SearchRange":
        """Return the range that holds the given amplitudes and shifts as well, with their error bars."""
        reach = torch.cat((given.amplitudes, given.poses.rotations.new_zeros(len(given), 3), given.poses.shifts), 1)
        reach = (reach.abs() + BEYOND * given.standard_deviations.nan_to_num(0.0, posinf=0.0)).amax(0)
        return SearchRange(
            amplitude=max([self.amplitude, *reach[:-5].tolist()]), shift=max(self.shift, *reach[-2:].tolist())
        )


@dataclass(frozen=True)
class Findings:
    """What is known of the best fit of each image, to name its status.

    Attributes
    ----------
    fit
        The best.
    gain
        Its log likelihood above that of an empty image.
    evidence
        Log odds for a particle somewhere within the range against noise alone (:func:`compute_evidence`).
    score
        See :func:`~deephemnma.alignment.score.compute_scores`.
    has_rival
        True where another minimum is about as likely (:func:`find_rivals`).
    outside
        True where amplitudes or shift are out of the range (:func:`find_outside`).
    bad
        True for images in which nothing can be found.
    """

    fit: Fit
    gain: Float[Tensor, "images"]
    evidence: Float[Tensor, "images"]
    score: Float[Tensor, "images"]
    has_rival: Bool[Tensor, "images"]
    outside: Bool[Tensor, "images"]
    bad: Bool[Tensor, "images"]


def name_statuses(findings: Findings, *, reject_below: float) -> tuple[Status, ...]:
    """Return the status of each image: of several that apply, the first of the list below."""
    stuck = ~findings.fit.converged & (findings.fit.gain <= 0)
    signs = {
        Status.BAD_IMAGE: findings.bad,
        Status.NO_IMPROVEMENT: stuck | (findings.gain < LEAST_GAIN),
        Status.JUNK: findings.evidence < 0,
        Status.REJECTED: findings.score < reject_below,
        Status.NOT_CONVERGED: ~findings.fit.converged,
        Status.AMBIGUOUS: findings.has_rival,
        Status.OUT_OF_RANGE: findings.outside,
        Status.CONVERGED: torch.ones_like(findings.bad),
    }
    names = list(signs)
    first = torch.stack(list(signs.values())).int().argmax(0)
    return tuple(names[index] for index in first.tolist())


def compute_excess(
    state: State, covariance: Float[Tensor, "images parameters parameters"], *, searched: SearchRange
) -> Float[Tensor, "images modes"]:
    """Return by how many of its standard deviations each amplitude lies outside the range; 0 inside."""
    deviations = covariance.diagonal(dim1=-2, dim2=-1)[:, :-5].clamp_min(1e-30).sqrt()
    beyond = (state.amplitudes.abs() - searched.amplitude).clamp_min(0)
    return (beyond / deviations).nan_to_num(0.0).to(state.amplitudes)  # amplitudes that are held are not searched


def find_outside(
    state: State, covariance: Float[Tensor, "images parameters parameters"], *, searched: SearchRange
) -> Bool[Tensor, "images"]:
    """Return which states have an amplitude or a shift out of the range beyond doubt."""
    variance = covariance.diagonal(dim1=-2, dim2=-1)[:, -2:].sum(1).nan_to_num(0.0)
    shifted = state.shifts.norm(dim=1) > searched.shift + BEYOND * variance.sqrt()
    return (compute_excess(state, covariance, searched=searched) > BEYOND).any(1) | shifted


def compute_evidence(
    found: Fit,
    gain: Float[Tensor, "images"],
    *,
    searched: SearchRange,
    contrast: float,
    prior: AmplitudePrior | None = None,
    held: tuple[int, ...] = (),
) -> Float[Tensor, "images"]:
    """Return the log odds for a particle somewhere in the range against an empty image: below 0, it is noise.

    The best of so many templates gains in noise alone. What it must gain to be believed follows from their number: the
    likelihood integrated over the range, by Laplace's method (MacKay 1992, Neural Comput. 4:415), is the gain less the
    logarithm of how many times the volume of the minimum fits into the range. No orientation, conformation or shift in
    the range is likelier than another, nor any contrast up to twice `contrast`; but for conformations with a `prior`.

    Parameters
    ----------
    found
        The best fit of each image.
    gain
        Its log likelihood above that of an empty image.
    searched
        Where the particle may be.
    contrast
        Of the data set; 0 if it is not known.
    prior
        On the amplitudes, which the fit has counted in; instead of the range of these.
    held
        Parameters that were not searched.
    """
    highest = 2 * found.evaluation.contrast.double().clamp_min(max(contrast, 1e-12))
    volume = _compute_log_volume(found, searched=searched, highest_contrast=highest, held=held)
    n_modes = found.state.amplitudes.shape[1]
    sides = torch.tensor(
        [2 * searched.amplitude] * n_modes + [(8 * math.pi**2) ** (1 / 3)] * 3 + [math.pi**0.5 * searched.shift] * 2,
        dtype=torch.float64,
    )
    if prior is not None:
        sides[:n_modes] = (2 * math.pi / prior.precision.double().cpu()).sqrt()
    free = [column for column in range(n_modes + 5) if column not in held]
    return gain + volume - highest.log() - float(sides[free].log().sum())


def find_rivals(
    found: Fit,
    covariance: Float[Tensor, "finalists parameters parameters"],
    *,
    kept: int,
    searched: SearchRange,
    held: tuple[int, ...] = (),
) -> tuple[Bool[Tensor, "images kept"], Float[Tensor, "images kept"]]:
    """Find minima that are distinct from all better ones of their image and about as likely as the best.

    Likely means likelihood times volume of the minimum.

    Parameters
    ----------
    found
        `kept` fits an image, the best first.
    covariance
        Of each.
    kept, searched, held
        See above.

    Returns
    -------
    rivals
        True for these.
    shares
        Of each minimum in the probability of all distinct ones of its image.
    """
    highest = 2 * found.evaluation.contrast.double().clamp_min(1e-12)
    highest = highest.unflatten(0, (-1, kept)).amax(1).repeat_interleave(kept)
    mass = _compute_log_volume(found, searched=searched, highest_contrast=highest, held=held) - found.evaluation.cost
    mass = mass.unflatten(0, (-1, kept))
    apart = _find_distinct(found.state, covariance, kept=kept)
    likely = mass >= mass[:, :1] + math.log(RIVAL_ODDS)
    rivals = torch.zeros_like(likely)
    chosen = torch.zeros_like(likely)
    chosen[:, 0] = True
    for place in range(1, kept):
        new = (apart[:, place] | ~chosen).all(1)
        chosen[:, place] = new
        rivals[:, place] = new & likely[:, place]
    every = mass.masked_fill(~chosen, -math.inf).logsumexp(1, keepdim=True)
    return rivals, (mass - every).exp().clamp_max(1)


def _find_distinct(
    state: State, covariance: Float[Tensor, "finalists parameters parameters"], *, kept: int
) -> Bool[Tensor, "images kept kept"]:
    """Return which pairs of an image's states are distinct, beyond the error bars of either."""
    rotations = state.rotations.double().unflatten(0, (-1, kept))
    turns = compute_rotation_vector(
        rotations[:, :, None].expand(-1, -1, kept, -1, -1), rotations[:, None].expand(-1, kept, -1, -1, -1)
    )
    amplitudes, shifts = (part.double().unflatten(0, (-1, kept)) for part in (state.amplitudes, state.shifts))
    change = torch.cat(
        (amplitudes[:, :, None] - amplitudes[:, None], turns, shifts[:, :, None] - shifts[:, None]), dim=-1
    )
    variance = covariance.diagonal(dim1=-2, dim2=-1).unflatten(0, (-1, kept))
    wider = torch.maximum(variance[:, :, None], variance[:, None]).clamp_min(1e-30)
    return (change.abs() > DISTINCT * wider.sqrt()).any(-1)


def _compute_log_volume(
    found: Fit, *, searched: SearchRange, highest_contrast: Float[Tensor, "images"], held: tuple[int, ...]
) -> Float[Tensor, "images"]:
    """Return the logarithm of the volume of each minimum, ``sqrt(det(2 pi covariance))``, the contrast included.

    A direction that the data hardly see ends with the range: the range's own variance bounds it.
    """
    n_modes = found.state.amplitudes.shape[1]
    spread = torch.tensor(
        [searched.amplitude / 3**0.5] * n_modes + [math.pi / 3**0.5] * 3 + [searched.shift / 2] * 2,
        dtype=torch.float64,
        device=highest_contrast.device,
    )
    spread = torch.cat((spread.expand(len(highest_contrast), -1), highest_contrast[:, None] / 12**0.5), dim=1)
    free = [column for column in range(n_modes + 6) if column not in held]
    spread, curvature = spread[:, free], found.evaluation.curvature.double()[:, free][:, :, free]
    scaled = curvature * spread[:, :, None] * spread[:, None, :] + torch.eye(len(free)).to(spread)
    return spread.log().sum(1) + len(free) / 2 * math.log(2 * math.pi) - torch.linalg.slogdet(scaled)[1] / 2
