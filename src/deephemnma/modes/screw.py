"""Screw motions of rigid blocks: finite motions with the velocity of a linear displacement."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

COLLINEAR = 1e-6  # smallest share of the greatest moment of inertia that is turned about


def compute_screws(
    positions: Float[np.ndarray, "sites 3"],
    displacement: Float[np.ndarray, "sites 3"],
    *,
    blocks: Int[np.ndarray, "sites"],
    turning: Int[np.ndarray, "pairs 2"],
) -> tuple[Float[np.ndarray, "blocks 3 3"], Float[np.ndarray, "blocks 3"]]:
    """Return how each block moves: the exponential in SE(3) of the best-fitting rigid velocity.

    The velocity of a block is the mean displacement v of its sites, and the angular velocity w that fits the
    displacements best in least squares. Its exponential turns the block by R = exp(w) and moves its centre by V v,
    ``V = 1 + (1 - cos t) / t^2 [w] + (t - sin t) / t^3 [w]^2``, t = |w|: along a helix, not a straight line.

    Parameters
    ----------
    positions, displacement
        A.
    blocks
        Number of the block of each site.
    turning
        Pairs (block, site): the sites that say how a block turns.

    Returns
    -------
    rotations
        About the blocks' centres.
    centers
        Where the blocks' centres come to, A.
    """
    centers, shifts = _average(positions, blocks), _average(displacement, blocks)
    spins = _fit_spins(positions, displacement, turning)
    angles = np.linalg.norm(spins, axis=1)[:, None, None]
    cross = make_cross_matrices(spins)
    small = np.where(angles > 1e-4, angles, 1.0)
    first = np.where(angles > 1e-4, (1 - np.cos(small)) / small**2, 1 / 2 - angles**2 / 24)
    second = np.where(angles > 1e-4, (small - np.sin(small)) / small**3, 1 / 6 - angles**2 / 120)
    along = np.eye(3) + first * cross + second * (cross @ cross)
    return Rotation.from_rotvec(spins).as_matrix(), centers + np.einsum("bxy,by->bx", along, shifts)


def turn_blocks(
    positions: Float[np.ndarray, "sites 3"],
    rotations: Float[np.ndarray, "blocks 3 3"],
    *,
    centers: Float[np.ndarray, "blocks 3"],
    blocks: Int[np.ndarray, "sites"],
) -> Float[np.ndarray, "sites 3"]:
    """Turn each block about its centre and put the centre at `centers`."""
    arms = positions - _average(positions, blocks)[blocks]
    return np.einsum("sxy,sy->sx", rotations[blocks], arms) + centers[blocks]


def sum_blocks(values: Float[np.ndarray, "sites *rest"], blocks: Int[np.ndarray, "sites"]) -> np.ndarray:
    """Return the sum of the sites' values over each block."""
    flat = values.reshape(len(values), -1)
    n_blocks = int(blocks.max()) + 1
    sums = [np.bincount(blocks, weights=column, minlength=n_blocks) for column in flat.T]
    return np.stack(sums, axis=1).reshape(n_blocks, *values.shape[1:])


def compute_inverse_inertia(
    arms: Float[np.ndarray, "sites 3"], blocks: Int[np.ndarray, "sites"]
) -> Float[np.ndarray, "blocks 3 3"]:
    """Return the pseudo-inverse of each block's tensor of inertia (masses 1); zero about the line of a linear block."""
    squares = np.square(arms).sum(axis=1)[:, None, None] * np.eye(3)
    inertia = sum_blocks(squares - arms[:, :, None] * arms[:, None, :], blocks)
    return np.linalg.pinv(inertia, rcond=COLLINEAR, hermitian=True)


def make_cross_matrices(vectors: Float[np.ndarray, "vectors 3"]) -> Float[np.ndarray, "vectors 3 3"]:
    """Return ``[w]`` with ``[w] a = w x a``."""
    return np.cross(vectors[:, None, :], np.eye(3)[None], axisb=-1).transpose(0, 2, 1)


def _fit_spins(
    positions: Float[np.ndarray, "sites 3"],
    displacement: Float[np.ndarray, "sites 3"],
    turning: Int[np.ndarray, "pairs 2"],
) -> Float[np.ndarray, "blocks 3"]:
    """Return the angular velocity of each block, from the sites that say how it turns."""
    blocks, sites = turning.T
    arms = positions[sites] - _average(positions[sites], blocks)[blocks]
    momenta = sum_blocks(np.cross(arms, displacement[sites]), blocks)
    return np.einsum("bxy,by->bx", compute_inverse_inertia(arms, blocks), momenta)


def _average(values: Float[np.ndarray, "sites 3"], blocks: Int[np.ndarray, "sites"]) -> Float[np.ndarray, "blocks 3"]:
    return sum_blocks(values, blocks) / np.bincount(blocks)[:, None]
