"""Energy of an elastic network and its second derivative."""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import bsr_array

from deephemnma.modes.elastic_network import compute_distances


def compute_energy(
    positions: Float[np.ndarray, "sites 3"],
    pairs: Int[np.ndarray, "pairs 2"],
    *,
    lengths: Float[np.ndarray, "pairs"],
    stiffness: Float[np.ndarray, "pairs"],
) -> float:
    """Return ``1/2 sum_ij k_ij (|x_i - x_j| - l_ij)^2``, with `lengths` (A) of the springs at rest."""
    return 0.5 * float(stiffness @ (compute_distances(positions, pairs) - lengths) ** 2)


def compute_hessian(
    positions: Float[np.ndarray, "sites 3"],
    pairs: Int[np.ndarray, "pairs 2"],
    *,
    stiffness: Float[np.ndarray, "pairs"],
) -> bsr_array:
    """Return the second derivative of :func:`compute_energy` where all springs are at rest.

    Each spring adds ``k u u^T`` to the two diagonal blocks of its sites and takes it from their off-diagonal ones,
    with u its unit direction.

    Returns
    -------
    hessian
        Sparse, (3 sites, 3 sites) in blocks of 3 x 3.
    """
    n_sites = len(positions)
    links = positions[pairs[:, 1]] - positions[pairs[:, 0]]
    directions = links / np.linalg.norm(links, axis=-1, keepdims=True)
    halves = np.sqrt(stiffness)[:, None] * directions  # a product of equals is symmetric to the last bit
    springs = halves[:, :, None] * halves[:, None, :]
    first, second, every = pairs[:, 0], pairs[:, 1], np.arange(n_sites)
    rows, columns = np.concatenate((first, second, every)), np.concatenate((second, first, every))
    blocks = np.concatenate((-springs, -springs, _sum_per_site(springs, pairs, n_sites)))
    order = np.lexsort((columns, rows))
    starts = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=n_sites))))
    return bsr_array((blocks[order], columns[order], starts), shape=(3 * n_sites, 3 * n_sites))


def _sum_per_site(
    springs: Float[np.ndarray, "pairs 3 3"], pairs: Int[np.ndarray, "pairs 2"], n_sites: int
) -> Float[np.ndarray, "sites 3 3"]:
    total = np.empty((n_sites, 3, 3))
    for row, column in np.ndindex(3, 3):
        values = np.repeat(springs[:, row, column], 2)
        total[:, row, column] = np.bincount(pairs.ravel(), weights=values, minlength=n_sites)
    return total
