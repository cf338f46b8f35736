"""A whole project, small: every stage writes what it should, and killing it at any moment changes nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Status
from deephemnma.io.density import read_map
from deephemnma.io.particles import read_particles
from deephemnma.io.structure import read_structure
from deephemnma.io.table import read_estimates
from deephemnma.pipeline.manifest import read_manifest
from deephemnma.pipeline.project import run_project
from deephemnma.settings.stage.run import RunStage

PROJECT = """
defaults: {reference: $modes, modes: 7-8, seed: 1, workers: 1}
stages:
  modes: {reference: $data/4ake_chain_a.pdb, sites: ca, cutoff: 10, width: 2.5, n_modes: 8, animation_frames: 3}
  set1: {command: simulate, count: 40, box_size: 32, pixel_size: 2.6, snr: 1, distribution: normal, amplitude_scale: 15}
  set2: {command: simulate, count: 34, seed: 2, box_size: 32, pixel_size: 2.6, snr: 1, distribution: normal,
         amplitude_scale: 15}
  estimate: {particles: $set1, orientations: 1500, starts: 12, amplitude_range: 2.0, amplitude_spacing: 2,
             pilot_images: 8}
  train: {particles: $set1, estimates: $estimate, n_images: 256, batch_size: 32, n_validations: 2,
          checkpoint_seconds: 0}
  predict: {particles: $set2, checkpoint: $train}
  refine:
    particles: $set2
    estimates: $predict
    search: {orientations: 1500, starts: 12, amplitude_range: 2.0, amplitude_spacing: 2}
  landscape: {estimates: [$refine, $estimate], n_groups: 1}
  animate: {landscape: $landscape, path: axis}
  reconstruct: {particles: $set2, estimates: $refine, landscape: $landscape, min_images: 4}
  fsc: {first: $reconstruct/group_1/half_1.mrc, second: $reconstruct/group_1/half_2.mrc}
  report: {stages: $all, beside_paper: true}
"""
STAGES = ("modes", "set1", "set2", "estimate", "train", "predict", "refine")
STAGES += ("landscape", "animate", "reconstruct", "fsc", "report")
KILLED_AT = (1, 2, 25, 12, 30, 45)
"""Numbers of the renaming of a file at which a process kills itself, one process after the other."""
SUICIDAL = """
import os, signal, sys
left = int(sys.argv[1])
rename = os.replace
def replace(*names):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*names)
os.replace = replace
from deephemnma.cli.main import main
sys.exit(main(["run", sys.argv[2], "-o", sys.argv[3]]))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "project.yaml").write_text(PROJECT)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_project(RunStage(Path("project.yaml")), output=Path("run"))
    torch.set_num_threads(threads)
    return folder


@pytest.mark.slow
def test_every_stage_is_done_and_numbered(project: Path) -> None:
    folders = sorted(path.name for path in (project / "run").iterdir() if path.is_dir())
    assert folders == [f"{number:02d}_{name}" for number, name in enumerate(STAGES, start=1)]
    manifests = [read_manifest(project / "run" / folder) for folder in folders]
    assert all(manifest.status == "done" for manifest in manifests)
    whole = read_manifest(project / "run")
    assert whole.status == "done"
    assert whole.wall_seconds == pytest.approx(sum(manifest.wall_seconds for manifest in manifests))


