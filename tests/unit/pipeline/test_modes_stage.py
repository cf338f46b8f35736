import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.io.motion import MOTION_FILE, FittedMotion, write_motion
from deephemnma.io.structure import read_structure
from deephemnma.io.structure_writer import write_models
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.pipeline.manifest import read_manifest
from deephemnma.pipeline.modes import PICTURE, TABLE, TEXT, run_modes
from deephemnma.pipeline.proposal import PROPOSAL_FILE
from deephemnma.pipeline.reference import Molecule, Reference, read_or_compute_modes
from deephemnma.pipeline.report.mode_figure import draw_mode_survey
from deephemnma.pipeline.reporting import REPORT_FILE, run_report
from deephemnma.pipeline.survey import make_survey_table, survey_modes
from deephemnma.settings.choice import ChoiceOptions
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.stage.modes import AnimationOptions, ModesStage
from deephemnma.settings.stage.report import ReportStage
from deephemnma.settings.structure import StructureOptions

BEADS = MoleculeOptions(structure=StructureOptions(sites="ca"), network=NetworkOptions(cutoff=15.0, n_modes=14))
FEW_FRAMES = AnimationOptions(animation_frames=3)


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged structure's beads moved along modes 8 and 12 by 40 and 20 A, turned, in a chain of another name."""
    import importlib.resources

    source = Path(str(importlib.resources.files("deephemnma"))) / "data" / "4ake_chain_a.pdb"
    reference = read_or_compute_modes(source, BEADS)
    amplitudes = torch.tensor([[40.0, 20.0]], dtype=torch.float64)
    positions = reference.modes.select([8, 12]).displace(reference.model.positions, amplitudes)
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    path = tmp_path_factory.mktemp("moved") / "moved.pdb"
    sites = replace(reference.sites, chains=reference.sites.chains.astype("U1"))
    sites.chains[:] = "Q"
    write_models(path, sites, positions @ turn.mT + 25)
    return path


