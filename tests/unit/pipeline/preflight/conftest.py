"""A small simulated set, right as it is, and ways to spoil it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from deephemnma.core.estimates import Estimates
from deephemnma.core.particle import Poses
from deephemnma.io.metadata.relion import write_particle_star
from deephemnma.io.particles import read_particles
from deephemnma.io.table import read_estimates
from deephemnma.pipeline.modes import run_modes
from deephemnma.pipeline.particles import load_particles
from deephemnma.pipeline.preflight import run_preflight
from deephemnma.pipeline.preflight.forecast import StageCost
from deephemnma.pipeline.preflight.probe import Probe, make_probe
from deephemnma.pipeline.preflight.stage import TABLE
from deephemnma.pipeline.reference import load_reference
from deephemnma.pipeline.simulate import run_simulate
from deephemnma.settings.build import make_settings
from deephemnma.settings.stage.modes import ModesStage
from deephemnma.settings.stage.preflight import PreflightStage
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.stage.simulate import SimulateStage

COUNT, SAMPLE, PIXEL = 64, 32, 2.6
SEARCH = {"effort": "quick", "orientations": 500, "amplitude_range": 2.0, "amplitude_spacing": 2.0}


def build(kind, **options):
    return make_settings(kind, options, resolve_path=Path, where="test")


@pytest.fixture(scope="session")
def folder(tmp_path_factory, adenylate_kinase_path) -> Path:
    """`modes` of adenylate kinase's beads, `set` of images without poses, and `posed.star` of them with their poses."""
    folder = tmp_path_factory.mktemp("preflight")
    modes = build(
        ModesStage,
        reference=str(adenylate_kinase_path),
        sites="ca",
        cutoff=10,
        width=2.5,
        n_modes=8,
        animation_frames=3,
    )
    run_modes(modes, output=folder / "modes")
    images = build(
        SimulateStage, reference=str(folder / "modes"), modes="7-8", count=COUNT, box_size=40, pixel_size=PIXEL,
        snr=0.5, distribution="normal", amplitude_scale=10, defocus_um=1.5, defocus_spread_um=0.5, shift_range=4,
        seed=3,
    )  # fmt: skip
    run_simulate(images, output=folder / "set")
    write_poses_of(folder, folder / "posed.star", read_estimates(folder / "set" / "truth.parquet").poses)
    return folder


@pytest.fixture(scope="session")
def truth(folder: Path) -> Estimates:
    return read_estimates(folder / "set" / "truth.parquet")


@pytest.fixture(scope="session")
def probe(folder: Path) -> Probe:
    """All images of the clean set, and the reference."""
    reference = load_reference(ReferenceOptions(folder / "modes", modes="7-8"))
    particles = load_particles(folder / "set")
    return make_probe(reference.model, reference.modes, particles, shift_range=5.0, device=torch.device("cpu"))


@pytest.fixture
def write_poses(folder: Path) -> Callable[[Path, Poses], Path]:
    """Write the particles with other poses, as RELION does."""
    return lambda path, poses: write_poses_of(folder, path, poses)


def write_poses_of(folder: Path, path: Path, poses: Poses) -> Path:
    particles, truth = (
        read_particles(folder / "set" / "particles.star"),
        read_estimates(folder / "set" / "truth.parquet"),
    )
    given = replace(
        truth, poses=poses, amplitudes=truth.amplitudes[:, :0], mode_numbers=(), covariance=truth.covariance[:, 2:, 2:]
    )
    write_particle_star(path, table=particles.table, optics_table=particles.optics_table, estimates=given)
    return path


@pytest.fixture
def spoil(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write the set with other images, or other columns; returns the star file."""

    def write(images=None, table=None, optics=None) -> Path:
        particles = read_particles(folder / "set" / "particles.star")
        stack = mrcfile.read(folder / "set" / "particles.mrcs").copy()
        stack = stack if images is None else images(stack)
        with mrcfile.new(tmp_path / "spoiled.mrcs") as file:
            file.set_data(stack.astype(np.float32))
            file.voxel_size = PIXEL
        names = [f"{number + 1:06d}@{tmp_path / 'spoiled.mrcs'}" for number in range(len(stack))]
        rows = np.arange(len(stack)) % len(particles)
        changed = particles.table.iloc[rows].reset_index(drop=True).assign(rlnImageName=names)
        changed = changed if table is None else table(changed)
        groups = particles.optics_table if optics is None else optics(particles.optics_table)
        write_particle_star(tmp_path / "spoiled.star", table=changed, optics_table=groups)
        return tmp_path / "spoiled.star"

    return write


@pytest.fixture
def look(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run the stage without timing or drawing anything; returns what preflight.json holds, the findings by name."""
    cost = StageCost("prepare", 1.0, None, 1.0, "none")
    monkeypatch.setattr("deephemnma.pipeline.preflight.forecast.forecast", lambda *_, **__: ([cost, cost], "No plan."))

    monkeypatch.setattr("deephemnma.pipeline.preflight.stage.draw_preflight", lambda *_: Figure((1, 1)))

    def run(particles: Path, **options) -> dict[str, Any]:
        given = {"reference": str(folder / "modes"), "modes": "7-8", "sample": SAMPLE, "search": SEARCH} | options
        stage = build(PreflightStage, particles=str(particles), **given)
        output = run_preflight(stage, output=tmp_path / "preflight")
        found = json.loads((output / TABLE).read_text())
        return found | {"by_name": {finding["name"]: finding for finding in found["findings"]}}

    return run
