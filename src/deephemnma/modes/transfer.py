"""Modes of one set of sites as displacements of another: pseudoatoms' carried to atoms, beads' to all atoms."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from deephemnma.core.model import Modes

NEIGHBOURS = 16
RANK_OF_WIDTH = 4
"""Neighbour whose distance is the standard deviation of the weights."""
RIDGE = 1e-4
"""Of the slopes, in units of the weights: where the neighbours lie in a plane, the field does not change across it."""


def transfer_modes(modes: Modes, sources: Float[Tensor, "sites 3"], targets: Float[Tensor, "others 3"]) -> Modes:
    """Return the displacements that the sites' modes mean for other points of the same molecule.

    Around each target a linear field is fitted to its neighbouring sources (moving least squares, Gaussian weights), so
    that translations are carried exactly, rotations and uniform strains to a ten-thousandth. Amplitudes stay what they
    are; the vectors are not of unit norm, for the points are others.

    Parameters
    ----------
    modes
        Of the sources.
    sources, targets
        Places in one frame, A.
    """
    weights = _make_weights(sources.double().numpy(), targets.double().numpy())
    neighbours, shares = (torch.from_numpy(each) for each in weights)
    carried = torch.stack([(vectors.double()[neighbours] * shares[..., None]).sum(1) for vectors in modes.vectors])
    return replace(modes, vectors=carried.to(modes.vectors))


def _make_weights(
    sources: Float[np.ndarray, "sites 3"], targets: Float[np.ndarray, "others 3"]
) -> tuple[np.ndarray, Float[np.ndarray, "others neighbours"]]:
    """Return the neighbours of each target, and the share of each in the field there."""
    count = min(NEIGHBOURS, len(sources))
    distances, neighbours = cKDTree(sources).query(targets, k=count)
    width = np.maximum(distances[:, min(RANK_OF_WIDTH, count) - 1], 1e-6)[:, None]
    weights = np.exp(-0.5 * (distances / width) ** 2)
    # columns 1, dx, dy, dz in units of the width: the field at the target is the coefficient of the first
    offsets = (sources[neighbours] - targets[:, None]) / width[..., None]
    design = np.concatenate((np.ones((*offsets.shape[:2], 1)), offsets), axis=2)
    weighted = design * weights[..., None]
    normal = np.einsum("tni,tnj->tij", weighted, design)
    normal += RIDGE * weights.sum(1)[:, None, None] * np.diag([0.0, 1.0, 1.0, 1.0])
    unit = np.broadcast_to(np.array([[1.0], [0.0], [0.0], [0.0]]), (len(targets), 4, 1))
    first = np.linalg.solve(normal, unit)[..., 0]
    return neighbours, np.einsum("ti,tni->tn", first, weighted)
