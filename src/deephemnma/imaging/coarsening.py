"""A reference with fewer sites, for low resolution: what one cannot see need not be computed."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.model import GaussianModel, Modes

CELL = 0.6
"""Edge of the cells that sites are first sorted into, in units of the resolution: at the resolution itself the image is
then some 4 % off (root mean square), far below its noise."""
ROUNDS = 6
"""Times that sites change over to the nearest bead."""
WORTHWHILE = 0.5
"""Share of the sites above which fewer beads would save little."""
DISTANCES_AT_ONCE = 2**24


def coarsen_reference(model: GaussianModel, modes: Modes, *, resolution: float) -> tuple[GaussianModel, Modes]:
    """Replace sites that lie together by one bead with their weight, centre, mean width and mean displacement.

    Amplitudes keep their meaning: a bead moves as its sites do on average, so the vectors are no longer of unit norm.
    The beads are the clusters of Lloyd's algorithm (1982) started from a cubic grid; the same for the same input.

    Parameters
    ----------
    model, modes
        The reference.
    resolution
        Of the images to be made, A.

    Returns
    -------
    model, modes
        The reference itself where beads would not be much fewer.
    """
    positions = model.positions.float()
    bead = _number((positions / (CELL * resolution)).floor().long())
    for _ in range(ROUNDS):
        if int(bead.max()) + 1 > WORTHWHILE * model.n_sites:
            return model, modes
        bead = _number(_find_nearest(positions, _average(positions, model.weights.float(), bead)))
    return _merge(model, modes, bead)


def _merge(model: GaussianModel, modes: Modes, bead: Int[Tensor, "sites"]) -> tuple[GaussianModel, Modes]:
    weights = model.weights
    centers = _average(model.positions, weights, bead)
    # The spread of the sites about the centre of their bead widens it: the second moment, averaged over directions.
    squares = model.widths.square() + (model.positions - centers[bead]).square().sum(1) / 3
    widths = _average(squares[:, None], weights, bead)[:, 0].sqrt()
    total = torch.zeros(len(centers), dtype=weights.dtype, device=weights.device).index_add_(0, bead, weights)
    by_site = modes.vectors.movedim(1, 0).flatten(1)
    vectors = _average(by_site, weights.to(by_site), bead).unflatten(1, (modes.n_modes, 3)).movedim(0, 1).contiguous()
    return GaussianModel(centers, total, widths, model.center), replace(modes, vectors=vectors)


def _average(
    values: Float[Tensor, "sites axes"], weights: Float[Tensor, "sites"], bead: Int[Tensor, "sites"]
) -> Float[Tensor, "beads axes"]:
    """Return the weighted mean of `values` over the sites of each bead."""
    count = int(bead.max()) + 1
    total = values.new_zeros(count).index_add_(0, bead, weights)
    return values.new_zeros(count, values.shape[1]).index_add_(0, bead, weights[:, None] * values) / total[:, None]


def _find_nearest(positions: Float[Tensor, "sites 3"], centers: Float[Tensor, "beads 3"]) -> Int[Tensor, "sites"]:
    blocks = positions.split(max(1, DISTANCES_AT_ONCE // len(centers)))
    return torch.cat([torch.cdist(block, centers).argmin(1) for block in blocks])


def _number(labels: Int[Tensor, "sites *axes"]) -> Int[Tensor, "sites"]:
    """Return labels that count from zero without gaps."""
    return labels.unique(dim=0, return_inverse=True)[1]