@pytest.fixture(scope="module")
def folder(moved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import importlib.resources

    source = Path(str(importlib.resources.files("deephemnma"))) / "data" / "4ake_chain_a.pdb"
    stage = ModesStage(source, molecule=BEADS, choice=ChoiceOptions(towards=moved), animation=FEW_FRAMES)
    return run_modes(stage, output=tmp_path_factory.mktemp("modes") / "modes")


def test_the_modes_of_a_known_motion_are_proposed(folder: Path) -> None:
    table = pd.read_csv(folder / TABLE).set_index("number")
    assert table.index[table["proposed"]].tolist() == [8, 12]
    assert table.loc[8, "amplitude_towards_angstrom"] == pytest.approx(40, abs=0.5)
    assert table.loc[12, "amplitude_towards_angstrom"] == pytest.approx(20, abs=0.5)
    assert table.loc[8, "overlap"] == pytest.approx(2 / 5**0.5, abs=0.01)
    assert table["cumulative_overlap"].iloc[-1] == pytest.approx(1, abs=0.01)
    assert table["cumulative_overlap"].diff().dropna().min() >= 0
    assert (table.loc[1:6, "overlap"] == 0).all()
    assert (table.loc[1:6, "remark"] == "rigid").all()


def test_the_summary_says_what_was_found_and_why(folder: Path) -> None:
    summary = read_manifest(folder).summary
    assert summary["proposal"] == "8,12"
    assert "moved.pdb" in summary["because"]
    assert summary["towards moved.pdb"].endswith("214 of 214 sites that both have")
    assert summary["chains under other names there"] == "A is Q"
    assert json.loads((folder / PROPOSAL_FILE).read_text())["modes"] == [8, 12]
    lines = (folder / TEXT).read_text().splitlines()
    assert len(lines) == 3 + 8
    assert lines[4].startswith("8 ")
    assert lines[4].endswith("proposed")


def test_the_folder_can_be_asked_again(folder: Path, tmp_path: Path) -> None:
    stage = ModesStage(folder, choice=ChoiceOptions(most_modes=2), animation=FEW_FRAMES)
    again = run_modes(stage, output=tmp_path / "again")
    first, second = (read_or_compute_modes(each, MoleculeOptions()).modes for each in (folder, again))
    assert torch.equal(first.vectors, second.vectors)
    assert read_manifest(again).summary["proposal"] == "7,8"


def test_modes_that_images_do_not_show_are_not_proposed(folder: Path, tmp_path: Path) -> None:
    seen = tmp_path / "observability.parquet"
    pd.DataFrame({"mode": [7, 8], "seen": [0.05, 0.9]}).to_parquet(seen)
    reference = read_or_compute_modes(folder, MoleculeOptions())
    survey = survey_modes(reference, ChoiceOptions(observability=seen))
    assert survey.proposal.left_out[7] == "not seen"
    assert survey.proposal.numbers[0] == 8


def test_the_report_shows_the_choice(folder: Path, tmp_path: Path) -> None:
    report = run_report(ReportStage((folder,)), output=tmp_path / "report") / REPORT_FILE
    page = report.read_text(encoding="utf8")
    assert "Proposed: modes 8,12" in page
    assert "overlap [this mode]" in page


def test_the_picture_has_a_panel_for_all_that_is_known(folder: Path, moved: Path) -> None:
    reference = read_or_compute_modes(folder, MoleculeOptions())
    plain = draw_mode_survey(survey_modes(reference, ChoiceOptions()), lowest_collectivity=0.15)
    assert len(plain.axes) == 4  # the packaged file has no B-factors
    sites = replace(reference.sites, b_factors=torch.arange(214, dtype=torch.float64))
    known = survey_modes(
        replace(reference, molecule=replace(reference.molecule, sites=sites)), ChoiceOptions(towards=moved)
    )
    drawn = draw_mode_survey(known, lowest_collectivity=0.15)
    assert len(drawn.axes) == 5
    assert (folder / PICTURE).stat().st_size > 20_000


def test_pseudoatoms_have_a_picture_but_no_names(generator: torch.Generator, moved: Path) -> None:
    positions = 12 * torch.randn(150, 3, generator=generator, dtype=torch.float64)
    ones = torch.ones(150, dtype=torch.float64)
    model = GaussianModel(positions, ones, ones, torch.zeros(3, dtype=torch.float64))
    reference = Reference(Molecule(model, None), compute_modes(positions, cutoff=30.0, n_modes=12))
    assert len(draw_mode_survey(survey_modes(reference, ChoiceOptions()), lowest_collectivity=0.15).axes) == 4
    with pytest.raises(InputError, match="deephemnma fit"):
        survey_modes(reference, ChoiceOptions(towards=moved))


def test_sites_of_the_folder_are_those_of_the_structure(folder: Path, adenylate_kinase_path: Path) -> None:
    stored = read_structure(folder / "sites.cif")
    assert set(stored.atom_names.tolist()) == {"CA"}
    assert len(stored.elements) == (read_structure(adenylate_kinase_path).atom_names == "CA").sum()


def test_a_fit_says_which_modes_moved(folder: Path, tmp_path: Path) -> None:
    reference = read_or_compute_modes(folder, MoleculeOptions())
    chosen = reference.modes.select([7, 9, 13])
    amplitudes = torch.tensor([5.0, 60.0, -30.0], dtype=torch.float64)
    displacements = torch.einsum("m,msx->sx", amplitudes, chosen.vectors)
    positions = reference.model.positions + reference.model.center
    write_motion(
        tmp_path / MOTION_FILE, FittedMotion(chosen.numbers, amplitudes, torch.ones(3), positions, displacements)
    )
    survey = survey_modes(reference, ChoiceOptions(fit=tmp_path))
    assert survey.proposal.numbers == (9, 13)
    assert survey.explanation.amplitudes[8] == pytest.approx(60, abs=1e-6)
    assert "9: +60 ± 1" in next(
        iter(value for name, value in survey.facts.items() if name.startswith("motion found in modes 7,9,13 by"))
    )
    table = make_survey_table(survey).set_index("number")
    assert table.loc[[8, 10, 11, 12, 14], "overlap"].isna().all()
    assert (table.loc[[8, 10, 11, 12, 14], "remark"] == "not fitted").all()
    assert table.loc[[7, 9, 13], "overlap"].notna().all()
    assert "of the motion found in modes 7,9,13" in survey.facts["largest overlap"]
    assert "others were not fitted" in survey.proposal.reason
    model = replace(reference.model, center=reference.model.center + 5)
    elsewhere = replace(reference, molecule=replace(reference.molecule, model=model))
    with pytest.raises(InputError, match="--fit"):
        survey_modes(elsewhere, ChoiceOptions(fit=tmp_path))
    with pytest.raises(InputError, match="either --towards or --fit"):
        ChoiceOptions(fit=tmp_path, towards=tmp_path)


def test_mistakes_are_told_before_the_modes_are_computed(
    adenylate_kinase_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deephemnma.pipeline.modes.read_or_make_modes", lambda *given: pytest.fail("too late"))
    broken = tmp_path / "broken.pdb"
    broken.write_text("REMARK nothing\n")
    beyond = AnimationOptions(animation_modes="40")
    with pytest.raises(InputError, match="--n-modes 40"):
        run_modes(ModesStage(adenylate_kinase_path, animation=beyond), output=tmp_path / "a")
    with pytest.raises(InputError, match=r"broken\.pdb"):
        run_modes(ModesStage(adenylate_kinase_path, choice=ChoiceOptions(towards=broken)), output=tmp_path / "b")


def test_beads_at_centres_are_compared_with_such_beads(adenylate_kinase_path: Path, tmp_path: Path) -> None:
    """The same structure moved as a whole: no motion, though no atom lies where a bead does; also from a folder."""
    atoms = read_structure(adenylate_kinase_path)
    other = tmp_path / "other.pdb"
    write_models(other, atoms, atoms.positions[None] + 30)
    options = MoleculeOptions(
        structure=StructureOptions(sites="residue", residues_per_bead=3), network=NetworkOptions(cutoff=20.0, n_modes=8)
    )
    stage = ModesStage(adenylate_kinase_path, molecule=options, animation=FEW_FRAMES)
    folder = run_modes(stage, output=tmp_path / "beads")
    again = ModesStage(folder, choice=ChoiceOptions(towards=other), animation=FEW_FRAMES)
    summary = read_manifest(run_modes(again, output=tmp_path / "again")).summary
    assert summary["towards other.pdb"].startswith("RMSD 0.00 A over 7")
