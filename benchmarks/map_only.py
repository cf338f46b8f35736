"""The whole line with nothing but a map as the reference, beside the same line with the atoms.

python benchmarks/map_only.py --results benchmarks/results

Images of adenylate kinase are made from its atoms. One line knows these atoms; all that the other knows is a map of
them at 4 A, which becomes pseudoatoms with normal modes. Both estimate image set 1, teach a network, predict set 2 and
refine it. What either finds is carried to the atoms and held against the true coordinates of every image.
"""

import argparse
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import torch
from rigid_fit import compute_rmsd, find_nearest, make_nearest_truth
from summary import LOST
from table import add_results_option, report

import deephemnma as dh
from deephemnma.core.estimates import Estimates
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.io.density import write_map
from deephemnma.metrics.error import compute_errors
from deephemnma.metrics.summary import find_failures
from deephemnma.modes.transfer import transfer_modes
from deephemnma.pipeline.manifest import read_manifest
from deephemnma.pipeline.particles import ESTIMATES_FILE, TRUTH_FILE
from deephemnma.reconstruction.model_map import make_model_map

STRUCTURE = Path(str(resources.files("deephemnma"))) / "data/4ake_chain_a.pdb"
WIDTH_OF_RESOLUTION = 0.225
"""Standard deviation of the Gaussian that blurs a map, over its resolution (the convention of ChimeraX's molmap)."""
FIELD_OF_VIEW = 83.2
"""Of images and map, A."""
VOXELS = 64


@dataclass(frozen=True)
class Line:
    """One way through all stages.

    Attributes
    ----------
    name
        Of the reference.
    folder
        Where the stages are kept.
    reference
        What the line knows.
    """

    name: str
    folder: Path
    reference: dh.ReferenceOptions


def main() -> None:
    """Run both lines and compare."""
    options = _parse()
    torch.set_num_threads(options.threads)
    work = options.work or Path(tempfile.mkdtemp())
    atoms = dh.ReferenceOptions(dh.run_modes(dh.ModesStage(STRUCTURE), output=work / "atoms"), modes="7-9")
    image = dh.ImageOptions(
        box_size=options.box_size, pixel_size=FIELD_OF_VIEW / options.box_size, snr=0.1, oversampling=2
    )
    sets = [
        dh.run_simulate(dh.SimulateStage(atoms, count=count, image=image, seed=seed), output=work / f"set{seed}")
        for seed, count in ((1, options.estimate), (2, options.predict))
    ]
    by_map = _make_map_reference(atoms, options.resolution, modes=options.modes, path=work / "map.mrc")
    lines = (
        Line("atoms", work / "by_atoms", atoms),
        Line(f"map at {options.resolution:g} A", work / "by_map", by_map),
    )
    rows = [row for line in lines for row in _run_line(line, sets, atoms=atoms, options=options)]
    notes = {
        "resolution of the map (A)": options.resolution,
        "voxel of the map (A)": FIELD_OF_VIEW / VOXELS,
        "pixel of the images (A)": image.pixel_size,
        "images trained on": options.train,
    }
    report("map_only", rows, notes=notes, folder=options.results)


def _make_map_reference(
    atoms: dh.ReferenceOptions, resolution: float, *, modes: str, path: Path
) -> dh.ReferenceOptions:
    """Write the blurred map of the atoms and compute the modes of its pseudoatoms."""
    model, _ = dh.read_reference(atoms.reference / "modes.npz")
    blur = WIDTH_OF_RESOLUTION * resolution
    blurred = replace(model, widths=(model.widths.square() + blur**2).sqrt())
    if not path.exists():
        write_map(path, make_model_map(blurred, box_size=VOXELS, voxel_size=FIELD_OF_VIEW / VOXELS))
    return dh.ReferenceOptions(dh.run_modes(dh.ModesStage(path), output=path.with_name("pseudoatoms")), modes=modes)


