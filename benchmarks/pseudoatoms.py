"""How many Gaussians maps take, how well these do, how long it lasts, and whether their modes are those of the atoms.

Rows of maps: for each target of the mean error (Xmipp's and HEMNMA's measure), the Gaussians that reach it. Rows "AK":
adenylate kinase as a map to 3 and 5 A, and the overlap of modes 7-11 of its pseudoatoms with those of its atoms.
"""

import argparse
import importlib.resources
from pathlib import Path

import torch
from table import CpuClock, add_results_option, report

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.structure import DensityMap
from deephemnma.io.density import read_map
from deephemnma.io.structure import read_structure
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.modes.subspace import compute_subspace_overlap
from deephemnma.modes.transfer import transfer_modes
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.pseudoatom import invert, low_pass, make_pseudoatoms
from deephemnma.reference.splat import get_margin, make_patches, splat

MAPS = (
    "beta_galactosidase_3.54A.mrc",
    "emd_1155.ccp4",
    "emd_1883.map.mrc",
    "emd_3186.map",
    "EMD-3197.map",
    "ribosome_80S_experimental_4.1A.mrc",
)
TOMOGRAM, TOMOGRAM_LOW_PASS = "emd_1155.ccp4", 250.0  # A; viruses, dark, under noise
COMPARED = range(7, 12)
SIGMA_OF_RESOLUTION = 0.225  # as ChimeraX's molmap
AK_VOXELS = {3.0: 1.0, 5.0: 1.5}  # A, by resolution


def main() -> None:
    """Measure and report."""
    options = _parse()
    torch.set_num_threads(options.threads)
    rows = [
        _measure(name, _prepare(options.data / "maps" / name), target)[0]
        for name in (options.maps if options.data else ())
        for target in options.targets
    ]
    for resolution in options.resolutions:
        rows += [_measure_adenylate_kinase(resolution, target) for target in options.targets]
    notes = {
        "mean error": "mean |difference| over the molecule's voxels / range of the density (1st-99th percentile)",
        "L2 error": "|difference| / |map| over the same voxels; neither sees the map through a blur",
        "correlation": "with the map as it is, over the molecule and two voxels around it",
        TOMOGRAM: f"--invert --low-pass {TOMOGRAM_LOW_PASS:g}; every other map as it is, with no option",
        "overlap": f"root mean square inner product of modes {COMPARED[0]}-{COMPARED[-1]} with the atoms' own",
    }
    report("pseudoatoms", rows, notes=notes, folder=options.results)


def _prepare(path: Path) -> DensityMap:
    density = read_map(path)
    return low_pass(invert(density), TOMOGRAM_LOW_PASS) if path.name == TOMOGRAM else density


def _measure(name: str, density: DensityMap, target: float) -> tuple[dict[str, object], GaussianModel]:
    """Return the row of a map, and its pseudoatoms."""
    clock = CpuClock()
    found = make_pseudoatoms(density, target_error=target)
    seconds, width, figures = clock.seconds, float(found.model.widths[0]), found.approximation
    return {
        "set": name, "target": target, "Gaussians": found.model.n_sites, "width (A)": width,
        "width (voxels)": width / density.voxel_size, "mean error": figures.mean_error,
        "L2 error": figures.relative_error, "correlation": figures.correlation, "CPU s": seconds, "overlap": None,
    }, found.model  # fmt: skip


def _measure_adenylate_kinase(resolution: float, target: float) -> dict[str, object]:
    path = Path(str(importlib.resources.files("deephemnma"))) / "data" / "4ake_chain_a.pdb"
    atoms = make_gaussian_model(read_structure(path))
    density = simulate_map(atoms, resolution=resolution, voxel_size=AK_VOXELS[resolution])
    row, pseudoatoms = _measure(f"AK, {resolution:g} A", density, target)
    return row | {"overlap": compare_modes(pseudoatoms, atoms)}


def simulate_map(model: GaussianModel, *, resolution: float, voxel_size: float) -> DensityMap:
    """Return the map of the sites as Gaussians of 0.225 times the resolution, in the frame of the model's file."""
    width = SIGMA_OF_RESOLUTION * resolution / voxel_size
    half = int(model.positions.abs().max() / voxel_size) + get_margin(width) + 4
    places = (model.positions / voxel_size + half).flip(-1).float()
    shape = (2 * half,) * 3
    values = splat(make_patches(places, width=width, shape=shape), model.weights.float(), shape=shape)
    return DensityMap(values, voxel_size, model.center - half * voxel_size, f"AK at {resolution:g} A")


def compare_modes(pseudoatoms: GaussianModel, atoms: GaussianModel) -> float:
    """Return the overlap of the first five modes that deform, at the atoms."""
    theirs, own = (_compute(model) for model in (pseudoatoms, atoms))
    places = [model.positions + model.center for model in (pseudoatoms, atoms)]
    return compute_subspace_overlap(transfer_modes(theirs, *places), own, positions=atoms.positions)


def _compute(model: GaussianModel) -> Modes:
    return compute_modes(model.positions, n_modes=COMPARED[-1]).select(COMPARED)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the shared data; without it, adenylate kinase alone")
    parser.add_argument("--maps", nargs="*", default=MAPS, choices=MAPS)
    parser.add_argument("--targets", type=float, nargs="+", default=[0.05, 0.02], help="mean errors")
    parser.add_argument("--resolutions", type=float, nargs="*", default=[3.0, 5.0], choices=list(AK_VOXELS), help="A")
    parser.add_argument("--threads", type=int, default=2)
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
