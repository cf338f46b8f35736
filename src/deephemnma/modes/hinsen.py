"""The C-alpha force field of Hinsen and co-workers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from deephemnma.modes.force_field import ForceField

BONDED_BELOW = 4.0  # A; consecutive CA are 3.8 apart
SHORTEST = 2.9  # A; below it bio3d takes 2.9, for the straight line of the bonded pairs falls to 0 at 2.78


@dataclass(frozen=True)
class Hinsen(ForceField):
    """Springs that are stiff along the backbone and weaken as 1 / distance^6 (Hinsen et al. 2000, Chem. Phys. 261:25).

    ``860 r - 2390`` below 4 A (bonded CA), ``1.28e6 / r^6`` beyond, in kJ / mol / A^2, as fitted to the Amber94 forces
    in a small protein. What lies beyond the default cutoff changes the space of the softest modes little
    (``docs/decisions/0510``).
    """

    reach: ClassVar[float] = 1.5

    def compute_stiffness(self, distances: Float[np.ndarray, "pairs"]) -> Float[np.ndarray, "pairs"]:
        """Return the spring constant, kJ / mol / A^2; pairs below 2.9 A count as 2.9 A apart."""
        lengths = np.maximum(distances, SHORTEST)
        return np.where(lengths < BONDED_BELOW, 860.0 * lengths - 2390.0, 1.28e6 / lengths**6)
