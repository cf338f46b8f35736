"""Small structures and maps."""

import numpy as np
import pytest
import torch

from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import AtomicModel

SCATTERING = {"H": 0.5, "C": 2.5, "N": 2.2, "O": 2.0, "P": 5.5, "CA": 10.0}

# chain, residue number, residue name, atom name, element, x, y, z
ATOMS = [
    ("A", 1, "ALA", "N", "N", 0.0, 0.0, 0.0),
    ("A", 1, "ALA", "CA", "C", 1.5, 0.0, 0.0),
    ("A", 1, "ALA", "HA", "H", 1.5, 1.0, 0.0),
    ("A", 1, "ALA", "C", "C", 2.0, 1.4, 0.0),
    ("A", 2, "GLY", "N", "N", 3.3, 1.5, 0.0),
    ("A", 2, "GLY", "CA", "C", 4.0, 2.8, 0.0),
    ("A", 2, "GLY", "C", "C", 5.5, 2.6, 0.0),
    ("B", 1, "A", "O5'", "O", 9.0, 0.0, 0.0),
    ("B", 1, "A", "C1'", "C", 9.0, 2.0, 1.0),
    ("B", 2, "G", "P", "P", 12.0, 0.0, 0.0),
    ("B", 2, "G", "C1'", "C", 14.0, 2.0, 1.0),
    ("A", 101, "PO4", "P", "P", 0.0, 9.0, 0.0),
    ("A", 101, "PO4", "O1", "O", 1.5, 9.0, 0.0),
    ("A", 102, "CA", "CA", "CA", 0.0, 0.0, 9.0),
    ("A", 201, "HOH", "O", "O", 5.0, 5.0, 5.0),
]


@pytest.fixture
def atoms() -> AtomicModel:
    """Two amino acids, two nucleotides (the first without a phosphate), a phosphate ion, calcium and water."""
    chains, numbers, residues, names, elements, *coordinates = zip(*ATOMS, strict=True)
    return AtomicModel(
        positions=torch.tensor(coordinates, dtype=torch.float64).T.contiguous(),
        elements=np.array(elements),
        atom_names=np.array(names),
        residue_names=np.array(residues),
        chains=np.array(chains),
        residue_numbers=np.array(numbers),
        scattering=torch.tensor([SCATTERING[element] for element in elements], dtype=torch.float64),
        b_factors=torch.zeros(len(elements), dtype=torch.float64),
        source="made_up.pdb",
    )


@pytest.fixture
def five() -> GaussianModel:
    """Five well separated Gaussians."""
    positions = [[0.0, 0, 0], [10, 1, -2], [-9, 5.3, 3], [2, -11, 4.4], [1.7, 3, -12]]
    return GaussianModel(
        positions=torch.tensor(positions, dtype=torch.float64),
        weights=torch.tensor([1.0, 2.0, 1.5, 1.2, 0.8], dtype=torch.float64) * 1000,
        widths=torch.full((5,), 3.0, dtype=torch.float64),
        center=torch.tensor([31.0, 27.0, 35.0], dtype=torch.float64),
    )
