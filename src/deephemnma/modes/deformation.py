"""Displacements that turn rigid blocks instead of stretching them.

A linear displacement moves every site along a straight line: what should turn grows. Here each block turns by the screw
motion of its linear displacement (Hoffmann & Grudinin 2017, J. Chem. Theory Comput. 13:2123): blocks that move alike
turn together as one body. What the screws leave open between blocks is closed by the least motion that gives the bonds
across the joints their lengths back.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from deephemnma.core.structure import AtomicModel
from deephemnma.modes.blocks import make_residue_blocks
from deephemnma.modes.bond import find_bonds, find_links
from deephemnma.modes.elastic_network import compute_distances
from deephemnma.modes.joint import close_joints
from deephemnma.modes.screw import compute_screws, turn_blocks

NEIGHBOURS = 6  # of a lone site; see decision 0561


@dataclass(frozen=True)
class RigidBlocks:
    """A molecule cut into blocks that move as rigid bodies.

    Attributes
    ----------
    positions
        Sites at rest, A.
    blocks
        Number of the block of each site, from 0, without gaps.
    turning
        Pairs (block, site): whose displacements say how a block turns. Its own sites; for a block of one site, which
        could not turn, its nearest neighbours.
    joints
        Pairs of bonded sites of different blocks, whose distance is kept.
    """

    positions: Float[np.ndarray, "sites 3"]
    blocks: Int[np.ndarray, "sites"]
    turning: Int[np.ndarray, "pairs 2"]
    joints: Int[np.ndarray, "joints 2"]


def make_rigid_blocks(atoms: AtomicModel, *, positions: Float[Tensor, "sites 3"], n_residues: int = 1) -> RigidBlocks:
    """Cut a molecule into blocks of `n_residues` residues of a chain.

    Parameters
    ----------
    atoms
        What the sites are.
    positions
        Where they are, A, in the frame of the displacements to come.
    n_residues
        Residues in a block, 1 or more.
    """
    blocks = make_residue_blocks(atoms, block_residues=n_residues)
    places = positions.detach().cpu().numpy().astype(np.float64)
    joints = np.unique(np.concatenate((find_bonds(atoms), find_links(atoms))), axis=0)
    joints = joints[blocks[joints[:, 0]] != blocks[joints[:, 1]]]
    return RigidBlocks(places, blocks, _find_turning(places, blocks), joints)


def displace_blocks(
    rigid: RigidBlocks,
    displacements: Float[Tensor, "frames sites 3"],
    *,
    advance: Callable[[int], None] = lambda done: None,
) -> Float[Tensor, "frames sites 3"]:
    """Return the positions, A, of the rigid blocks under each linear displacement.

    Blocks stay rigid to rounding, joints keep their lengths as far as they can all be kept. To first order this is the
    linear displacement, less what of it strains blocks and joints; no displacement gives the positions at rest.

    Parameters
    ----------
    rigid
        The molecule.
    displacements
        Linear displacements of its sites, A.
    advance
        Told of each frame done.
    """
    frames = np.empty(displacements.shape, dtype=np.float64)
    lengths = compute_distances(rigid.positions, rigid.joints)
    for number, displacement in enumerate(displacements.detach().cpu().numpy().astype(np.float64)):
        rotations, centers = compute_screws(rigid.positions, displacement, blocks=rigid.blocks, turning=rigid.turning)
        moved = turn_blocks(rigid.positions, rotations, centers=centers, blocks=rigid.blocks)
        frames[number] = close_joints(moved, rigid.blocks, joints=rigid.joints, lengths=lengths)
        advance(1)
    return torch.from_numpy(frames).to(displacements)


def _find_turning(
    positions: Float[np.ndarray, "sites 3"], blocks: Int[np.ndarray, "sites"]
) -> Int[np.ndarray, "pairs 2"]:
    sites = np.arange(len(blocks))
    lone = np.flatnonzero(np.bincount(blocks)[blocks] == 1)
    own = np.stack((blocks, sites), axis=1)
    if len(lone) == 0:
        return own
    _, near = cKDTree(positions).query(positions[lone], k=min(NEIGHBOURS + 1, len(positions)))
    others = np.stack((np.repeat(blocks[lone], near.shape[1] - 1), near[:, 1:].ravel()), axis=1)
    return np.concatenate((own, others))
