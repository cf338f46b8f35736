"""Estimation from no prior knowledge against the Cramer-Rao bound, on the demo's image set.

python benchmarks/estimation.py --images 256 --snr 0.1 --seed 0
"""

import argparse
import math
import tempfile
from pathlib import Path

import torch
from table import CpuClock, add_results_option, report

from deephemnma.alignment.aligner import align_images
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.bound import compute_bound
from deephemnma.alignment.pilot import measure_formation
from deephemnma.core.estimates import Status
from deephemnma.io.particles import read_particles
from deephemnma.io.table import read_estimates
from deephemnma.metrics.calibration import compute_calibration, compute_ratio_to_bound, compute_trimmed_ratio
from deephemnma.metrics.error import compute_errors
from deephemnma.metrics.summary import FailureRule, compare_estimates
from deephemnma.pipeline.formation import read_formation
from deephemnma.pipeline.reference import load_reference
from deephemnma.pipeline.simulate import run_simulate
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.stage.reference import ReferenceOptions
from deephemnma.settings.stage.simulate import ImageOptions, SimulateStage

STRUCTURE = Path(__file__).parents[1] / "src/deephemnma/data/4ake_chain_a.pdb"


def main() -> None:
    """Simulate, estimate, compare."""
    options = _parse()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        simulation = SimulateStage(
            reference=ReferenceOptions(reference=STRUCTURE, modes=options.modes),
            count=options.images,
            image=ImageOptions(
                box_size=options.box_size,
                pixel_size=options.pixel_size,
                snr=options.snr,
                oversampling=options.oversampling,
            ),
            seed=options.seed,
        )
        run_simulate(simulation, output=folder)
        row = _measure(simulation, Path(folder), EstimateSettings(orientations=options.orientations))
    notes = {
        "seed": options.seed,
        "box": options.box_size,
        "pixel size (A)": options.pixel_size,
        "SNR": options.snr,
        "oversampling": options.oversampling,
    }
    report("estimation", [row], notes=notes, folder=options.results)


def _measure(simulation: SimulateStage, folder: Path, settings: EstimateSettings) -> dict[str, object]:
    reference = load_reference(simulation.reference)
    model, modes = reference.model, reference.modes
    particles, truth = read_particles(folder / "particles.star"), read_estimates(folder / "truth.parquet")
    clock = CpuClock()
    formation = measure_formation(model, modes, particles, settings=settings)
    aligner = make_search_aligner(model, modes, particles, settings=settings, formation=formation)
    preparation, clock = clock.seconds, CpuClock()
    found = align_images(aligner, particles, torch.arange(len(particles)))
    cost = clock.seconds / len(particles)
    bound = compute_bound(
        model,
        modes,
        truth.poses,
        truth.amplitudes,
        optics=particles.optics,
        formation=read_formation(folder / "simulation.json"),
    )
    errors = compute_errors(found, truth)
    ratios = compute_ratio_to_bound(errors, bound)
    sd = bound.diagonal(dim1=-2, dim2=-1).sqrt()
    rule = FailureRule()
    summary = compare_estimates(found, truth, n_sites=model.n_sites, bound_sd=sd, rule=rule)
    calibration = compute_calibration(errors)
    mean_error = math.sqrt(2 / math.pi)  # of a normal distribution with standard deviation 1
    m = modes.n_modes
    return {
        "images": len(found),
        "q error (A)": summary.amplitude.mean,
        "q bound": float(sd[:, :m].mean()) * mean_error,
        "rotation, median (deg)": math.degrees(summary.geodesic_angle.median),
        "rotation bound, an axis (deg)": math.degrees(float(sd[:, m : m + 3].mean()) * mean_error),
        "shift error (A)": summary.shift.mean,
        "shift bound (A)": float(sd[:, m + 3 :].mean()) * mean_error,
        "ratio to bound, best 99 %": compute_trimmed_ratio(ratios, share=0.99),
        "within 2 x bound": float((ratios <= 2).double().mean()),
        "failed": summary.failure_rate,
        "failed, not noticed": summary.n_unnoticed / summary.n_images,
        "rejected": found.status.count(Status.REJECTED) / len(found),
        "68 % coverage": float(calibration.coverage_68.mean()),
        "preparation (CPU s)": preparation,
        "CPU s an image": cost,
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=256, help="number of images")
    parser.add_argument("--box-size", type=int, default=64, help="pixels")
    parser.add_argument("--pixel-size", type=float, default=1.3, help="A")
    parser.add_argument("--snr", type=float, default=0.1, help="as in the paper")
    parser.add_argument("--oversampling", type=int, default=2, help="simulated on a finer grid, as in the paper")
    parser.add_argument("--modes", default="7-9", help="numbers of modes")
    parser.add_argument("--orientations", type=int, default=2000, help="that the search tries")
    parser.add_argument("--seed", type=int, default=0, help="of the image set")
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
