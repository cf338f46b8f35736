"""Softest modes of a matrix of middling size by the inverse: one sparse factorization, then Lanczos."""

import numpy as np
from jaxtyping import Float
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, splu

from deephemnma.modes.lobpcg import Preconditioner

LARGEST = 20_000  # coordinates
MOST_ENTRIES = 3_000_000
"""Nonzeros of the largest matrix that is factorized: 5,000 sites of 37 neighbours each have 1.7 million, their
factors 19 million (0.25 GB, 2.2 CPU s). Both grow faster than the matrix."""
SHIFT = 1e-5  # of the mean diagonal: below the softest eigenvalues of compact networks, far above rounding
TOLERANCE = 1e-7  # relative, of the eigenvalues of the inverse; who asked judges the residuals, and goes on
SEED = 20220811


def is_factorizable(hessian: csr_array) -> bool:
    """Return whether the factors of a matrix take little memory and time."""
    return hessian.shape[0] <= LARGEST and hessian.nnz <= MOST_ENTRIES


def invert_on_soft_modes(
    hessian: csr_array, *, rigid: Float[np.ndarray, "coordinates rigid"], count: int
) -> tuple[Preconditioner, Float[np.ndarray, "coordinates count"]]:
    """Return what solves with the matrix, slightly shifted, and its `count` softest modes as Lanczos finds them.

    Spectral transformation (Ericsson & Ruhe 1980, Math. Comput. 35:1251): the modes wanted have the greatest
    eigenvalues of the inverse, far apart.

    Parameters
    ----------
    hessian
        Symmetric, positive semidefinite; :func:`is_factorizable`.
    rigid
        Its modes of eigenvalue zero, orthonormal; they are kept out.
    count
        Modes wanted.
    """
    size = hessian.shape[0]
    shifted = csc_array(hessian + SHIFT * float(hessian.diagonal().mean()) * eye_array(size))
    # symmetric and positive definite: no pivots, and an order for the pattern of the matrix itself
    factors = splu(
        shifted,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True, "Equil": False},
    )

    def solve_freely(force: Float[np.ndarray, "coordinates"]) -> Float[np.ndarray, "coordinates"]:
        motion = factors.solve(force - rigid @ (rigid.T @ force))
        return motion - rigid @ (rigid.T @ motion)

    inverse = LinearOperator((size, size), matvec=solve_freely, dtype=np.float64)
    start = np.random.default_rng(SEED).standard_normal(size)
    try:
        _, vectors = eigsh(inverse, k=count, which="LM", ncv=max(2 * count, 20), tol=TOLERANCE, v0=start)
    except ArpackNoConvergence as error:
        vectors = np.concatenate((error.eigenvectors, start[:, None]), axis=1)  # the caller's iteration goes on
    return factors.solve, vectors
