"""What a file says: an atomic model or a density map."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

WATERS = ("HOH", "WAT", "H2O", "DOD", "SOL", "TIP", "TIP3", "TIP4", "OH2")


@dataclass(frozen=True)
class StructureCounts:
    """What the file of an atomic model holds, and what reading left out of it.

    Attributes
    ----------
    models
        Models in the file; one of them was read.
    atoms
        Atoms of that model, as the file has them.
    unselected, alternates, duplicates
        Of these, atoms left out by the selection, those of other conformations than the one kept, and those that the
        file repeats.
    copies
        How often the chains stand in the biological assembly; 1 where none was asked for.
    waters
        Atoms of waters among those read (after all of the above).
    beads
        Whether the sites are beads in place of atoms.
    """

    models: int
    atoms: int
    unselected: int = 0
    alternates: int = 0
    duplicates: int = 0
    copies: int = 1
    waters: int = 0
    beads: bool = False


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
    insertion_codes
        Letters that tell residues of one number apart ("A" of residue 52A), "" where there is none; left out: all "".
    scattering
        Electron scattering factor at zero angle, A (Peng 1996), per atom.
    b_factors
        Isotropic B-factors, A^2.
    source
        Where the model came from (a file name), for messages.
    spreads
        Standard deviation along an axis, A, of the atoms that each site stands for; None where sites are atoms.
    occupancies
        Share of the molecules that have the atom there (in Xmipp's pseudoatoms: the weight); None where not read.
    counts
        What the file holds and what was left out of it; None where the model is of no file.
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
    insertion_codes: np.ndarray | None = None
    occupancies: Float[Tensor, "atoms"] | None = None
    counts: StructureCounts | None = None

    def __post_init__(self) -> None:
        if self.insertion_codes is None:
            object.__setattr__(self, "insertion_codes", np.full(len(self.elements), ""))

    def take(self, rows: Int[np.ndarray, "taken"] | Bool[np.ndarray, "atoms"]) -> "AtomicModel":
        """Return the atoms of these rows (or of this mask), in the order of the rows."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        text = {name: column[rows] for name, column in columns.items() if isinstance(column, np.ndarray)}
        numbers = torch.from_numpy(rows)
        return replace(self, **text, **{n: c[numbers] for n, c in columns.items() if isinstance(c, Tensor)})


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
