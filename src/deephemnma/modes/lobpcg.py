"""Lowest eigenpairs of a large matrix from a preconditioner (LOBPCG: Knyazev 2001, SIAM J. Sci. Comput. 23:517)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float
from scipy.sparse import csr_array

INDEPENDENT = 1e-14  # of the greatest, the least squared singular value of columns that are kept
Preconditioner = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class EigenBlock:
    """Approximate eigenpairs.

    Attributes
    ----------
    values
        Rayleigh quotients, ascending; each lies above the true eigenvalue of its rank.
    vectors
        Orthonormal, in columns.
    residuals
        Norm of ``H v - value v``, an upper bound on the distance to some eigenvalue.
    """

    values: Float[np.ndarray, "columns"]
    vectors: Float[np.ndarray, "coordinates columns"]
    residuals: Float[np.ndarray, "columns"]


def iterate_block(
    hessian: csr_array,
    start: Float[np.ndarray, "coordinates columns"],
    *,
    precondition: Preconditioner,
    deflated: Float[np.ndarray, "coordinates deflated"],
    tolerance: Callable[[Float[np.ndarray, "columns"]], float],
    n_wanted: int,
    max_iterations: int,
    watch: Callable[[float], None] = lambda excess: None,
) -> EigenBlock:
    """Improve `start` towards the lowest eigenvectors orthogonal to the orthonormal columns `deflated`.

    Each step takes the lowest Ritz vectors in the span of the block, of its preconditioned residuals and of the last
    steps. It ends when the residuals of the lowest `n_wanted` are within ``tolerance(values)``, or after
    `max_iterations`. Columns beyond `n_wanted` are guards: they make the wanted ones converge sooner.
    At every step `watch` is told how many times the tolerance the worst residual of the wanted ones is.
    """
    vectors = _orthonormalize(start, deflated)
    width = vectors.shape[1]
    products = hessian @ vectors
    values, mix = scipy.linalg.eigh(_symmetrize(vectors.T @ products))
    vectors, products = vectors @ mix, products @ mix
    steps = step_products = np.empty((len(vectors), 0))
    for iteration in range(max_iterations + 1):
        residual = products - vectors * values
        norms = np.linalg.norm(residual, axis=0)
        rough = norms > (fine := tolerance(values))
        watch(float(norms[:n_wanted].max() / fine))
        if iteration == max_iterations or not rough[:n_wanted].any():
            break
        news = _orthonormalize(precondition(residual[:, rough]), deflated, vectors, steps)
        span = np.concatenate((vectors, steps, news), axis=1)
        span_products = np.concatenate((products, step_products, hessian @ news), axis=1)
        values, mix = scipy.linalg.eigh(_symmetrize(span.T @ span_products), subset_by_index=(0, width - 1))
        turn = _find_steps(mix)
        vectors, products = span @ mix, span_products @ mix
        steps, step_products = span @ turn, span_products @ turn
    return EigenBlock(values, vectors, norms)


def _find_steps(mix: Float[np.ndarray, "span columns"]) -> Float[np.ndarray, "span steps"]:
    """Return, orthonormal and orthogonal to `mix`, what it brought in from outside the block's old span."""
    width = mix.shape[1]
    brought = mix.copy()
    brought[:width] = 0
    return _orthonormalize(brought, mix)


def _orthonormalize(columns: Float[np.ndarray, "rows columns"], *against: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of what of `columns` is orthogonal to `against`; twice, for the last digits."""
    for _ in range(2):
        for others in against:
            columns = columns - others @ (others.T @ columns)
        squares, directions = scipy.linalg.eigh(columns.T @ columns)
        kept = squares > INDEPENDENT * squares[-1]
        columns = columns @ (directions[:, kept] / np.sqrt(squares[kept]))
    return columns


def _symmetrize(matrix: np.ndarray) -> np.ndarray:
    return (matrix + matrix.T) / 2
