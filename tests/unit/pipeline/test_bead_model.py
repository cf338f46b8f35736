"""Options of beads, from the settings to the Gaussians and the summary."""

import math
from pathlib import Path

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.pipeline.modes import run_modes
from deephemnma.pipeline.reference import load_molecule, read_or_compute_modes
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.stage.modes import ModesStage
from deephemnma.settings.structure import StructureOptions


def load(path: Path, **structure: object) -> GaussianModel:
    return load_molecule(path, MoleculeOptions(structure=StructureOptions(**structure))).model


def test_by_default_nothing_is_fitted(adenylate_kinase_path: Path) -> None:
    molecule = load_molecule(adenylate_kinase_path, MoleculeOptions())
    assert molecule.likeness is None
    assert molecule.model.widths.unique().numel() == 1


def test_beads_of_residues_and_of_several(adenylate_kinase_path: Path) -> None:
    one, four = (load(adenylate_kinase_path, sites="residue", residues_per_bead=n) for n in (1, 4))
    assert (one.n_sites, four.n_sites) == (214, 54)
    assert torch.allclose(one.weights.sum(), four.weights.sum())
    assert float(four.widths.mean()) > 1.5 * float(one.widths.mean())


def test_b_factors_of_the_file_widen(adenylate_kinase_path: Path, tmp_path: Path) -> None:
    """The packaged file has none, which is told."""
    with pytest.raises(InputError, match="all are 0: leave --file-b-factors out"):
        load(adenylate_kinase_path, file_b_factors=True)
    warm = tmp_path / "warm.pdb"
    lines = adenylate_kinase_path.read_text().splitlines()
    warm.write_text("".join(f"{line[:60]} 40.00{line[66:]}\n" if line.startswith("ATOM") else line for line in lines))
    narrow, wide = (load(warm, file_b_factors=option) for option in (False, True))
    assert torch.allclose(wide.widths.square() - narrow.widths.square(), torch.tensor(40 / (8 * math.pi**2)).double())
    fitted = [load(warm, sites="ca", bead_resolution=4.0, file_b_factors=option) for option in (False, True)]
    assert float(fitted[1].widths.mean()) > float(fitted[0].widths.mean())


def test_modes_says_how_alike_projections_are(adenylate_kinase_path: Path, tmp_path: Path) -> None:
    structure = StructureOptions(sites="residue", bead_resolution=5.0)
    stage = ModesStage(reference=adenylate_kinase_path, molecule=MoleculeOptions(structure=structure))
    folder = run_modes(stage, output=tmp_path / "modes")
    told = (folder / "manifest.json").read_text()
    assert "correlation with all atoms to 5 A" in told
    assert "0.98" in told
    # other stages take the fitted Gaussians
    stored = read_or_compute_modes(folder, MoleculeOptions()).model
    assert torch.allclose(
        stored.widths.double(), load(adenylate_kinase_path, sites="residue", bead_resolution=5.0).widths
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"residues_per_bead": 3}, "--residues-per-bead 3 takes --sites residue"),
        ({"residues_per_bead": 0, "sites": "residue"}, "--residues-per-bead must be 1 or more"),
        ({"bead_resolution": 0.0}, "--bead-resolution must be greater than 0"),
    ],
)
def test_options_that_make_no_sense_are_told(given: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        StructureOptions(**given)


def test_one_width_or_found_widths() -> None:
    with pytest.raises(InputError, match="--bead-resolution"):
        MoleculeOptions(width=2.0, structure=StructureOptions(bead_resolution=5.0))
    with pytest.raises(InputError, match="--file-b-factors"):
        MoleculeOptions(width=2.0, structure=StructureOptions(file_b_factors=True))
