"""The parameter-free force field."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from deephemnma.modes.force_field import ForceField


@dataclass(frozen=True)
class InverseSquare(ForceField):
    """Springs that weaken as 1 / distance^2 (pfANM: Yang, Song & Jernigan 2009, PNAS 106:12347).

    As published every pair has one; then half of the stiffness lies between sites far apart and domains hardly move
    against each other, so the default cutoff is that of the other weighted field (``docs/decisions/0510``).

    Attributes
    ----------
    stiffness
        Spring constant of a pair 1 A apart.
    """

    stiffness: float = 1.0
    reach: ClassVar[float] = 1.5

    def compute_stiffness(self, distances: Float[np.ndarray, "pairs"]) -> Float[np.ndarray, "pairs"]:
        """Return ``stiffness / distances^2``."""
        return self.stiffness / distances**2
