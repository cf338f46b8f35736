"""The six exact zero modes: translations and rotations as a whole."""

import numpy as np
from jaxtyping import Float

from deephemnma.core.error import InputError

N_RIGID = 6


def make_rigid_basis(positions: Float[np.ndarray, "sites 3"]) -> Float[np.ndarray, "coordinates basis"]:
    """Return an orthonormal basis of the rigid displacements of `positions`, in columns.

    Translations along x, y, z, then rotations about the centroid. Six columns; fewer for sites on a line or alone.
    """
    n_sites = len(positions)
    translations = np.tile(np.eye(3), (n_sites, 1)) / np.sqrt(n_sites)
    centred = positions - positions.mean(axis=0)
    rotations = np.cross(np.eye(3)[None], centred[:, None]).transpose(0, 2, 1).reshape(3 * n_sites, 3)
    left, lengths, _ = np.linalg.svd(rotations, full_matrices=False)
    kept = lengths > 1e-6 * max(1.0, np.abs(centred).max())
    return np.concatenate((translations, left[:, kept]), axis=1)


def make_rigid_modes(positions: Float[np.ndarray, "sites 3"]) -> Float[np.ndarray, "coordinates 6"]:
    """Return the six rigid modes in columns.

    Raises
    ------
    InputError
        If there are fewer than three sites, or all lie on a line.
    """
    basis = make_rigid_basis(positions)
    if len(positions) < 3 or basis.shape[1] != N_RIGID:
        raise InputError(
            f"Normal modes need at least three sites that are not on one line; {len(positions)} came: "
            "check the structure and --sites."
        )
    return basis
