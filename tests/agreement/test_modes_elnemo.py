"""Against elNemo (pdbmat and diagrtb 2.52), the program HEMNMA uses: 4AKE chain A, heavy atoms, 8 A, k = 10."""

from pathlib import Path

import pytest
import torch

from deephemnma.io.structure import read_structure
from deephemnma.modes.blocks import make_residue_blocks
from deephemnma.modes.normal_modes import compute_modes

pytestmark = pytest.mark.shared_data


def read_eigenfacs(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return eigenvalues and vectors (modes, sites, 3)."""
    values, rows = [], []
    for line in path.read_text().splitlines():
        if "VALUE" in line:
            values.append(float(line.split()[-1]))
        elif "---" not in line:
            rows.append([float(word) for word in line.split()])
    vectors = torch.tensor(rows, dtype=torch.float64).reshape(len(values), -1, 3)
    return torch.tensor(values, dtype=torch.float64), vectors


@pytest.mark.parametrize("block_residues", [1, 10])
def test_blocks_give_elnemos_modes(shared_data: Path, block_residues: int) -> None:
    folder = shared_data / "modes" / "elnemo"
    atoms = read_structure(folder / "4ake_A_heavy.pdb")
    values, vectors = read_eigenfacs(folder / f"4ake_A_c8_k10_block{block_residues}.eigenfacs")
    blocks = make_residue_blocks(atoms, block_residues=block_residues)
    modes = compute_modes(atoms.positions, cutoff=8.0, blocks=blocks)
    assert torch.allclose(modes.eigenvalues[6:], values[6:], rtol=5e-4)  # the file has four digits
    overlaps = (modes.vectors * vectors).sum(dim=(1, 2)).abs()
    assert (overlaps[6:] > 0.999).all()


def test_eigenvalues_of_the_log(shared_data: Path) -> None:
    atoms = read_structure(shared_data / "modes" / "elnemo" / "4ake_A_heavy.pdb")
    modes = compute_modes(atoms.positions, cutoff=8.0, blocks=make_residue_blocks(atoms, block_residues=1), n_modes=9)
    expected = torch.tensor([0.1813700, 0.4683423, 0.9269367], dtype=torch.float64)
    assert torch.allclose(modes.eigenvalues[6:], expected, atol=5e-7)


def test_free_sites_move_as_elnemos_residues_do(shared_data: Path) -> None:
    """Our default lets every site move: softer, but the same motions."""
    folder = shared_data / "modes" / "elnemo"
    atoms = read_structure(folder / "4ake_A_heavy.pdb")
    values, vectors = read_eigenfacs(folder / "4ake_A_c8_k10_block1.eigenfacs")
    modes = compute_modes(atoms.positions)
    assert (modes.eigenvalues[6:] < values[6:]).all()
    assert ((modes.vectors * vectors).sum(dim=(1, 2)).abs()[6:9] > 0.99).all()
