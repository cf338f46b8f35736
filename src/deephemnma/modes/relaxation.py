"""Relaxation: the cheap half of a preconditioner, which undoes the stiff part of a force."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

Relaxation = Callable[[Float[np.ndarray, "coordinates columns"]], Float[np.ndarray, "coordinates columns"]]

UNEVEN = 20
"""Stiffest spring over the mean, from which springs count as uneven."""
STEPS_OF_UNEVEN = 4


def choose_steps(stiffness: Float[np.ndarray, "pairs"]) -> int:
    """Return how many steps a relaxation needs: more than one where some springs are far stiffer than most.

    In Hinsen's force field bonds are 60 times stiffer than the mean. The 3,668 CA atoms of GroEL then take 150
    iterations of four steps, and have not converged after 200 of one; with springs alike one step is quicker.
    """
    return STEPS_OF_UNEVEN if stiffness.max() > UNEVEN * stiffness.mean() else 1


def make_relaxation(
    hessian: csr_array, *, diagonal: Float[np.ndarray, "coordinates"], greatest: float, steps: int
) -> Relaxation:
    """Return a symmetric approximation of the inverse for the stiff part of the spectrum.

    Jacobi's step, damped, or so many of them with Chebyshev's weights (Saad 2003, Iterative methods for sparse linear
    systems, algorithm 12.1).

    Parameters
    ----------
    hessian
        Symmetric.
    diagonal
        Its diagonal, positive.
    greatest
        Greatest eigenvalue of ``hessian / diagonal``.
    steps
        1 or more.
    """
    scale = diagonal[:, None]
    if steps == 1:
        return lambda force: 4 / 3 / greatest / scale * force
    least = greatest / (2 + 1.5 * steps**2)
    middle, half = (greatest + least) / 2, (greatest - least) / 2

    def relax(force: Float[np.ndarray, "coordinates columns"]) -> Float[np.ndarray, "coordinates columns"]:
        ratio = half / middle
        step = force / scale / middle
        motion = step
        for _ in range(steps - 1):
            force = force - hessian @ step
            following = 1 / (2 * middle / half - ratio)
            step = following * (ratio * step + 2 / half * force / scale)
            motion, ratio = motion + step, following
        return motion

    return relax
