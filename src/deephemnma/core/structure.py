"""What a file says: an atomic model or a density map."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class AtomicModel:
    """Atoms of one model, in the order and frame of the file.

    Attributes
    ----------
    positions
        Coordinates x y z, A, float64.
    elements, atom_names, residue_names, chains
        Text arrays: element symbols ("C"), atom names ("CA"), residue names ("ALA"), chain names ("A").
    residue_numbers
        Residue numbers of the file, integers.
    scattering
        Electron scattering factor at zero angle, A (Peng 1996), per atom.
    b_factors
        Isotropic B-factors, A^2.
    source
        Where the model came from (a file name), for messages.
    spreads
        Standard deviation along an axis, A, of the atoms that each site stands for; None where sites are atoms.
    """

    positions: Float[Tensor, "atoms 3"]
    elements: np.ndarray
    atom_names: np.ndarray
    residue_names: np.ndarray
    chains: np.ndarray
    residue_numbers: np.ndarray
    scattering: Float[Tensor, "atoms"]
    b_factors: Float[Tensor, "atoms"]
    source: str
    spreads: Float[Tensor, "atoms"] | None = None


@dataclass(frozen=True)
class DensityMap:
    """An EM map with cubic voxels.

    Attributes
    ----------
    values
        Density, axes z y x, float32.
    voxel_size
        A.
    origin
        Coordinates x y z, A, of the centre of voxel (0, 0, 0) in the frame of the file.
    source
        Where the map came from, for messages.
    """

    values: Float[Tensor, "z y x"]
    voxel_size: float
    origin: Float[Tensor, "3"]
    source: str