def _run_line(
    line: Line, sets: list[Path], *, atoms: dh.ReferenceOptions, options: argparse.Namespace
) -> list[dict[str, object]]:
    """Estimate, train, predict and refine; return one row a table of results."""
    first, second = sets
    reference, folder = line.reference, line.folder
    estimated = dh.run_estimate(dh.EstimateStage(first, reference), output=folder / "estimated")
    training = dh.TrainSettings(n_images=options.train)
    trained = dh.run_train(dh.TrainStage(first, estimated, reference, training=training), output=folder / "trained")
    predicted = dh.run_predict(dh.PredictStage(second, trained), output=folder / "predicted")
    refined = dh.run_refine(dh.RefineStage(second, predicted, reference), output=folder / "refined")
    compare = _make_comparison(line, atoms)
    results = (("estimated", estimated, first), ("predicted", predicted, second), ("refined", refined, second))
    return [{"set": line.name, "method": name} | compare(stage, images) for name, stage, images in results]


def _make_comparison(line: Line, atoms: dh.ReferenceOptions) -> Callable[[Path, Path], dict[str, object]]:
    """Return what holds a stage's table against the truth of its images."""
    model, true_modes = dh.read_reference(atoms.reference / "modes.npz")
    known, modes = dh.read_reference(line.reference.reference / "modes.npz")
    modes = modes.select(line.reference.mode_numbers)
    if line.reference.reference != atoms.reference:
        modes = transfer_modes(modes, known.positions + known.center, model.positions + model.center)

    def compare(stage: Path, images: Path) -> dict[str, object]:
        truth = dh.read_estimates(images / TRUTH_FILE)
        targets = true_modes.select(truth.mode_numbers).displace(model.positions, truth.amplitudes.double())
        row = compare_coordinates(dh.read_estimates(stage / ESTIMATES_FILE), truth, targets, model=model, modes=modes)
        manifest = read_manifest(stage)
        return row | {"CPU s an image": manifest.cpu_seconds / len(truth)}

    return compare


def compare_coordinates(
    found: Estimates, truth: Estimates, targets: torch.Tensor, *, model: GaussianModel, modes: Modes
) -> dict[str, object]:
    """Return errors against the conformation of `modes` nearest to each image's true coordinates, and the RMSD.

    An image failed beyond 10 degrees or 3 A; errors are medians and 90th percentiles over all images, failed ones too.
    """
    nearest = find_nearest(model, modes, targets)
    errors = compute_errors(found, make_nearest_truth(truth, nearest, mode_numbers=modes.numbers))
    failed = find_failures(errors, n_sites=model.n_sites, bound_sd=None, rule=LOST)
    rmsd = compute_rmsd(model, modes, found.amplitudes.double(), targets)
    shift = errors.shifts.norm(dim=1)
    return {
        "images": len(found),
        "modes": f"{modes.numbers[0]}-{modes.numbers[-1]}",
        "amplitude (A)": float(errors.amplitudes.abs().median()),
        "90 %": float(errors.amplitudes.abs().quantile(0.9)),
        "angle (deg)": math.degrees(float(errors.geodesic_angle.median())),
        "90 % ": math.degrees(float(errors.geodesic_angle.quantile(0.9))),
        "shift (A)": float(shift.median()),
        "RMSD to the true atoms (A)": float(rmsd.median()),
        "best RMSD in these modes (A)": float(nearest.rmsd.median()),
        "failed": float(failed.double().mean()),
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--estimate", type=int, default=256, help="images of set 1, which is estimated")
    parser.add_argument("--predict", type=int, default=512, help="images of set 2, which is predicted and refined")
    parser.add_argument("--box-size", type=int, default=64, help="side of the images, pixels")
    parser.add_argument("--train", type=int, default=150_000, help="images that the network sees in training")
    parser.add_argument("--resolution", type=float, default=4.0, help="of the map, A")
    parser.add_argument("--modes", default="7-10", help="modes of the pseudoatoms")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of this process")
    parser.add_argument("--work", type=Path, help="folder to keep, in which an interrupted run goes on")
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
