"""The parameter-free force field."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from deephemnma.modes.force_field import ForceField


@dataclass(frozen=True)
class InverseSquare(ForceField):
    """Springs that weaken as 1 / distance^2 (pfANM: Yang, Song & Jernigan 2009, PNAS 106:12347).

    Attributes
    ----------
    stiffness
        Spring constant of a pair 1 A apart.
    """

    stiffness: float = 1.0

    def compute_stiffness(self, distances: Float[np.ndarray, "pairs"]) -> Float[np.ndarray, "pairs"]:
        """Return ``stiffness / distances^2``."""
        return self.stiffness / distances**2
