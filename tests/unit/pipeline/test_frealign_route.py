"""The whole route of EMPIAR-10016's form: a stack of 360 pixels of 1.05 A and five parameter files, one a class."""

import importlib.resources
from pathlib import Path

import pytest
import torch

from deephemnma.core.estimates import USABLE, Estimates
from deephemnma.core.rotation import compute_geodesic_angle, make_random_rotations, rotation_to_euler
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.particles import read_particles
from deephemnma.io.table import read_estimates
from deephemnma.pipeline.check import check_particles
from deephemnma.pipeline.convert import run_convert
from deephemnma.pipeline.modes import run_modes
from deephemnma.pipeline.prepare import run_prepare
from deephemnma.pipeline.refine import run_refine
from deephemnma.pipeline.simulate import run_simulate
from deephemnma.settings.build import make_settings
from deephemnma.settings.stage.check import CheckOptions
from deephemnma.settings.stage.convert import ConvertStage
from deephemnma.settings.stage.modes import ModesStage
from deephemnma.settings.stage.prepare import PrepareStage
from deephemnma.settings.stage.refine import RefineStage
from deephemnma.settings.stage.simulate import SimulateStage

pytestmark = pytest.mark.slow
COUNT, CLASSES, BOX, PIXEL = 20, 5, 360, 1.05
ROW = "{:7d}{:8.2f}{:8.2f}{:8.2f}{:10.2f}{:10.2f}{:8d}{:6d}{:9.1f}{:9.1f}{:8.2f}{:8.2f}{:10d}{:11.4f}{:8.2f}{:8.2f}\n"


def run(function, kind, output: Path, **options) -> Path:
    return function(make_settings(kind, options, resolve_path=Path, where="test"), output=output)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("route")


@pytest.fixture(scope="module")
def truth(folder) -> Estimates:
    """Simulated images, and the parameter files of five classes: the true pose is in that of highest occupancy."""
    structure = importlib.resources.files("deephemnma") / "data" / "4ake_chain_a.pdb"
    run(run_modes, ModesStage, folder / "modes", reference=str(structure), sites="ca", cutoff=10, n_modes=9)
    run(
        run_simulate, SimulateStage, folder / "set", reference=str(folder / "modes"), modes="7-9", count=COUNT,
        box_size=BOX, pixel_size=PIXEL, snr=0.05, defocus_um=1.5, defocus_spread_um=0.5, shift_range=8,
    )  # fmt: skip
    truth = read_estimates(folder / "set/truth.parquet")
    optics = read_particles(folder / "set/particles.star").optics
    wrong = make_random_rotations(COUNT * CLASSES, generator=torch.Generator().manual_seed(1)).unflatten(
        0, (CLASSES, -1)
    )
    for number in range(CLASSES):
        lines = [
            "C           PSI   THETA     PHI       SHX       SHY     MAG  FILM      DF1      DF2  ANGAST     OCC\n"
        ]
        for row in range(COUNT):
            own = row % CLASSES == number
            rotation = truth.poses.rotations[row] if own else wrong[number, row]
            rot, tilt, psi = rotation_to_euler(rotation).rad2deg().tolist()
            x, y = (-truth.poses.shifts[row]).tolist()  # FREALIGN says where the particle is
            defocus = float(optics.defocus_u[row])
            occupancy = 60.0 if own else 10.0
            lines.append(
                ROW.format(row + 1, psi, tilt, rot, x, y, 48450, 1, defocus, defocus, 0, occupancy, 0, 0.5, 20, 0)
            )
        (folder / f"class_{number + 1}.par").write_text("".join(lines))
    return truth


@pytest.fixture(scope="module")
def converted(folder, truth) -> Path:
    microscope = {"voltage_kv": 200.0, "cs_mm": 2.0, "amplitude_contrast": 0.1, "pixel_size": PIXEL}
    return run(
        run_convert, ConvertStage, folder / "converted", particles=str(folder / "class_1.par"),
        class_parameters=[str(folder / f"class_{number}.par") for number in range(2, CLASSES + 1)],
        stack=str(folder / "set/particles.mrcs"), **microscope,
    )  # fmt: skip


def test_the_true_class_is_chosen(folder, converted, truth):
    table = read_particle_tables(converted / "particles.star").particles
    assert table["rlnClassNumber"].astype(int).tolist() == [row % CLASSES + 1 for row in range(COUNT)]
    particles = read_particles(converted / "particles.star")
    assert (particles.box_size, particles.pixel_size, len(particles)) == (BOX, PIXEL, COUNT)
    angle = compute_geodesic_angle(particles.poses.rotations, truth.poses.rotations).rad2deg()
    assert float(angle.max()) < 0.03  # two digits in the file
    torch.testing.assert_close(particles.poses.shifts, truth.poses.shifts, atol=0.006, rtol=0)
    report = check_particles(CheckOptions(converted))
    assert report.fault == ""
    assert "protein is white" in report.lines[-1]


def test_conformations_are_found_at_the_poses_and_go_back_to_the_stack(folder, converted, truth):
    prepared = run(
        run_prepare, PrepareStage, folder / "prepared", particles=str(converted), pixel_size=4.2, box_size=40,
        recenter=True, workers=1,
    )  # fmt: skip
    refined = run(
        run_refine, RefineStage, folder / "refined", particles=str(prepared), reference=str(folder / "modes"),
        modes="7-9", estimates=str(prepared / "particles.star"), strategy="local", workers=1,
        search={"orientations": 400, "starts": 6, "amplitude_range": 8.0, "max_conformations": 64, "pilot_images": 8},
    )  # fmt: skip
    found = read_estimates(refined / "estimates.parquet")
    right = (found.amplitudes - truth.amplitudes).abs().amax(1) < 40  # 200 is the range of the motion
    assert int(right.sum()) >= COUNT - 2
    back = run(
        run_convert, ConvertStage, folder / "back", particles=str(converted), estimates=str(refined), status="usable",
    )  # fmt: skip
    again = read_estimates(back / "particles.star")
    usable = [row for row, status in enumerate(found.status) if status in USABLE]
    assert len(again) == len(usable) >= COUNT - 4
    assert again.names == tuple(read_particles(converted / "particles.star").names[row] for row in usable)
    shift = (again.poses.shifts - truth.poses.shifts[usable]).norm(dim=1)
    assert float(shift.median()) < 1.0
