"""Search over orientations and shifts, each image against its own conformation."""

import math

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from deephemnma.alignment.distinct import select_distinct
from deephemnma.alignment.exhaustive_search import POOL, SPACING
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.state import State
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.imaging.projector import Projector

TEMPLATES_AT_ONCE = 8192
"""Templates of all images together; a bound on memory."""


class OrientationSearch(SearchStrategy):
    """Compares every image with its given conformation at all orientations of a grid and all shifts.

    Each image has templates of its own, which are projected when it is aligned and not kept.

    Parameters
    ----------
    projector
        The reference on the band of the search.
    amplitudes
        The conformation of each image of the source (A). It is kept.
    rotations
        Orientations tried.
    shifts
        Shifts tried, A.
    starts
        Number of states proposed, an image.
    scales
        Of the reference.
    """

    def __init__(
        self,
        projector: Projector,
        *,
        amplitudes: Float[Tensor, "images modes"],
        rotations: Float[Tensor, "orientations 3 3"],
        shifts: Float[Tensor, "shifts 2"],
        starts: int,
        scales: Scales,
    ) -> None:
        device = projector.band.rows.device
        self.band = projector.band
        self.starts = min(starts, len(rotations))
        self._projector, self._scales = projector, scales
        self._amplitudes = amplitudes.to(device, torch.float32)
        self._rotations, self._shifts = rotations.to(device, torch.float32), shifts.to(device, torch.float32)

    def propose(self, observations: Observations, ids: Int[Tensor, "images"]) -> State:
        """See :meth:`SearchStrategy.propose`."""
        amplitudes = self._amplitudes[ids.to(self._amplitudes.device)]
        moved = self._move_back(observations)
        kept = min(self.starts * POOL, len(self._rotations))
        per_block = max(1, TEMPLATES_AT_ONCE // len(ids))
        blocks = torch.arange(len(self._rotations), device=moved.device).split(per_block)
        parts = [self._score(observations, moved, amplitudes, rows) for rows in blocks]
        gains, order = torch.cat([gain for gain, _ in parts], dim=1).topk(kept, dim=1)
        best_shift = torch.cat([shift for _, shift in parts], dim=1).gather(1, order).flatten()
        states = State(
            self._rotations[order.flatten()], self._shifts[best_shift], amplitudes.repeat_interleave(kept, 0)
        )
        rows = select_distinct(
            states, -gains, kept=self.starts, distance=SPACING * self.band.resolution, scales=self._scales
        )
        return states.select(rows.flatten())

    def _move_back(self, observations: Observations) -> Complex[Tensor, "images shifts components"]:
        """Return the filtered data moved back by each shift: the particle lies at minus the shift."""
        phases = torch.polar(
            torch.ones(len(self._shifts), self.band.n_components, device=self._shifts.device),
            -2 * math.pi * self._shifts @ self.band.frequencies.T,
        )
        return (observations.data * observations.transfer)[:, None] * phases

    def _score(
        self,
        observations: Observations,
        moved: Complex[Tensor, "images shifts components"],
        amplitudes: Float[Tensor, "images modes"],
        rows: Int[Tensor, "rows"],
    ) -> tuple[Float[Tensor, "images rows"], Int[Tensor, "images rows"]]:
        """Return the log likelihood gain of each orientation at its best shift, and which shift that is."""
        rotations = self._rotations[rows].repeat(len(amplitudes), 1, 1)
        still = torch.zeros(len(rotations), 2, device=rotations.device)
        templates = self._projector.project(rotations, still, amplitudes.repeat_interleave(len(rows), 0))
        templates = torch.view_as_real(templates).unflatten(0, (len(amplitudes), len(rows)))
        inner = templates.flatten(2) @ torch.view_as_real(moved).flatten(2).mT
        power = templates.square().sum(-1) @ observations.transfer.square()[:, :, None]
        best, shift = inner.max(dim=2)
        return best.clamp_min(0).square() / (2 * power[:, :, 0].clamp_min(1e-30)), shift
