"""The molecule of a stage: what its options do to a map."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.io.density import write_map
from deephemnma.pipeline.reference import load_molecule, load_reference, read_or_compute_modes
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.pseudoatom import PseudoatomOptions
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.structure import StructureOptions


@pytest.fixture
def map_path(tmp_path: Path, generator: torch.Generator) -> Path:
    """A blob of 60 wide Gaussians, as a map with voxels of 2 A."""
    positions = 7 * torch.randn(60, 3, generator=generator, dtype=torch.float64)
    ones = torch.ones(60, dtype=torch.float64)
    model = GaussianModel(positions, 1000 * ones, 4 * ones, torch.zeros(3, dtype=torch.float64))
    write_map(tmp_path / "blob.mrc", make_model_map(model, box_size=32, voxel_size=2.0))
    return tmp_path / "blob.mrc"


def test_width_and_error_of_pseudoatoms_are_those_asked_for(map_path: Path) -> None:
    options = MoleculeOptions(
        pseudoatoms=PseudoatomOptions(target_error=0.2), network=NetworkOptions(n_modes=7), width=3.0
    )
    reference = read_or_compute_modes(map_path, options)
    assert (reference.model.widths == 3.0).all()
    finer = read_or_compute_modes(map_path, replace(options, pseudoatoms=PseudoatomOptions(target_error=0.05)))
    assert finer.model.n_sites > reference.model.n_sites


def test_modes_that_would_not_be_computed_are_told_before_any_is(tmp_path: Path) -> None:
    """The file is not even opened."""
    options = ReferenceOptions(tmp_path / "absent.pdb", modes="7-30")
    with pytest.raises(InputError, match="--n-modes 30"):
        load_reference(options)


def test_rigid_modes_are_refused_by_who_knows_that_they_are_rigid(adenylate_kinase_path: Path) -> None:
    molecule = MoleculeOptions(structure=StructureOptions(sites="ca"), network=NetworkOptions(cutoff=10.0, n_modes=8))
    with pytest.raises(InputError, match="start at 7, but 6"):
        load_reference(ReferenceOptions(adenylate_kinase_path, modes="6-8", molecule=molecule))


def test_options_of_a_structure_say_what_is_taken_of_it(adenylate_kinase_path: Path, map_path: Path) -> None:
    options = StructureOptions(sites="ca", select="//A/1-29 //A/60-121")
    molecule = load_molecule(adenylate_kinase_path, MoleculeOptions(structure=options))
    assert molecule.model.n_sites == 91
    with pytest.raises(InputError, match=r"has 1 model\(s\): 1"):
        load_molecule(adenylate_kinase_path, MoleculeOptions(structure=StructureOptions(model=2)))
    with pytest.raises(InputError, match="has no atoms, to which --sites, --select would apply"):
        load_molecule(map_path, MoleculeOptions(structure=options))
    with pytest.raises(InputError, match="is no map, to which --threshold would apply"):
        load_molecule(adenylate_kinase_path, MoleculeOptions(pseudoatoms=PseudoatomOptions(threshold=1.0)))


def test_blocks_are_residues_of_a_structure_and_neighbours_of_a_map(
    adenylate_kinase_path: Path, map_path: Path
) -> None:
    """Rigid blocks only stiffen, the more so the larger they are."""
    network = NetworkOptions(n_modes=12)
    molecules = {
        adenylate_kinase_path: MoleculeOptions(structure=StructureOptions(sites="ca")),
        map_path: MoleculeOptions(pseudoatoms=PseudoatomOptions(target_error=0.05)),
    }
    for path, molecule in molecules.items():
        softest = [
            read_or_compute_modes(path, replace(molecule, network=replace(network, block_residues=size))).modes
            for size in (None, 1, 2, 5)
        ]
        free, single, double, large = (modes.eigenvalues[6:] for modes in softest)
        assert torch.allclose(single, free, rtol=1e-8)
        assert (double > free).all()
        assert (large > double).all()


def test_a_block_has_a_residue_at_least() -> None:
    with pytest.raises(InputError, match=r"--block-residues.* 0"):
        NetworkOptions(block_residues=0)
