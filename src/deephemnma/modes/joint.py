"""Closing the joints between rigid blocks: SHAKE (Ryckaert et al. 1977) for rigid bodies, all joints at once."""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import bsr_array, csr_array, eye_array
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from deephemnma.modes.elastic_network import compute_distances
from deephemnma.modes.screw import compute_inverse_inertia, sum_blocks, turn_blocks

CLOSED = 1e-6  # A
MAX_STEPS = 25
LARGEST_TURN = 0.5  # radians, of a block in a step
SLACK = 1e-9  # added to the joints' equations, which may say the same thing twice


def close_joints(
    positions: Float[np.ndarray, "sites 3"],
    blocks: Int[np.ndarray, "sites"],
    *,
    joints: Int[np.ndarray, "joints 2"],
    lengths: Float[np.ndarray, "joints"],
) -> Float[np.ndarray, "sites 3"]:
    """Move the blocks as rigid bodies, as little as can be in mean square, until the joints have their lengths.

    Newton's method on all joints at once; the steps stop at 1e-6 A, or when they bring nothing more.

    Parameters
    ----------
    positions
        A.
    blocks
        Number of the block of each site.
    joints
        Pairs of sites of different blocks.
    lengths
        Wanted distance of each pair, A.
    """
    if len(joints) == 0:
        return positions
    gaps = lengths - compute_distances(positions, joints)
    for _ in range(MAX_STEPS):
        if np.abs(gaps).max() <= CLOSED:
            break
        moved = _step(positions, blocks, joints=joints, gaps=gaps)
        left = lengths - compute_distances(moved, joints)
        if not left @ left < gaps @ gaps:
            break
        positions, gaps = moved, left
    return positions


def _step(
    positions: Float[np.ndarray, "sites 3"],
    blocks: Int[np.ndarray, "sites"],
    *,
    joints: Int[np.ndarray, "joints 2"],
    gaps: Float[np.ndarray, "joints"],
) -> Float[np.ndarray, "sites 3"]:
    """Move the blocks by the least rigid motions that close the gaps (A) of the joints to first order."""
    counts = np.bincount(blocks)
    centers = sum_blocks(positions, blocks) / counts[:, None]
    arms = positions - centers[blocks]
    slopes = _make_slopes(positions, arms, blocks=blocks, joints=joints)
    mobility = np.zeros((len(counts), 6, 6))
    mobility[:, range(3), range(3)] = 1 / counts[:, None]
    mobility[:, 3:, 3:] = compute_inverse_inertia(arms, blocks)
    every = np.arange(len(counts) + 1)
    response = bsr_array((mobility, every[:-1], every), shape=(6 * len(counts),) * 2) @ slopes.T
    system = (slopes @ response).tocsc() + SLACK * eye_array(len(joints), format="csc")
    forces = splu(system, permc_spec="MMD_AT_PLUS_A").solve(gaps)
    motions = (response @ forces).reshape(-1, 6)
    turn = np.linalg.norm(motions[:, 3:], axis=1).max()
    motions *= LARGEST_TURN / max(turn, LARGEST_TURN)
    rotations = Rotation.from_rotvec(motions[:, 3:]).as_matrix()
    return turn_blocks(positions, rotations, centers=centers + motions[:, :3], blocks=blocks)


def _make_slopes(
    positions: Float[np.ndarray, "sites 3"],
    arms: Float[np.ndarray, "sites 3"],
    *,
    blocks: Int[np.ndarray, "sites"],
    joints: Int[np.ndarray, "joints 2"],
) -> csr_array:
    """Return the derivative of each joint's length by the shift and turn of each block, (joints, 6 blocks)."""
    first, second = joints.T
    links = positions[second] - positions[first]
    directions = links / np.linalg.norm(links, axis=1, keepdims=True)
    columns = np.stack((blocks[first], blocks[second]), axis=1)[:, :, None] * 6 + np.arange(6)
    ends = (-directions, -np.cross(arms[first], directions), directions, np.cross(arms[second], directions))
    starts = 12 * np.arange(len(joints) + 1)
    shape = (len(joints), 6 * (int(blocks.max()) + 1))
    return csr_array((np.concatenate(ends, axis=1).ravel(), columns.ravel(), starts), shape=shape)
