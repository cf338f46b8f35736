"""What the parts of the experimental line share: where things lie, stages with their options, and rows of the table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from evidence import Interval

import deephemnma as dh
from deephemnma.core.estimates import CERTAIN, Estimates
from deephemnma.io.reference import write_reference
from deephemnma.pipeline.check import check_particles
from deephemnma.pipeline.particles import ESTIMATES_FILE
from deephemnma.pipeline.preflight import run_preflight
from deephemnma.pipeline.reference import MODES_FILE
from deephemnma.settings.stage.check import CheckOptions
from deephemnma.settings.stage.preflight import PreflightStage

IMAGE_NAME = "rlnImageName"
ELLIPSOID_WIDTH = 6.0
"""Of the Gaussians of an ellipsoid at the least, A: so that hardly any grain is left."""


@dataclass(frozen=True)
class Line:
    """Where a run of the experimental line finds and leaves things.

    Attributes
    ----------
    data
        The shared data.
    folder
        Where the stages are kept.
    images
        Of a data set at the most; 0 for all.
    workers
        Processes of a stage.
    """

    data: Path
    folder: Path
    images: int = 0
    workers: int = 0

    def go_into(self, name: str) -> "Line":
        """Return the same with a folder of its own for a data set."""
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        return replace(self, folder=self.folder / name)

    def choose_rows(self, count: int) -> list[int]:
        """Return the numbers of the images that are taken of `count`, spread evenly."""
        taken = min(count, self.images or count)
        return [number * count // taken for number in range(taken)]


def make_row(name: str, method: str, figure: str, value: Interval | float, **others: object) -> dict[str, object]:
    """Return a row: a `figure` of a `method` on the data set `name`, with its interval if it has one."""
    interval = value if isinstance(value, Interval) else Interval(value, None, None)
    known = {"images": None, "failed": None, "failed, not noticed": None} | others
    numbers = {"figure": figure, "value": interval.value, "95 % from": interval.low, "95 % to": interval.high}
    return {"set": name, "method": method, **known, **numbers}


def check(particles: Path, *, datadir: Path | None = None) -> str:
    """Return what `deephemnma check` says of the contrast of the images."""
    lines = check_particles(CheckOptions(particles, datadir=datadir)).lines
    return "; ".join(line.strip().split("; ")[-1] for line in lines if "looked at" in line)


def compute_reference(path: Path, folder: Path, molecule: dh.MoleculeOptions | None = None) -> Path:
    """Run the stage `modes`."""
    return dh.run_modes(dh.ModesStage(path, molecule=molecule or dh.MoleculeOptions()), output=folder)


def mirror_reference(reference: Path, folder: Path) -> Path:
    """Write the mirror image of a reference.

    Along the view nothing is seen, so its projections are those of the reference, each from another orientation: where
    the likelihoods of both differ, the search missed the best of one of them.
    """
    model, modes = dh.read_reference(reference / MODES_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    mirrored = replace(model, positions=model.positions * torch.tensor([1.0, 1.0, -1.0]).to(model.positions))
    path = folder / MODES_FILE
    write_reference(path, mirrored, modes)
    return path


def make_ellipsoid(reference: Path, folder: Path) -> Path:
    """Write an even ellipsoid of a reference's size and shape: what suits images no better shows no detail of it."""
    model, modes = dh.read_reference(reference / MODES_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    positions, weights = model.positions.double(), model.weights.double() / model.weights.sum()
    middle = weights @ positions
    moments, axes = torch.linalg.eigh((positions - middle).T @ (weights[:, None] * (positions - middle)))
    random = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(model.n_sites, 3, generator=random).double(), dim=1)
    ball = directions * torch.rand(model.n_sites, 1, generator=random).double() ** (1 / 3)
    filled = middle + ball * (5 * moments).sqrt() @ axes.T  # a ball of radius 1 has a fifth as moment along each axis
    even = torch.full_like(model.weights, float(model.weights.mean()))
    blurred = model.widths.clamp_min(ELLIPSOID_WIDTH)
    path = folder / MODES_FILE
    write_reference(path, replace(model, positions=filled.to(model.positions), weights=even, widths=blurred), modes)
    return path


def preflight(line: Line, stage: PreflightStage, name: str) -> dict[str, object]:
    """Run the stage `preflight`; return its verdict, what it says of the scale, and of all that is not as wanted."""
    output = run_preflight(stage, output=line.folder / "preflight")
    said = json.loads((output / "preflight.json").read_text())
    notes = {f"{name}, preflight": said["verdict"]}
    told = [each for each in said["findings"] if each["verdict"] != "ok" or each["name"] == "pixel size"]
    return notes | {f"{name}, preflight, {each['name']}": each["sentence"] for each in told}


def estimate(
    line: Line, particles: Path, reference: Path, *, name: str, search: dh.EstimateSettings, modes: str = ""
) -> Estimates:
    """Run the stage `estimate`, rigid unless told `modes`; return what it wrote."""
    options = dh.ReferenceOptions(reference, modes=modes)
    stage = dh.EstimateStage(particles, options, search=search, workers=line.workers)
    return dh.read_estimates(dh.run_estimate(stage, output=line.folder / name) / ESTIMATES_FILE)


def refine(
    line: Line,
    particles: Path,
    start: Path,
    reference: Path,
    *,
    name: str,
    search: dh.EstimateSettings,
    refinement: dh.RefineSettings,
) -> Estimates:
    """Run the stage `refine`, rigid; return what it wrote."""
    options = dh.ReferenceOptions(reference, modes="")
    stage = dh.RefineStage(
        particles, start, options, refinement=refinement, search=search, workers=line.workers, seed=0
    )
    return dh.read_estimates(dh.run_refine(stage, output=line.folder / name) / ESTIMATES_FILE)


def find_unnoticed(estimates: Estimates, failed: Sequence[bool]) -> float:
    """Return the share of images that failed though their status says nothing of it."""
    return sum(bad and status in CERTAIN for bad, status in zip(failed, estimates.status, strict=True)) / len(estimates)
