"""Extension point: how stiff the spring between two sites is."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Float


class ForceField(ABC):
    """Stiffness of a spring as a function of its length; which pairs are joined is the cutoff's business.

    Attributes
    ----------
    reach
        Default cutoff as a multiple, >= 1, of the distance within which springs hold the sites together
        (:func:`~deephemnma.modes.elastic_network.choose_cutoff`).
    """

    reach: ClassVar[float]

    @abstractmethod
    def compute_stiffness(self, distances: Float[np.ndarray, "pairs"]) -> Float[np.ndarray, "pairs"]:
        """Return the spring constant, positive, of pairs `distances` (A) apart."""
