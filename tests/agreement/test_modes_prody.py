"""Against ProDy 2.6.1 (ANM and RTB) by stored numbers; `prody/make_reference.py` made them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from deephemnma.core.model import Modes
from deephemnma.core.structure import AtomicModel
from deephemnma.io.structure import read_structure
from deephemnma.modes.blocks import make_residue_blocks
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.modes.uniform_cutoff import UniformCutoff
from deephemnma.reference.site import select_sites

STORED = Path(__file__).parent / "prody" / "adenylate_kinase.npz"
TOLERANCE = 1e-6
"""Of eigenvalues. ProDy's blocks are orthonormal to some 1e-8, and differ from ours by up to 1e-7; its ANM by 1e-12."""


@pytest.fixture(scope="module")
def prody() -> dict[str, np.ndarray]:
    with np.load(STORED) as stored:
        return dict(stored)


def compute(sites: AtomicModel, *, cutoff: float, block_residues: int | None) -> Modes:
    blocks = None if block_residues is None else make_residue_blocks(sites, block_residues=block_residues)
    field = UniformCutoff(stiffness=1.0)
    return compute_modes(sites.positions, cutoff=cutoff, blocks=blocks, force_field=field)


@pytest.mark.parametrize(("method", "block_residues"), [("anm", None), ("rtb", 5)])
def test_alpha_carbons_have_prodys_modes(
    adenylate_kinase_path: Path, prody: dict[str, np.ndarray], method: str, block_residues: int | None
) -> None:
    sites = select_sites(read_structure(adenylate_kinase_path), "ca")
    modes = compute(sites, cutoff=15.0, block_residues=block_residues)
    assert torch.allclose(modes.eigenvalues[6:], torch.from_numpy(prody[f"{method}_values"]), rtol=TOLERANCE, atol=0)
    vectors = torch.from_numpy(prody[f"{method}_vectors"]).double()
    overlaps = (modes.vectors[6:].flatten(1) * vectors).sum(dim=1).abs()
    assert (overlaps > 1 - 1e-6).all()


def test_residues_of_all_atoms_have_prodys_eigenvalues(
    adenylate_kinase_path: Path, prody: dict[str, np.ndarray]
) -> None:
    modes = compute(select_sites(read_structure(adenylate_kinase_path), "heavy"), cutoff=8.0, block_residues=1)
    assert torch.allclose(modes.eigenvalues[6:], torch.from_numpy(prody["residue_values"]), rtol=TOLERANCE, atol=0)