@pytest.mark.slow
def test_tables_agree_with_their_star_twins(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    for stage in ("04_estimate", "06_predict", "07_refine"):
        table = read_estimates(project / "run" / stage / "estimates.parquet")
        star = read_particles(project / "run" / stage / "estimates.star")
        assert star.names == table.names
        assert torch.allclose(star.poses.rotations, table.poses.rotations, atol=1e-4)
        assert torch.allclose(star.poses.shifts, table.poses.shifts, atol=1e-3)
        assert torch.allclose(star.amplitudes((7, 8)), table.amplitudes, atol=1e-3)
        assert "rlnDefocusU" in star.table.columns
        assert list(star.table["deephemnmaStatus"]) == [str(status) for status in table.status]


@pytest.mark.slow
def test_what_was_simulated_is_found(project: Path) -> None:
    for stage, truth in (("04_estimate", "02_set1"), ("07_refine", "03_set2")):
        found = read_estimates(project / "run" / stage / "estimates.parquet")
        true = read_estimates(project / "run" / truth / "truth.parquet")
        assert found.names == true.names
        assert found.status.count(Status.CONVERGED) >= 0.9 * len(found)
        others = read_estimates(project / "run" / stage / "alternatives.parquet")
        ambiguous = {name for name, status in zip(found.names, found.status, strict=True) if status == "ambiguous"}
        assert set(others.names) == ambiguous
        assert (found.amplitudes - true.amplitudes).abs().median() < 8
        assert (found.poses.shifts - true.poses.shifts).abs().median() < 0.5


@pytest.mark.slow
def test_scripts_for_chimerax_open_what_is_there(project: Path) -> None:
    scripts = sorted((project / "run").rglob("*.cxc"))
    assert [script.name for script in scripts] == ["mode_07.cxc", "mode_08.cxc", "animation.cxc", "maps.cxc"]
    for script in scripts:
        opened = [line.split()[1] for line in script.read_text().splitlines() if line.startswith("open ")]
        assert opened
        assert all((script.parent / name).is_file() for name in opened)
    # The model that goes with a map lies in it, as model.mrc does.
    group = project / "run" / "10_reconstruct" / "group_1"
    density, model = read_map(group / "model.mrc"), read_structure(group / "model.pdb")
    voxels = ((model.positions - density.origin) / density.voxel_size).round().long()
    inside = density.values[voxels[:, 2], voxels[:, 1], voxels[:, 0]]
    assert inside.mean() > 10 * density.values.mean()


@pytest.mark.slow
def test_report_is_one_file_with_the_papers_tables(project: Path) -> None:
    page = (project / "run" / "12_report" / "report.html").read_text(encoding="utf8")
    assert 'src="http' not in page
    assert "refine against truth" in page
    assert "x bound" in (project / "run" / "12_report" / "tables.txt").read_text(encoding="utf8")


@pytest.mark.slow
def test_a_second_run_does_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    before = {path: path.stat().st_mtime_ns for path in (project / "run").glob("*/*")}
    run_project(RunStage(Path("project.yaml")), output=Path("run"))
    assert {path: path.stat().st_mtime_ns for path in (project / "run").glob("*/*")} == before


@pytest.mark.slow
def test_killed_again_and_again_it_ends_in_the_same_tables(project: Path, tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    (tmp_path / "project.yaml").write_text(PROJECT)
    kills = 0
    for moment in (*KILLED_AT, 10**9):
        command = [sys.executable, "-c", SUICIDAL, str(moment), "project.yaml", "run"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        kills += done.returncode == -signal.SIGKILL
    assert done.returncode == 0, done.stderr
    assert kills == len(KILLED_AT)
    # The first kill comes before there is a manifest to count it.
    assert read_manifest(tmp_path / "run").attempts == kills
    for name in ("04_estimate", "06_predict", "07_refine"):
        killed = read_estimates(tmp_path / "run" / name / "estimates.parquet")
        whole = read_estimates(project / "run" / name / "estimates.parquet")
        assert torch.equal(killed.amplitudes, whole.amplitudes)
        assert torch.equal(killed.poses.rotations, whole.poses.rotations)
    tables = [folder / "run" / "12_report" / "tables.txt" for folder in (project, tmp_path)]
    assert tables[0].read_text(encoding="utf8") == tables[1].read_text(encoding="utf8")
    assert not list((tmp_path / "run").glob("**/.*"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stages: {estimate: {particles: $later, reference: x}, later: {command: simulate}}", r"\$later is no earlier"),
        ("stages: {fold: {}}", "'fold' is no command"),
        ("stages: {simulate: {reference: x, snrr: 1}}", "did you mean snr"),
        ("stages: [modes]", "must have a mapping `stages`"),
        ("stages: {modes: {reference: x}}\nsteps: 3", "entry 'steps'"),
        ("stages: {", "is not valid YAML"),
    ],
)
def test_a_mistake_in_the_file_is_told_before_anything_runs(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        run_project(RunStage(tmp_path / "p.yaml"), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("stages: {modes: {reference: absent.pdb}}")
    with pytest.raises(InputError, match=str(tmp_path / "absent.pdb")):
        run_project(RunStage(tmp_path / "p.yaml"), output=tmp_path / "run")
