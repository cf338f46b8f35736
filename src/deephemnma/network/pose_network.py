"""From features to rotation, shift and amplitudes: what every network of ours can do."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from deephemnma.network.label import Labels, Standardizer


@dataclass(frozen=True)
class Hypotheses:
    """What the network believes of each image, the likeliest first.

    Attributes
    ----------
    rotations, shifts, amplitudes
        As in :class:`~deephemnma.core.estimates.Estimates`, one for each hypothesis.
    probabilities
        Of each hypothesis, 0-1; NaN where the network gives none.
    """

    rotations: Float[Tensor, "images hypotheses 3 3"]
    shifts: Float[Tensor, "images hypotheses 2"]
    amplitudes: Float[Tensor, "images hypotheses modes"]
    probabilities: Float[Tensor, "images hypotheses"]


class PoseNetwork(nn.Module, ABC):
    """Predicts rotation, shift and amplitudes of prepared images.

    Attributes
    ----------
    standardizer
        The scale of shifts and amplitudes.
    """

    standardizer: Standardizer

    @abstractmethod
    def forward(self, images: Float[Tensor, "images 1 box box"]) -> tuple[Tensor, Tensor]:
        """Return the raw outputs for the rotation, and for shifts and amplitudes."""

    @abstractmethod
    def compute_losses(self, output: tuple[Tensor, Tensor], labels: Labels) -> dict[str, Float[Tensor, ""]]:
        """Return the terms whose sum is minimised, by name."""

    @abstractmethod
    def decode(self, output: tuple[Tensor, Tensor], *, n_hypotheses: int) -> Hypotheses:
        """Return at most `n_hypotheses` answers for each image."""
