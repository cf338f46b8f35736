from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from deephemnma.core.structure import AtomicModel
from deephemnma.io.structure import read_structure
from deephemnma.modes.blocks import make_residue_blocks
from deephemnma.reference.gaussian import ATOM_WIDTH, make_gaussian_model
from deephemnma.reference.site import make_site_names, select_sites


def make_trace(numbers: list[int], chains: str, places: list[float]) -> AtomicModel:
    """Lone CA atoms along x."""
    n = len(numbers)
    return AtomicModel(
        positions=torch.tensor([[x, 0.0, 0.0] for x in places], dtype=torch.float64),
        elements=np.full(n, "C"),
        atom_names=np.full(n, "CA"),
        residue_names=np.full(n, "ALA"),
        chains=np.array(list(chains)),
        residue_numbers=np.array(numbers),
        scattering=torch.full((n,), 2.5, dtype=torch.float64),
        b_factors=torch.arange(n, dtype=torch.float64),
        source="trace.pdb",
    )


def test_every_residue_but_water_has_a_bead(atoms: AtomicModel) -> None:
    """Called after CA and P where there is one, else after the atom next to the centre."""
    beads = select_sites(atoms, "residue")
    names = make_site_names(beads)
    assert names[:2] == ("A/ALA 1/CA", "A/GLY 2/CA")
    assert [name.rpartition("/")[0] for name in names[2:]] == ["B/A 1", "B/G 2", "A/PO4 101", "A/CA 102"]
    assert names[3] == "B/G 2/P"
    assert names[5] == "A/CA 102/CA"
    assert float(beads.scattering.sum()) == pytest.approx(float(select_sites(atoms, "all").scattering.sum()))


def test_a_bead_has_the_moments_of_its_residue(atoms: AtomicModel) -> None:
    beads = select_sites(atoms, "residue")
    residue = atoms.take(np.arange(4, 7))
    share = (residue.scattering / residue.scattering.sum())[:, None]
    center = (share * residue.positions).sum(dim=0)
    assert torch.allclose(beads.positions[1], center)
    second = (share * (residue.positions - center).square()).sum() / 3
    assert float(make_gaussian_model(beads).widths[1].square()) == pytest.approx(float(second) + ATOM_WIDTH**2)
    assert float(make_gaussian_model(beads).widths[5]) == pytest.approx(ATOM_WIDTH)  # calcium


def test_beads_of_several_residues_stop_at_chains_and_gaps() -> None:
    """Runs of 7, 3 and 4 residues by about 3: cut into equal parts, none across the missing residues."""
    places = [3.8 * step for step in range(7)] + [40 + 3.8 * step for step in range(3)]
    places += [60 + 3.8 * step for step in range(4)]
    numbers = [*range(1, 8), *range(11, 14), *range(14, 18)]
    beads = select_sites(make_trace(numbers, "A" * 10 + "B" * 4, places), "residue", residues_per_bead=3)
    assert beads.scattering.tolist() == [10.0, 7.5, 7.5, 10.0]
    assert beads.chains.tolist() == ["A", "A", "A", "B"]
    assert beads.residue_numbers.tolist()[2] == 12  # the middle one
    assert beads.positions[:, 0].tolist() == pytest.approx([5.7, 19.0, 43.8, 65.7])
    assert beads.b_factors.tolist() == pytest.approx([1.5, 5.0, 8.0, 11.5])


def test_numbers_may_jump_where_the_chain_goes_on() -> None:
    """As in antibodies: what counts is that residues are joined."""
    trace = make_trace([1, 2, 30, 31], "AAAA", [0.0, 3.8, 7.6, 11.4])
    assert len(select_sites(trace, "residue", residues_per_bead=4).elements) == 1
    torn = replace(
        trace, residue_numbers=np.arange(4), positions=trace.positions * torch.tensor([[1.0], [1], [2], [2]])
    )
    assert len(select_sites(torn, "residue", residues_per_bead=4).elements) == 2 + 1


def test_ligands_and_ions_keep_beads_of_their_own(atoms: AtomicModel) -> None:
    beads = select_sites(atoms, "residue", residues_per_bead=10)
    names = [name.rpartition("/")[0] for name in make_site_names(beads)]
    assert names[0] in ("A/ALA 1", "A/GLY 2")
    assert names[-2:] == ["A/PO4 101", "A/CA 102"]
    # the two made-up nucleotides are not bonded
    assert len(names) == 1 + 2 + 2


def test_beads_at_the_centres_of_residues_make_the_blocks_of_their_ca(adenylate_kinase_path: Path) -> None:
    """Centres step unevenly: 2 to 8 A."""
    atoms = read_structure(adenylate_kinase_path)
    blocks = [make_residue_blocks(select_sites(atoms, sites), block_residues=20) for sites in ("ca", "residue")]
    assert blocks[0].tolist() == blocks[1].tolist()
    assert blocks[0].max() == 10
