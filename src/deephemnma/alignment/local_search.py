"""Search around given poses and amplitudes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.alignment.exhaustive_search import SPACING
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.schedule import select_distinct
from deephemnma.alignment.state import State, concatenate_states
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.imaging.projector import Projector


class LocalSearch(SearchStrategy):
    """Tries states drawn around the given hypotheses of each image and proposes the likeliest distinct ones.

    Parameters
    ----------
    projector
        The reference on the band of the search.
    hypotheses
        For each image of the source, one or more states (all of the first image before the next).
    spread
        Standard deviations of the draws, in (amplitudes, rotation, shift), for each image of the source.
    candidates, starts
        Number of states tried and proposed, an image.
    scales
        Of the reference.
    seed
        The draws of an image depend on this and on the image's number.
    """

    def __init__(
        self,
        projector: Projector,
        *,
        hypotheses: State,
        spread: Float[Tensor, "images parameters"],
        candidates: int,
        starts: int,
        scales: Scales,
        seed: int,
    ) -> None:
        self.band = projector.band
        self.starts = min(starts, candidates)
        self._projector, self._scales, self._seed = projector, scales, seed
        self._hypotheses, self._spread = hypotheses, spread
        self._per_image = len(hypotheses) // len(spread)
        self._candidates = max(candidates, self._per_image)

    def propose(self, observations: Observations, ids: Int[Tensor, "images"]) -> State:
        """See :meth:`SearchStrategy.propose`."""
        candidates = self._draw(ids.cpu())
        blocks = torch.arange(len(candidates), device=candidates.shifts.device).split(4096)
        costs = torch.cat([self._compute_costs(observations, candidates, rows) for rows in blocks])
        distance = SPACING * self.band.resolution
        rows = select_distinct(
            candidates,
            costs.reshape(len(ids), self._candidates),
            kept=self.starts,
            distance=distance,
            scales=self._scales,
        )
        return candidates.select(rows.flatten())

    def _draw(self, ids: Int[Tensor, "images"]) -> State:
        """Return the candidates of each image: its hypotheses, then draws around them in turn."""
        drawn = []
        for image in ids.tolist():
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + image)
            steps = torch.randn(self._candidates, self._spread.shape[1], generator=generator)
            steps[: self._per_image] = 0
            which = image * self._per_image + torch.arange(self._candidates) % self._per_image
            near = self._hypotheses.select(which.to(self._hypotheses.shifts.device))
            drawn.append(near.move((steps * self._spread[image]).to(near.shifts)))
        return concatenate_states(drawn)

    def _compute_costs(
        self, observations: Observations, candidates: State, rows: Int[Tensor, "rows"]
    ) -> Float[Tensor, "rows"]:
        """Return minus the log likelihood gain of `candidates[rows]`, the contrast fitted."""
        state, seen = candidates.select(rows), observations.select(rows // self._candidates)
        value = self._projector.project(state.rotations, state.shifts, state.amplitudes) * seen.transfer
        inner = (value.conj() * seen.data).real.sum(1).clamp_min(0)
        return -inner.square() / (2 * value.abs().square().sum(1).clamp_min(1e-30))
