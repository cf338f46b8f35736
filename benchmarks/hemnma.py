"""Estimation from no prior knowledge on images that HEMNMA itself was run on, beside HEMNMA's results.

python benchmarks/hemnma.py --data ../shared/data

The eight images of each set were made with Xmipp's programs; their README tells how, and what HEMNMA cost. Xmipp's
atoms are broader than physics says, so the width of ours is set (--width).
"""

import argparse
import json
import math
import sys
from pathlib import Path

import mrcfile
import numpy as np
import torch
from memory_images import MemoryImages
from summary import summarize
from table import CpuClock, add_results_option, report

from deephemnma.alignment.aligner import align_images
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.pilot import measure_formation
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.io.metadata.xmipp import read_hemnma_results
from deephemnma.io.structure import read_structure
from deephemnma.metrics.error import compute_errors
from deephemnma.metrics.summary import compare_estimates
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.settings.estimate import EstimateSettings

PIXEL_SIZE = 0.65
NUMBERS = (7, 8, 9)
RUNS = (  # set, HEMNMA's table, its setting and its CPU seconds an image, as the README of the data says
    ("ak8", "hemnma_result.xmd", "HEMNMA", 186.0),
    ("ak8", "hemnma_result_projection_matching.xmd", "HEMNMA, fastest", 50.5),
    ("ak8_hard", "hemnma_result.xmd", "HEMNMA", 179.0),
)


WIDTH = 1.2
"""Standard deviation of our Gaussians, A: Xmipp's atoms are so broad."""


def main() -> None:
    """Estimate both sets and put HEMNMA's own results beside."""
    options = _parse()
    torch.set_num_threads(1)
    folder = options.data / "hemnma"
    if not folder.exists():
        sys.exit(f"{folder} is not there: this benchmark needs HEMNMA's images (--data).")
    settings = EstimateSettings(orientations=options.orientations)
    rows = compare_with_hemnma(folder, settings=settings, width=options.width)
    report("hemnma", rows, notes={"width of our Gaussians (A)": options.width}, folder=options.results)


def compare_with_hemnma(folder: Path, *, settings: EstimateSettings, width: float = WIDTH) -> list[dict[str, object]]:
    """Return a row for each set and method; `folder` holds both sets, `width` (A) is that of our Gaussians."""
    model, modes = _read_reference(folder / "ak8", width=width)
    rows = []
    for name in ("ak8", "ak8_hard"):
        truth = _read_truth(folder / name)
        source = _read_images(folder / name, truth.names)
        found, preparation, cost = _estimate(source, model, modes, settings)
        ours = _make_row(name, "deephemnma", found, truth, model=model, cost=cost)
        rows.append(ours | {"preparation (CPU s)": preparation})
        for _, table, label, published in (run for run in RUNS if run[0] == name):
            theirs = read_hemnma_results(folder / name / table, mode_numbers=NUMBERS, pixel_size=PIXEL_SIZE)
            row = _make_row(name, label, theirs, truth, model=model, cost=published)
            rows.append(row | {"AUC of the score": None})  # a cost, and of other scale
    return rows


def _estimate(
    source: MemoryImages, model: GaussianModel, modes: Modes, settings: EstimateSettings
) -> tuple[Estimates, float, float]:
    """Return our estimates, and the CPU seconds of preparation and an image."""
    clock = CpuClock()
    formation = measure_formation(model, modes, source, settings=settings)
    aligner = make_search_aligner(model, modes, source, settings=settings, formation=formation)
    preparation, clock = clock.seconds, CpuClock()
    found = align_images(aligner, source, torch.arange(len(source)))
    return found, preparation, clock.seconds / len(source)


def _read_images(folder: Path, names: tuple[str, ...]) -> MemoryImages:
    images = torch.from_numpy(mrcfile.read(folder / f"{folder.name}.mrcs").astype(np.float32))
    return MemoryImages(images, _make_optics(len(images)), names, pixel_size=PIXEL_SIZE)


def _make_row(
    name: str, method: str, found: Estimates, truth: Estimates, *, model: GaussianModel, cost: float
) -> dict[str, object]:
    summary = compare_estimates(found, truth, n_sites=model.n_sites, positions=model.positions)
    errors = compute_errors(found, truth)
    return {
        "method": f"{method}, {name}",
        **summarize(found, truth, None, n_sites=model.n_sites),
        # HEMNMA's failures count here: without them it would look better than it is.
        "error, amplitude": summary.amplitude.mean,
        "error, rotation": math.degrees(float(errors.parameters[:, -5:-2].abs().mean())),
        "error, shift": summary.shift.mean,
        "error, each mode": [each.mean for each in summary.amplitudes],
        "error, between axes (deg)": math.degrees(summary.axis_angle.mean),
        "error, angle of rotation (deg)": math.degrees(summary.geodesic_angle.mean),
        "error, worst angle (deg)": math.degrees(float(errors.geodesic_angle.max())),
        "error, RMSD by amplitudes (A)": summary.amplitude_rmsd.mean,
        "CPU s an image": cost,
    }


def _read_reference(folder: Path, *, width: float) -> tuple[GaussianModel, Modes]:
    model = make_gaussian_model(read_structure(folder / "atoms.pdb"), width=width)
    vectors = torch.from_numpy(np.load(folder / "modes_7_8_9.npy")).double().reshape(3, -1, 3)
    return model, Modes(vectors, torch.ones(3, dtype=torch.float64), NUMBERS)


def _read_truth(folder: Path) -> Estimates:
    rows = json.loads((folder / "truth.json").read_text())
    euler = torch.tensor([[row["rot"], row["tilt"], row["psi"]] for row in rows], dtype=torch.float64)
    shifts = torch.tensor([row["phantom_shift_px128"] for row in rows], dtype=torch.float64) * PIXEL_SIZE
    return make_estimates(
        names=tuple(row["image"] for row in rows),
        poses=Poses(euler_to_rotation(torch.deg2rad(euler)), shifts),
        amplitudes=torch.tensor([row["q"] for row in rows], dtype=torch.float64),
        mode_numbers=NUMBERS,
        status=Status.GIVEN,
    )


def _make_optics(count: int) -> Optics:
    def fill(value: float) -> torch.Tensor:
        return torch.full((count,), value, dtype=torch.float64)

    lens = {"voltage_kv": fill(200.0), "cs_mm": fill(2.0), "amplitude_contrast": fill(0.112762)}
    defocus = {"defocus_u": fill(5000.0), "defocus_v": fill(5000.0), "defocus_angle": fill(0.0)}
    return Optics(**lens, **defocus, phase_shift=fill(0.0), phase_flipped=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds hemnma/")
    parser.add_argument("--width", type=float, default=WIDTH, help="standard deviation of our Gaussians, A")
    parser.add_argument("--orientations", type=int, default=2000, help="that the search tries")
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
