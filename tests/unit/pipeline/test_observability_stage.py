"""The stage `observability`: its files, its agreement with a simulation, its place in a project and a report."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from deephemnma.alignment.bound import compute_bound
from deephemnma.core.error import InputError
from deephemnma.io.table import read_estimates
from deephemnma.pipeline.formation import SIMULATION_FILE, read_formation
from deephemnma.pipeline.modes import run_modes
from deephemnma.pipeline.observability import MODES_TABLE, PICTURE, TEXT, VIEWS_TABLE, run_observability
from deephemnma.pipeline.particles import PARTICLES_FILE, TRUTH_FILE, load_particles
from deephemnma.pipeline.project import run_project
from deephemnma.pipeline.reference import load_reference
from deephemnma.pipeline.simulate import run_simulate
from deephemnma.settings.defocus import parse_defocus_range
from deephemnma.settings.molecule import MoleculeOptions
from deephemnma.settings.network import NetworkOptions
from deephemnma.settings.stage.modes import AnimationOptions, ModesStage
from deephemnma.settings.stage.observability import ObservabilityStage, PlannedImages
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.stage.run import RunStage
from deephemnma.settings.stage.simulate import ConformationOptions, ImageOptions, SimulateStage
from deephemnma.settings.structure import StructureOptions

SMALL = {"box_size": 32, "pixel_size": 2.6}


@pytest.fixture(scope="module")
def reference(tmp_path_factory, adenylate_kinase_path: Path) -> ReferenceOptions:
    molecule = MoleculeOptions(
        structure=StructureOptions(sites="ca"), network=NetworkOptions(cutoff=10.0, n_modes=9), width=2.5
    )
    stage = ModesStage(adenylate_kinase_path, molecule=molecule, animation=AnimationOptions(animation_frames=3))
    return ReferenceOptions(run_modes(stage, output=tmp_path_factory.mktemp("modes") / "modes"), modes="7-8")


@pytest.fixture(scope="module")
def simulation(reference: ReferenceOptions, tmp_path_factory) -> Path:
    """Images whose molecules hardly move."""
    stage = SimulateStage(
        reference,
        count=150,
        conformation=ConformationOptions("normal", amplitude_scale=0.01),
        image=ImageOptions(**SMALL, snr=0.3, defocus_um=1.5, defocus_spread_um=0.5, b_factor=80.0),
    )
    return run_simulate(stage, output=tmp_path_factory.mktemp("simulated") / "simulated")


def test_it_foretells_the_error_bars_of_a_simulation(reference, simulation, tmp_path: Path) -> None:
    """The same microscope: the medians of the bound over random images, with nothing passed on but the options."""
    truth, options = read_estimates(simulation / TRUTH_FILE), load_reference(reference)
    bound = compute_bound(
        options.model, options.modes, truth.poses, truth.amplitudes,
        optics=load_particles(simulation / PARTICLES_FILE).optics,
        formation=read_formation(simulation / SIMULATION_FILE),
    )  # fmt: skip
    wanted = bound.diagonal(dim1=-2, dim2=-1)[:, :2].sqrt().median(0).values
    images = PlannedImages(**SMALL, snr=0.3, defocus_um="1-2", b_factor=80.0)
    folder = run_observability(ObservabilityStage(reference, images=images, views=60), output=tmp_path / "planned")
    found = pd.read_parquet(folder / MODES_TABLE)
    assert found["median_amplitude_angstrom"].tolist() == pytest.approx(wanted.tolist(), rel=0.08)

    measured = PlannedImages(formation=simulation / SIMULATION_FILE, defocus_um="1-2")
    folder = run_observability(ObservabilityStage(reference, images=measured, views=60), output=tmp_path / "measured")
    again = pd.read_parquet(folder / MODES_TABLE)
    assert again["median_amplitude_angstrom"].tolist() == pytest.approx(wanted.tolist(), rel=0.08)


def test_the_tables_agree_and_all_views_are_told(reference, tmp_path: Path) -> None:
    images = PlannedImages(**SMALL, defocus_um="1", n_defoci=1)
    stage = ObservabilityStage(reference, images=images, views=12, displacement=1.0, target_rmsd=0.05)
    folder = run_observability(stage, output=tmp_path / "out")
    modes, views = pd.read_parquet(folder / MODES_TABLE), pd.read_parquet(folder / VIEWS_TABLE)
    assert len(views) == 2 * 12 * 5  # the reference, and each of two modes both ways
    assert views["conformation"].nunique() == 5
    assert views["tilt_deg"].between(0, 90).all()
    assert (views["defocus_um"] == 1).all()
    assert (views["sd_rmsd_angstrom"] >= views["conditional_rmsd_angstrom"] * 0.999).all()
    for number, group in views.groupby("mode"):
        row = modes.set_index("mode").loc[number]
        assert row["seen"] == pytest.approx((group["sd_rmsd_angstrom"] <= 0.05).mean())
        assert row["worst_rmsd_angstrom"] == pytest.approx(group["sd_rmsd_angstrom"].max())
    assert all(verdict in (folder / TEXT).read_text() for verdict in modes["verdict"])
    assert (folder / PICTURE).read_bytes().startswith(b"\x89PNG")


def test_it_is_a_stage_of_a_project_and_a_section_of_its_report(tmp_path: Path, adenylate_kinase_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(
        f"""
        stages:
          seen: {{command: observability, reference: {adenylate_kinase_path}, sites: ca, cutoff: 10, n_modes: 9,
                  modes: 7, box_size: 24, pixel_size: 3.5, snr: 10, defocus_um: 1.5, views: 10}}
          report: {{stages: $all}}
        """
    )
    run = run_project(RunStage(tmp_path / "project.yaml"), output=tmp_path / "run")
    page = (run / "02_report" / "report.html").read_text()
    assert "What can be seen" in page
    assert "seen from every view" in page
    assert page.count("data:image/png") == 1


@pytest.mark.parametrize(("text", "wanted"), [("0.5-3", (0.5, 3)), ("1.2", (1.2, 1.2)), (" .8 - 2 ", (0.8, 2))])
def test_defoci_are_read(text: str, wanted: tuple[float, float]) -> None:
    assert parse_defocus_range(text) == wanted


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PlannedImages(defocus_um="3-0.5"), "--defocus-um"),
        (lambda: PlannedImages(defocus_um="much"), "--defocus-um"),
        (lambda: PlannedImages(defocus_um="-1"), "--defocus-um"),
        (lambda: PlannedImages(defocus_um="5-50"), "--defocus-um"),
        (lambda: PlannedImages(box_size=200_000), "--box-size"),
        (lambda: PlannedImages(snr=0.0), "--snr"),
        (lambda: PlannedImages(formation=Path("f"), box_size=64), "--formation"),
        (lambda: ObservabilityStage(ReferenceOptions(Path("r"), modes="")), "--modes"),
        (lambda: ObservabilityStage(ReferenceOptions(Path("r")), target_rmsd=0.0), "--target-rmsd"),
    ],
)
def test_values_out_of_range_are_refused(make, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()


def test_a_blind_view_is_drawn(reference, tmp_path: Path) -> None:
    """Noise of no data set: nothing is seen, and the stage says so instead of failing."""
    images = PlannedImages(**SMALL, snr=1e-9)
    folder = run_observability(ObservabilityStage(reference, images=images, views=10), output=tmp_path / "out")
    assert set(pd.read_parquet(folder / MODES_TABLE)["verdict"]) == {"not seen at this SNR"}
    assert torch.tensor(pd.read_parquet(folder / VIEWS_TABLE)["sd_rmsd_angstrom"].to_numpy()).isfinite().all()
