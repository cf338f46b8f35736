"""Softest modes of a Hessian, its rigid modes known."""

import numpy as np
import scipy.linalg
from jaxtyping import Float
from scipy.sparse import sparray
from scipy.sparse.linalg import LinearOperator, eigsh

DENSE_BELOW = 1500  # coordinates; where the dense solver stops being the faster one
SEED_OF_START_VECTOR = 20220811


def compute_soft_modes(
    hessian: sparray, *, rigid: Float[np.ndarray, "coordinates rigid"], count: int
) -> tuple[Float[np.ndarray, "count"], Float[np.ndarray, "coordinates count"]]:
    """Return the `count` lowest eigenpairs of `hessian` orthogonal to the orthonormal columns of `rigid`.

    The rigid modes are lifted above the spectrum (``H + a Z Z^T``): undeflated, Lanczos sometimes loses a mode
    beside the sixfold zero. The start vector is fixed, so that every run gives the same digits.

    Returns
    -------
    eigenvalues
        Ascending.
    vectors
        Orthonormal, in columns.
    """
    # Gershgorin: no eigenvalue lies above the greatest sum of absolute values in a row
    lift = float(abs(hessian).sum(axis=1).max())
    if hessian.shape[0] <= DENSE_BELOW:
        lifted = hessian.toarray() + lift * rigid @ rigid.T
        return scipy.linalg.eigh(lifted, subset_by_index=(0, count - 1))
    start = np.random.default_rng(SEED_OF_START_VECTOR).standard_normal(hessian.shape[0])
    operator = LinearOperator(
        hessian.shape, matvec=lambda vector: hessian @ vector + lift * (rigid @ (rigid.T @ vector)), dtype=np.float64
    )
    return eigsh(operator, k=count, which="SA", v0=start, ncv=max(3 * count, 40), maxiter=100 * hessian.shape[0])
