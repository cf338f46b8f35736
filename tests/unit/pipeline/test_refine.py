"""Refinement from what other programs and the network give."""

from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status
from deephemnma.core.rotation import compute_geodesic_angle, make_random_rotations
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.metadata.relion import write_particle_star
from deephemnma.io.particles import read_particles
from deephemnma.io.table import read_estimates, write_estimates
from deephemnma.pipeline.refine import run_refine
from deephemnma.settings.build import make_settings
from deephemnma.settings.stage.refine import RefineStage

COUNT = 12
SEARCH = {"orientations": 800, "starts": 12, "amplitude_range": 2.0, "amplitude_spacing": 2.0}


def make(kind, **options):
    return make_settings(kind, options, resolve_path=Path, where="test")


@pytest.fixture(scope="module")
def folder(make_bead_set) -> Path:
    return make_bead_set(count=COUNT, snr=2)


@pytest.fixture(scope="module")
def truth(folder) -> Estimates:
    return read_estimates(folder / "set" / "truth.parquet")


def refine(folder: Path, estimates: Path, name: str, **options) -> Estimates:
    settings = make(
        RefineStage, particles=str(folder / "set"), estimates=str(estimates), reference=str(folder / "modes"),
        modes="7-8", workers=1, formation=str(folder / "set" / "simulation.json"), search=SEARCH, **options,
    )  # fmt: skip
    return read_estimates(run_refine(settings, output=folder / name) / "estimates.parquet")


def write_cryosparc(path: Path, truth: Estimates) -> Path:
    """Write the true poses as cryoSPARC would, in another order and with one particle more."""

    order = [*range(COUNT - 1, -1, -1), 0]
    fields = [
        ("uid", "<u8"), ("blob/path", "S60"), ("blob/idx", "<u4"), ("blob/psize_A", "<f4"),
        ("alignments3D/pose", "<f4", (3,)), ("alignments3D/shift", "<f4", (2,)),
    ]  # fmt: skip
    table = np.zeros(COUNT + 1, dtype=fields)
    table["blob/path"] = b"J1/imported/000090334788266266069_particles.mrc"
    table["blob/idx"] = [*range(COUNT - 1, -1, -1), 77]
    table["blob/psize_A"] = 2.6
    table["alignments3D/pose"] = roma.rotmat_to_rotvec(truth.poses.rotations[order].mT).numpy()
    table["alignments3D/shift"] = truth.poses.shifts[order].numpy() / 2.6
    with path.open("wb") as stream:
        np.save(stream, table)
    return path


def find_right(found: Estimates, truth: Estimates) -> int:
    """Return how many images have their conformation and orientation."""
    angle = compute_geodesic_angle(found.poses.rotations, truth.poses.rotations).rad2deg()
    return int(((angle < 6) & ((found.amplitudes - truth.amplitudes).abs().amax(1) < 25)).sum())


def test_poses_of_cryosparc_are_refined_with_their_conformations(folder, truth):
    path = write_cryosparc(folder / "job.cs", truth)
    found = refine(folder, path, "from_cs", rotation_spread_deg=3, fall_back=False)
    assert found.names == truth.names
    assert find_right(found, truth) >= COUNT - 1
    assert float(found.amplitudes.abs().amax()) > 10


def test_poses_of_relion_are_kept_while_conformations_are_found(folder, truth):
    """A star file of the poses alone, as RELION writes it: no column of ours."""
    path = folder / "run_data.star"
    particles = read_particles(folder / "set" / "particles.star")
    write_particle_star(path, table=particles.table, optics_table=particles.optics_table, estimates=truth)
    tables = read_particle_tables(path)
    ours = [name for name in tables.particles.columns if name.startswith("deephemnma")]
    write_particle_star(path, table=tables.particles.drop(columns=ours), optics_table=tables.optics)
    found = refine(folder, path, "from_star", strategy="conformation")
    angle = compute_geodesic_angle(found.poses.rotations, truth.poses.rotations).rad2deg()
    assert float(angle.max()) < 0.01
    assert float(found.standard_deviations[:, 2:].isnan().float().mean()) == 1
    assert find_right(found, truth) >= COUNT - 1
    assert not (folder / "from_star" / "local.parquet").exists()  # nothing was sent to the search


def test_predicted_conformations_get_their_poses(folder, truth):
    path = folder / "predicted.parquet"
    rotations = make_random_rotations(COUNT, generator=torch.Generator().manual_seed(1))
    poses = type(truth.poses)(rotations, torch.zeros(COUNT, 2, dtype=torch.float64))
    write_estimates(path, Estimates(**{**vars(truth), "poses": poses, "status": (Status.PREDICTED,) * COUNT}))
    found = refine(folder, path, "rigid", strategy="rigid")
    assert torch.allclose(found.amplitudes, truth.amplitudes, atol=1e-4)
    assert find_right(found, truth) >= COUNT - 1


def test_poses_of_other_particles_are_refused(folder, truth):
    path = write_cryosparc(folder / "other.cs", truth)
    table = np.load(path)
    table["blob/path"] = b"J1/imported/other.mrc"
    with path.open("wb") as stream:
        np.save(stream, table)
    with pytest.raises(InputError, match=f"{COUNT} of {COUNT} particles have no estimate"):
        refine(folder, path, "refused")


def test_mistakes_are_told_before_anything_is_measured(folder, monkeypatch):
    monkeypatch.setattr("deephemnma.pipeline.refine.measure_formation", lambda *_, **__: pytest.fail("measured"))
    wrong = folder / "wrong.cs"
    wrong.write_text("no table")
    common = {"particles": str(folder / "set"), "reference": str(folder / "modes"), "modes": "7-8"}

    def start(estimates: Path, **likelihood) -> None:
        search = SEARCH | {"likelihood": likelihood}
        settings = make(RefineStage, **common, estimates=str(estimates), search=search)
        run_refine(settings, output=folder / "mistaken")

    with pytest.raises(InputError, match=r"wrong\.cs cannot be read as a \.cs file of cryoSPARC"):
        start(wrong)
    with pytest.raises(InputError, match="--prior-rmsd has 3 values for 2 modes"):
        start(folder / "set", prior_rmsd=[1, 2, 3])
    with pytest.raises(InputError, match=r"--low-resolution 5\.5 A leaves nothing to the search"):
        start(folder / "set", low_resolution=5.5)


def test_a_strategy_that_is_none_is_refused():
    with pytest.raises(InputError, match="strategy"):
        make(RefineStage, particles="a.star", estimates="b.star", reference="m", strategy="global")
