"""The benchmarks run, small, so that they cannot rot, and their figures are sane."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(name: str, folder: Path, *options: str) -> list[dict]:
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--results", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / f"{name}.json").read_text())["rows"]


TINY = ("--box-size", "48", "--workers", "0", "--estimate", "orientations=100", "max_conformations=8", "starts=6")


def test_estimation_is_measured_against_the_bound(tmp_path: Path) -> None:
    options = ("--sets", "1,4,5", "--images", "6", "--seed", "1", *TINY, "pilot_images=4", "finalists=2")
    rows = {row["set"]: row for row in run("estimation", tmp_path, *options)}
    assert list(rows) == [1, 4, 5]
    # 6 images of 8 parameters: chance alone spreads the ratio by some 10 %.
    assert 0.7 < rows[1]["limit, ratio"] < 1.5
    assert 0.7 < rows[1]["refinement, ratio"] < 2  # 4 pilots do not tell the noise well
    assert rows[1]["refinement, failed"] <= 3 / 6
    assert rows[1]["CPU s an image"] < 5
    # Images whose detail the B-factor has taken away say less.
    assert rows[4]["bound, amplitude"] > 1.3 * rows[1]["bound, amplitude"]
    assert rows[5]["ratio"] is None
    assert rows[5]["RMSD / best"] >= 1
    # Measured again, times at least would differ.
    assert run("estimation", tmp_path, *options, "--resume") == list(rows.values())


def test_the_tier_of_many_images_runs_on_a_cpu_in_pieces(tmp_path: Path) -> None:
    changes = ("--estimate", "orientations=50", "max_conformations=3", "pilot_images=4", "starts=4")
    options = ("--images", "6", "--box-size", "32", "--device", "cpu", "--work", str(tmp_path / "work"), *changes)
    (row,) = run("estimation_gpu", tmp_path, *options)
    assert (row["images"], row["images with bound"]) == (6, 6)
    assert row["images/s"] > 0.1
    (again,) = run("estimation_gpu", tmp_path, *options)
    assert again["images/s"] == row["images/s"]  # the finished block was not aligned again


@pytest.mark.slow
def test_a_map_alone_leads_through_all_stages(tmp_path: Path) -> None:
    options = ("--estimate", "12", "--predict", "4", "--train", "128", "--box-size", "32", "--threads", "1")
    rows = run("map_only", tmp_path, *options)
    atoms, by_map = rows[:3], rows[3:]
    assert [row["method"] for row in rows] == 2 * ["estimated", "predicted", "refined"]
    assert atoms[0]["best RMSD in these modes (A)"] < 1e-6  # the molecules moved along these very modes
    assert 0.01 < by_map[0]["best RMSD in these modes (A)"] < 0.3
    for row in (atoms[0], by_map[0]):
        assert row["failed"] <= 3 / 12
        assert row["RMSD to the true atoms (A)"] < 1.2  # the reference itself is 5.7 A away


@pytest.mark.shared_data
def test_a_coarser_search_still_beats_hemnma_on_its_own_images(tmp_path: Path, shared_data: Path) -> None:
    rows = run("hemnma", tmp_path, "--data", str(shared_data), "--orientations", "500")
    for name in ("ak8", "ak8_hard"):
        ours, *theirs = [row for row in rows if row["method"].endswith(f", {name}")]
        for error in ("error, amplitude", "error, rotation", "error, shift"):
            assert all(ours[error] < row[error] for row in theirs)


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_likelihood_of_two_maps_tells_which_class_an_image_is_of(tmp_path: Path, shared_data: Path) -> None:
    options = ("--data", str(shared_data), "--sets", "50s", "--images", "16", "--workers", "1")
    rows = run("experimental_line", tmp_path, *options, "--work", str(tmp_path / "work"))
    classes = {row["method"]: row["value"] for row in rows if row["figure"] == "AUC of the classes"}
    assert classes["likelihood ratio at the true poses"] > 0.75
    maps = {row["figure"]: row["value"] for row in rows if row["method"] == "maps, true poses and classes"}
    assert min(maps[f"correlation of {name} with true {name}"] for name in "DE") > 0.6
    near = {row["method"]: row for row in rows if "started at the truth, class" in row["method"]}
    assert all(row["value"] < 30 for row in near.values())  # the poses are those of the maps' own frame and hand
    notes = json.loads((tmp_path / "experimental_line.json").read_text())["notes"]
    assert "protein is dark" in notes["50S, simulated, check"]


@pytest.mark.shared_data
@pytest.mark.slow
def test_seven_experimental_particles_show_a_large_subunit(tmp_path: Path, shared_data: Path) -> None:
    options = ("--data", str(shared_data), "--sets", "10076", "--images", "7", "--workers", "1")
    rows = run("experimental_line", tmp_path, *options, "--work", str(tmp_path / "work"))
    found = {(row["method"], row["figure"]): row for row in rows}
    assert found["star, inverted, beside cs", "greatest difference (sd)"]["value"] < 1e-4
    for other in ("30S", "GroEL ring", "beta-galactosidase", "adenylate kinase"):
        assert found[f"50S over {other}", "log likelihood an image"]["95 % from"] > 0


@pytest.mark.shared_data
def test_flexible_fitting_finds_known_amplitudes_and_closes_adenylate_kinase(tmp_path: Path, shared_data: Path) -> None:
    (clean,) = run("fit", tmp_path, "--data", str(shared_data), "--seeds", "2", "--cases", "1")
    assert clean["failed"] == 0
    assert clean["median error (%)"] < 0.1
    for row in json.loads((tmp_path / "fit_closing.json").read_text())["rows"]:
        assert row["RMSD, fitted (A)"] < 1.15 * row["RMSD, best in these modes (A)"]
        assert row["correlation, fitted"] > row["correlation, rigid"] + 0.1
    for row in json.loads((tmp_path / "fit_experimental.json").read_text())["rows"]:
        assert row["rigid (A)"] < 1 or "bent" in row["case"]
        assert row["modes > 3 error bars"] == 0 or "bent" in row["case"]
