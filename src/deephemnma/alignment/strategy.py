"""The contract of every search strategy: where local refinement starts."""

from abc import ABC, abstractmethod

from jaxtyping import Int
from torch import Tensor

from deephemnma.alignment.observation import Observations
from deephemnma.alignment.state import State
from deephemnma.imaging.band import Band


class SearchStrategy(ABC):
    """Proposes starts.

    Attributes
    ----------
    band
        Where images are compared.
    starts
        Number of starts that an image gets.
    """

    band: Band
    starts: int

    @abstractmethod
    def propose(self, observations: Observations, ids: Int[Tensor, "images"]) -> State:
        """Return `starts` states for each image, the likeliest first, all of the first image before the next.

        Parameters
        ----------
        observations
            On :attr:`band`.
        ids
            Numbers of the images in their source: the answer for an image depends on its number, not on the company
            it comes in.
        """
