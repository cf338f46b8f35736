"""Search over conformations at given poses."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.alignment.candidate import select_likeliest
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.state import State
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.imaging.projector import Projector


class ConformationSearch(SearchStrategy):
    """Compares every image with all conformations of a grid, and with its given one, at its own pose.

    Parameters
    ----------
    projector
        The reference on the band of the search.
    given
        Pose and amplitudes of each image of the source. The pose is kept.
    conformations
        Amplitudes tried (A).
    starts
        Number of states proposed, an image.
    scales
        Of the reference.
    """

    def __init__(
        self,
        projector: Projector,
        *,
        given: State,
        conformations: Float[Tensor, "conformations modes"],
        starts: int,
        scales: Scales,
    ) -> None:
        self.band = projector.band
        self._projector, self._given, self._scales = projector, given, scales
        self._conformations = conformations.to(given.amplitudes)
        self.starts = min(starts, 1 + len(conformations))

    def propose(self, observations: Observations, ids: Int[Tensor, "images"]) -> State:
        """See :meth:`SearchStrategy.propose`."""
        given = self._given.select(ids.to(self._given.shifts.device))
        tried = self._conformations.expand(len(ids), -1, -1)
        amplitudes = torch.cat((given.amplitudes[:, None], tried), dim=1)
        count = amplitudes.shape[1]
        candidates = State(
            given.rotations.repeat_interleave(count, 0),
            given.shifts.repeat_interleave(count, 0),
            amplitudes.flatten(0, 1),
        )
        return select_likeliest(observations, self._projector, candidates, kept=self.starts, scales=self._scales)
