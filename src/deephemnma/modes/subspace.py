"""How much of one set of motions another one holds."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.model import Modes
from deephemnma.modes.rigid import make_rigid_modes


def compute_subspace_overlap(first: Modes, second: Modes, *, positions: Float[Tensor, "sites 3"]) -> float:
    """Return the root mean square inner product (Amadei et al. 1999) of the spaces that two sets of modes span.

    Both are freed of rigid motions and made orthonormal first: modes that were carried from other sites (see
    :func:`~deephemnma.modes.transfer.transfer_modes`) are neither.

    Parameters
    ----------
    first, second
        As many modes each, of the same sites.
    positions
        Of the sites, A.

    Returns
    -------
    overlap : float
        1 where the spaces are the same, 0 where they have nothing in common.
    """
    rigid = make_rigid_modes(positions.detach().cpu().double().numpy())
    one, other = (_make_basis(modes, rigid) for modes in (first, second))
    return float(np.linalg.norm(one.T @ other) / first.n_modes**0.5)


def _make_basis(modes: Modes, rigid: Float[np.ndarray, "coordinates 6"]) -> Float[np.ndarray, "coordinates modes"]:
    vectors = modes.vectors.detach().cpu().to(torch.float64).reshape(modes.n_modes, -1).T.numpy()
    return np.linalg.qr(vectors - rigid @ (rigid.T @ vectors))[0]
