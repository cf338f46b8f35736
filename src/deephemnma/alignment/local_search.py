"""Search around given poses and amplitudes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.alignment.candidate import select_likeliest
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.scale import Scales
from deephemnma.alignment.state import State
from deephemnma.alignment.strategy import SearchStrategy
from deephemnma.imaging.projector import Projector


class LocalSearch(SearchStrategy):
    """Tries steps away from the given hypotheses of each image and proposes the likeliest distinct states.

    Every image gets the same pattern of steps, each as long as that image's spreads say: the answer depends on the
    image alone, and no random numbers are drawn image by image.

    Parameters
    ----------
    projector
        The reference on the band of the search.
    hypotheses
        For each image of the source, one or more states (all of the first image before the next).
    spread
        Unit of the steps in (amplitudes, rotation, shift), for each image of the source; zero holds a parameter.
    pattern
        Steps tried, taken from the hypotheses in turn; the hypotheses themselves are always tried.
    starts
        Number of states proposed, an image.
    scales
        Of the reference.
    """

    def __init__(
        self,
        projector: Projector,
        *,
        hypotheses: State,
        spread: Float[Tensor, "images parameters"],
        pattern: Float[Tensor, "steps parameters"],
        starts: int,
        scales: Scales,
    ) -> None:
        device = hypotheses.shifts.device
        per_image = len(hypotheses) // len(spread)
        self.band = projector.band
        self._projector, self._scales = projector, scales
        self._hypotheses, self._per_image = hypotheses, per_image
        self._spread = spread.to(device, torch.float32)
        self._pattern = torch.cat((torch.zeros(per_image, pattern.shape[1]), pattern)).to(device, torch.float32)
        self.starts = min(starts, len(self._pattern))

    def propose(self, observations: Observations, ids: Int[Tensor, "images"]) -> State:
        """See :meth:`SearchStrategy.propose`."""
        candidates = self.make_candidates(ids)
        return select_likeliest(observations, self._projector, candidates, kept=self.starts, scales=self._scales)

    def make_candidates(self, ids: Int[Tensor, "images"]) -> State:
        """Return the states tried for each image: its hypotheses, then the steps away from them in turn."""
        images = ids.to(self._spread.device)
        turns = torch.arange(len(self._pattern), device=images.device) % self._per_image
        near = self._hypotheses.select((images[:, None] * self._per_image + turns).flatten())
        return near.move((self._spread[images][:, None] * self._pattern).flatten(0, 1))
