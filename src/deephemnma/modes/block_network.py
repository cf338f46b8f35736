"""Elastic network of rigid blocks (RTB: Tama et al. 2000, Proteins 41:1), summed spring by spring.

The Hessian of the sites is never made: each spring adds the outer product of the motions of its two blocks.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import bsr_array, csr_array

STRAIGHT = 1e-8  # of a block's moments of inertia: turns about the line of a straight block move nothing
SPRINGS_AT_ONCE = 200_000


@dataclass(frozen=True)
class BlockFrames:
    """Rigid motions of blocks.

    Attributes
    ----------
    blocks
        Number of the block of each site, 0 to the number of blocks.
    motions
        Displacement of each site under three translations and three turns of its block: an orthonormal basis, with
        zeros for turns that move nothing.
    moving
        Which of the six move something: all, five for a straight block, three for a lone site.
    """

    blocks: Int[np.ndarray, "sites"]
    motions: Float[np.ndarray, "sites 3 6"]
    moving: Bool[np.ndarray, "blocks 6"]

    @property
    def n_degrees(self) -> int:
        """Number of independent motions."""
        return int(self.moving.sum())

    def make_basis(self) -> csr_array:
        """Return the motions in orthonormal columns: (3 sites, degrees)."""
        n_sites, n_blocks = len(self.blocks), len(self.moving)
        starts = np.arange(n_sites + 1)
        basis = bsr_array((self.motions, self.blocks, starts), shape=(3 * n_sites, 6 * n_blocks))
        return csr_array(basis)[:, self.moving.ravel()]


def make_block_frames(positions: Float[np.ndarray, "sites 3"], blocks: Int[np.ndarray, "sites"]) -> BlockFrames:
    """Return an orthonormal basis of all displacements that keep every block rigid."""
    _, blocks, sizes = np.unique(blocks, return_inverse=True, return_counts=True)
    order = np.argsort(blocks, kind="stable")
    starts = np.cumsum(sizes) - sizes
    centers = np.add.reduceat(positions[order], starts, axis=0) / sizes[:, None]
    arms = positions - centers[blocks]
    # turns about x, y, z: unit vectors crossed with the arm; their Gram matrix is the tensor of inertia
    turns = np.cross(np.eye(3)[None], arms[:, None]).transpose(0, 2, 1)
    inertia = np.add.reduceat((turns.transpose(0, 2, 1) @ turns)[order], starts, axis=0)
    moments, axes = np.linalg.eigh(inertia)
    turning = moments > STRAIGHT * np.maximum(moments[:, -1:], 1.0)
    scaled = axes * np.where(turning, 1 / np.sqrt(np.where(turning, moments, 1.0)), 0.0)[:, None, :]
    translations = np.eye(3) / np.sqrt(sizes)[blocks][:, None, None]
    moving = np.concatenate((np.ones_like(turning), turning), axis=1)
    return BlockFrames(blocks, np.concatenate((translations, turns @ scaled[blocks]), axis=2), moving)


def compute_block_hessian(
    positions: Float[np.ndarray, "sites 3"],
    pairs: Int[np.ndarray, "pairs 2"],
    *,
    stiffness: Float[np.ndarray, "pairs"],
    frames: BlockFrames,
) -> csr_array:
    """Return the second derivative of the energy in the coordinates of the blocks: ``B^T H B``, (degrees, degrees).

    A spring of direction u and stiffness k between site i of block I and site j of block J has the energy
    ``k/2 (b_J . q_J - b_I . q_I)^2``, where b are the shares of u in the motions of the block. Springs inside a block
    do nothing.
    """
    owner = frames.blocks[pairs]
    pairs = np.where((owner[:, 0] > owner[:, 1])[:, None], pairs[:, ::-1], pairs)
    owner, n_blocks = np.sort(owner, axis=1), len(frames.moving)
    key = owner[:, 0] * n_blocks + owner[:, 1]
    order = np.argsort(key, kind="stable")
    order = order[owner[order, 0] != owner[order, 1]]
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    first, second = owner[order[starts]].T
    sums = _sum_springs(positions, pairs[order], stiffness=stiffness[order], starts=starts, frames=frames)
    rows = np.concatenate((first, second, first, second))
    columns = np.concatenate((second, first, first, second))
    across, first_alone, second_alone = sums
    values = np.concatenate((-across, -across.transpose(0, 2, 1), first_alone, second_alone))
    merged = _merge(rows, columns, values, n_blocks=n_blocks)
    moving = frames.moving.ravel()
    return merged if moving.all() else merged[moving][:, moving]


def _sum_springs(
    positions: Float[np.ndarray, "sites 3"],
    pairs: Int[np.ndarray, "pairs 2"],
    *,
    stiffness: Float[np.ndarray, "pairs"],
    starts: Int[np.ndarray, "joined"],
    frames: BlockFrames,
) -> tuple[Float[np.ndarray, "joined 6 6"], Float[np.ndarray, "joined 6 6"], Float[np.ndarray, "joined 6 6"]]:
    """Return, for each pair of joined blocks, the sums over its springs of ``b_I b_J``, ``b_I b_I`` and ``b_J b_J``.

    The springs of a pair of blocks lie together, from `starts` on; as many whole pairs as fit are done at once.
    """
    ends = np.append(starts[1:], len(pairs))
    sums = np.empty((3, len(starts), 6, 6))
    low = 0
    while low < len(starts):
        high = max(low + 1, int(np.searchsorted(ends, starts[low] + SPRINGS_AT_ONCE, side="right")))
        now = slice(int(starts[low]), int(ends[high - 1]))
        links = positions[pairs[now, 1]] - positions[pairs[now, 0]]
        springs = links * (np.sqrt(stiffness[now]) / np.linalg.norm(links, axis=1))[:, None]
        one, other = (np.einsum("px,pxc->pc", springs, frames.motions[pairs[now, end]]) for end in (0, 1))
        for total, (left, right) in zip(sums, ((one, other), (one, one), (other, other)), strict=True):
            products = left[:, :, None] * right[:, None, :]
            np.add.reduceat(products, starts[low:high] - now.start, axis=0, out=total[low:high])
        low = high
    return sums[0], sums[1], sums[2]


def _merge(
    rows: np.ndarray, columns: np.ndarray, values: Float[np.ndarray, "entries 6 6"], *, n_blocks: int
) -> csr_array:
    """Return the matrix of 6 x 6 blocks, those of one place added up in a fixed order."""
    key = rows * n_blocks + columns
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    places = order[starts]
    data = np.add.reduceat(values[order], starts, axis=0) if len(starts) else values
    pointers = np.searchsorted(rows[places], np.arange(n_blocks + 1))
    shape = (6 * n_blocks, 6 * n_blocks)
    return csr_array(bsr_array((data, columns[places], pointers), shape=shape))
