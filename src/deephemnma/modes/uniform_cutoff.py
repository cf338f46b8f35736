"""The force field of HEMNMA and elNemo."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from deephemnma.modes.force_field import ForceField


@dataclass(frozen=True)
class UniformCutoff(ForceField):
    """The same spring between all pairs below the cutoff (Tirion 1996).

    Attributes
    ----------
    stiffness
        Spring constant; 10 gives elNemo's eigenvalues.
    """

    stiffness: float = 10.0
    reach: ClassVar[float] = 1.0

    def compute_stiffness(self, distances: Float[np.ndarray, "pairs"]) -> Float[np.ndarray, "pairs"]:
        """Return `stiffness` for every pair."""
        return np.full_like(distances, self.stiffness)
