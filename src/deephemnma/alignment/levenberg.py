"""Levenberg-Marquardt on many images at once."""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deephemnma.alignment.objective import Evaluation, evaluate
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.state import State, concatenate_states
from deephemnma.imaging.projector import Projector

FIRST_DAMPING, LEAST_DAMPING, DAMPING_DOWN, DAMPING_UP = 1e-2, 1e-5, 0.2, 5.0
POOR_GAIN, GOOD_GAIN = 0.5, 0.75
"""Of the gain that the quadratic model promised: below the first the damping rises, above the second it falls. At low
signal the true curvature along a weak direction can be twice the Gauss-Newton one: steps then promise much, gain next
to nothing, and go to and fro unless they are shortened."""


@dataclass(frozen=True)
class Fit:
    """Where the descent ended.

    Attributes
    ----------
    state, evaluation
        The best state of each image and the likelihood there.
    converged
        True where the last step was predicted to gain less than the tolerance.
    gain
        Log likelihood gained since the start.
    """

    state: State
    evaluation: Evaluation
    converged: Bool[Tensor, "images"]
    gain: Float[Tensor, "images"]

    def select(self, rows: Int[Tensor, "rows"]) -> "Fit":
        """Return the fits of `rows`."""
        return Fit(self.state.select(rows), self.evaluation.select(rows), self.converged[rows], self.gain[rows])


def fit(
    observations: Observations,
    projector: Projector,
    start: State,
    *,
    step_scale: Float[Tensor, "parameters"],
    iterations: int,
    tolerance: float = 1e-2,
) -> Fit:
    """Descend from `start`.

    The damping follows Marquardt (diagonal of the curvature); a step is also cut to one unit of `step_scale`, a
    trust region in A of displacement rather than in raw amplitudes.

    Parameters
    ----------
    observations, projector
        Data and model, on the same band.
    start
        One state an image.
    step_scale
        Longest step in each of amplitudes, rotation, shift (their norm after scaling is at most 1).
    iterations
        Evaluations at the most; the loop ends early when all images have converged.
    tolerance
        In units of the log likelihood; 0.01 is a seventh of a standard deviation. A step that promises less is taken
        without being evaluated, and is the last.
    """
    best = evaluate(observations, projector, start)
    found = Fit(start, best, torch.zeros_like(best.cost, dtype=torch.bool), torch.zeros_like(best.cost))
    damping = torch.full_like(best.contrast, FIRST_DAMPING)
    for _ in range(iterations):
        step, predicted = _propose(found.evaluation, damping, step_scale)
        # The last step gains too little to be worth an evaluation, but is too long to be left out.
        last = ~found.converged & (predicted < tolerance)
        found = _take(found, last, step, predicted)
        active = (~found.converged).nonzero()[:, 0]
        if not len(active):
            break
        trial_state = found.state.select(active).move(step[active])
        trial = evaluate(observations.select(active), projector, trial_state)
        found, gain = _accept(found, active, trial_state, trial)
        damping = _adapt(damping, gain / predicted.clamp_min(1e-12))
    return found


def concatenate_fits(parts: list[Fit]) -> Fit:
    """Return the rows of all `parts`."""
    if len(parts) == 1:
        return parts[0]
    evaluations = [part.evaluation for part in parts]
    return Fit(
        concatenate_states([part.state for part in parts]),
        Evaluation(*(torch.cat([getattr(each, field.name) for each in evaluations]) for field in fields(Evaluation))),
        torch.cat([part.converged for part in parts]),
        torch.cat([part.gain for part in parts]),
    )


def _take(
    found: Fit,
    last: Bool[Tensor, "images"],
    step: Float[Tensor, "images parameters"],
    promised: Float[Tensor, "images"],
) -> Fit:
    """Move the `last` images by a step that gains what the quadratic model says, and is the last of theirs."""
    gain = torch.where(last, promised.to(found.evaluation.cost), 0.0)
    return Fit(
        found.state.replace_where(last, found.state.move(step)),
        replace(found.evaluation, cost=found.evaluation.cost - gain),
        found.converged | last,
        found.gain + gain,
    )


def _propose(
    best: Evaluation, damping: Float[Tensor, "images"], step_scale: Float[Tensor, "parameters"]
) -> tuple[Float[Tensor, "images parameters"], Float[Tensor, "images"]]:
    """Return the damped step, cut to the trust region, and the gain that the quadratic model predicts for it."""
    diagonal = best.curvature.diagonal(dim1=-2, dim2=-1).clamp_min(1e-20)
    scale = diagonal.rsqrt()
    scaled = best.curvature * scale[:, :, None] * scale[:, None, :]
    damped = scaled + torch.diag_embed(damping[:, None].expand_as(diagonal) + 1e-6)
    step = -scale * torch.linalg.solve_ex(damped, best.gradient * scale)[0]
    step = torch.nan_to_num(step)
    length = (step[:, :-1] / step_scale).norm(dim=1)
    step = step / length.clamp_min(1)[:, None]
    slope = (step * best.gradient).sum(1)
    bend = (step[:, None] @ best.curvature @ step[:, :, None])[:, 0, 0]
    return step[:, :-1], -(slope + bend / 2)


def _adapt(damping: Float[Tensor, "images"], share: Float[Tensor, "images"]) -> Float[Tensor, "images"]:
    """Return the next damping, given the share of the promised gain that came."""
    factor = 1 + (DAMPING_UP - 1) * (share < POOR_GAIN) + (DAMPING_DOWN - 1) * (share > GOOD_GAIN)
    return (damping * factor).clamp_min(LEAST_DAMPING)


def _accept(
    found: Fit, active: Int[Tensor, "active"], trial_state: State, trial: Evaluation
) -> tuple[Fit, Float[Tensor, "images"]]:
    """Put the trials of the `active` images that lowered the cost in the place of what was best; return the gains."""
    gain = torch.zeros_like(found.evaluation.cost)
    gain[active] = found.evaluation.cost[active] - trial.cost
    better = gain > 0
    place = torch.zeros(len(better), dtype=torch.long, device=better.device)
    place[active] = torch.arange(len(active), device=place.device)
    state = found.state.replace_where(better, trial_state.select(place))
    evaluation = found.evaluation.replace_where(better, trial.select(place))
    return Fit(state, evaluation, found.converged, found.gain + gain.clamp_min(0)), gain
