"""Flexible fitting: known amplitudes from simulated maps, 4AKE into 1AKE's map, and experimental maps.

python benchmarks/fit.py --data ../shared/data
"""

import argparse
import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import roma
import torch
from table import CpuClock, add_results_option, report

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import make_random_rotations, rotation_from_vector
from deephemnma.core.structure import AtomicModel, DensityMap
from deephemnma.core.superposition import compute_rmsd, fit_rigid_motion
from deephemnma.io.density import read_map
from deephemnma.io.structure import read_structure
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.reference.fit.agreement import compute_agreement
from deephemnma.reference.fit.box import FitBox, make_fit_box, select_components
from deephemnma.reference.fit.hierarchy import fit_map, make_levels
from deephemnma.reference.fit.placement import Placement, make_placement, place_sites
from deephemnma.reference.fit.result import FitStatus, MapFit
from deephemnma.reference.fit.search import search_dockings
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.site import select_sites

WIDTH_OF_RESOLUTION = 0.225  # standard deviation of an atom in a simulated map, as ChimeraX has it
FIELD = 144.0  # A, of a simulated map
ROOM, ROOM_MORE = 3.0, 20.0  # of the box, in radii, and A: those of the command
GREATEST = 200.0  # amplitude, A
OFFSET_DEG, OFFSET = 10.0, 5.0
GOOD = 0.05
BENT = 5.0  # A, root mean square
EXPERIMENTAL = (  # name, structure, map, resolution: coarser than the map's, which leaves something held out
    ("Pol II, EMD-1883 to 30 A", "1WCM_map_fitted.pdb", "emd_1883.map.mrc", 30.0),
    ("Pol II, EMD-1883 to 45 A", "1WCM_map_fitted.pdb", "emd_1883.map.mrc", 45.0),
    ("phi6, EMD-3186 to 8 A", "5fj6.pdb", "emd_3186.map", 8.0),
)
NOISE_TO_SIGNAL = 3.0  # power, where the correlation of signal and signal with noise is 0.5


@dataclass(frozen=True)
class Case:
    """Simulated maps of one kind.

    `resolution` and `noise` are in A: the latter is where the shell correlation of the noisy map with the clean one
    falls to 0.5, None without noise.
    """

    resolution: float
    noise: float | None
    start: str = "near"


CASES = (
    Case(5, None),
    Case(5, 5.0),
    Case(5, 7.5),
    Case(10, None),
    Case(10, 10.0),
    Case(10, 15.0),
    Case(10, 10.0, "anywhere, searched"),
    Case(10, 10.0, "anywhere, not searched"),
)


def main() -> None:
    """Run the three parts."""
    options = _parse()
    torch.set_num_threads(1)
    structures = options.data / "structures"
    model, modes, sites = _make_reference(structures / "4ake_chainA.pdb", sites="heavy", n_modes=20)
    rows = [measure_case(model, modes, case, options.seeds) for case in CASES[: options.cases]]
    notes = {
        "amplitudes": f"modes 7-12, uniform in +-{GREATEST:g} A",
        "start": f"{OFFSET_DEG:g} degrees and {OFFSET:g} A off",
        "failed": f"amplitudes off by more than {GOOD:.0%} of their norm",
    }
    report("fit", rows, notes=notes, folder=options.results)
    closing = measure_closing(model, modes, sites, structures / "1ake_chainA.pdb")
    report("fit_closing", closing, notes={"start": notes["start"]}, folder=options.results)
    report("fit_experimental", measure_experimental(options.data), notes={}, folder=options.results)


def measure_case(model: GaussianModel, modes: Modes, case: Case, n_seeds: int) -> dict[str, object]:
    """Return one row: how often, how well and how fast known amplitudes are found."""
    modes = modes.select(range(7, 13))
    errors, scores, seconds, found = [], [], [], []
    for seed in range(n_seeds):
        generator = torch.Generator().manual_seed(seed)
        truth = draw_truth(modes, generator, far=case.start != "near")
        density = simulate(place_sites(model, modes, truth), model, case, generator)
        clock = CpuClock()
        fit = _fit(model, modes, density, resolution=case.resolution, searched=case.start == "anywhere, searched")
        seconds.append(clock.seconds)
        difference = fit.flexible.amplitudes - truth.amplitudes
        errors.append(float(difference.norm() / truth.amplitudes.norm()))
        scores.append(difference / fit.standard_deviations[: modes.n_modes])
        found.append(fit.status)
    failed = torch.tensor(errors) > GOOD
    good = [score for score, bad in zip(scores, failed.tolist(), strict=True) if not bad]
    unnoticed = [bad and status == FitStatus.CONVERGED for bad, status in zip(failed.tolist(), found, strict=True)]
    noise = "no noise" if case.noise is None else f"noise from {case.noise:g} A"
    return {
        "case": f"simulated, {case.resolution:g} A, {noise}, {case.start}",
        "maps": n_seeds,
        "median error (%)": 100 * float(torch.tensor(errors).median()),
        "failed": float(failed.double().mean()),
        "failed, not noticed": sum(unnoticed) / n_seeds,
        "z SD": float(torch.stack(good).square().mean().sqrt()) if good and case.noise else None,
        "CPU s": sum(seconds) / n_seeds,
        "statuses": {str(status): count for status, count in Counter(found).items()},
    }


def measure_closing(model: GaussianModel, modes: Modes, sites: AtomicModel, path: Path) -> list[dict[str, object]]:
    """Return the rows of the open structure fitted into maps of the closed one."""
    closed = select_sites(read_structure(path), "heavy")
    here, there = _pair(sites, closed)
    target = closed.positions[there]
    onto = fit_rigid_motion(model.positions[here].double(), target)
    rows = []
    for last in (12, 20):
        some = modes.select(range(7, last + 1))
        best = find_best(model, some, here, target)
        for resolution in (5.0, 10.0):
            density = _simulate(closed.positions, closed.scattering, resolution, voxel_size=1.6)
            offset = draw_truth(some, torch.Generator().manual_seed(0), far=False)
            start = Placement(
                torch.zeros(some.n_modes, dtype=torch.float64),
                offset.rotation @ onto.rotations,
                onto.shifts - model.center + offset.shift,
            )
            clock = CpuClock()
            fit = _fit(model, some, density, resolution=resolution, start=start)
            seconds = clock.seconds
            placed = {"start": start, "rigid": fit.rigid, "flexible": fit.flexible}
            rmsd = {
                name: float(compute_rmsd(place_sites(model, some, each)[here], target)) for name, each in placed.items()
            }
            agreement, _ = compute_agreement(
                model, some, _cut(model, density, start), placed, resolution=fit.resolution
            )
            rows.append(
                {
                    "case": f"4AKE into 1AKE at {resolution:g} A, modes 7-{last}",
                    "RMSD, start (A)": rmsd["start"],
                    "RMSD, rigid (A)": rmsd["rigid"],
                    "RMSD, fitted (A)": rmsd["flexible"],
                    "RMSD, best in these modes (A)": best,
                    "resolution used (A)": fit.resolution,
                    "correlation, rigid": agreement["rigid"].overall,
                    "correlation, fitted": agreement["flexible"].overall,
                    "CPU s": seconds,
                    "statuses": {str(fit.status): 1},
                }
            )
    return rows


def measure_experimental(data: Path) -> list[dict[str, object]]:
    """Return the rows of experimental maps whose structures are docked: as they are, moved away, and bent."""
    rows = []
    for name, structure, file, resolution in EXPERIMENTAL:
        model, modes, _ = _make_reference(data / "structures" / structure, sites="ca", n_modes=12)
        modes, density = modes.select(range(7, 13)), read_map(data / "maps" / file)
        docked = model.positions + model.center
        offset = draw_truth(modes, torch.Generator().manual_seed(0), far=False)
        away = replace(offset, amplitudes=torch.zeros_like(offset.amplitudes))
        bend = offset.amplitudes / offset.amplitudes.norm() * BENT * model.n_sites**0.5
        bent = replace(model, positions=modes.displace(model.positions, bend[None])[0])
        starts = (("docked", model, make_placement(6)), ("moved away", model, away), ("bent and moved", bent, away))
        for label, start_model, start in starts:
            row = _measure_docked(start_model, modes, density, start, docked=docked, resolution=resolution)
            rows.append({"case": f"{name}, {label}"} | row)
    return rows


def _measure_docked(
    model: GaussianModel,
    modes: Modes,
    density: DensityMap,
    start: Placement,
    *,
    docked: torch.Tensor,
    resolution: float,
) -> dict[str, object]:
    clock = CpuClock()
    fit = _fit(model, modes, density, resolution=resolution, start=start)
    seconds = clock.seconds
    placed = {"start": start, "rigid": fit.rigid, "flexible": fit.flexible}
    agreement, _ = compute_agreement(model, modes, _cut(model, density, start), placed, resolution=fit.resolution)
    rmsd = {name: float(compute_rmsd(place_sites(model, modes, each), docked)) for name, each in placed.items()}
    bars = fit.standard_deviations[: modes.n_modes]
    return {
        "to (A)": fit.resolution,
        "RMSD to docked: start (A)": rmsd["start"],
        "rigid (A)": rmsd["rigid"],
        "fitted (A)": rmsd["flexible"],
        "modes > 3 error bars": int((fit.flexible.amplitudes.abs() > 3 * bars).sum()),
        "correlation: rigid": agreement["rigid"].overall,
        "fitted": agreement["flexible"].overall,
        "held out: rigid": agreement["rigid"].free,
        "held out: fitted": agreement["flexible"].free,
        "CPU s": seconds,
        "status": str(fit.status),
    }


def draw_truth(modes: Modes, generator: torch.Generator, *, far: bool) -> Placement:
    """Return random amplitudes, and a placement near the reference or turned to anywhere."""
    amplitudes = GREATEST * (2 * torch.rand(modes.n_modes, generator=generator, dtype=torch.float64) - 1)
    axis, way = torch.nn.functional.normalize(torch.randn(2, 3, generator=generator, dtype=torch.float64), dim=-1)
    near = rotation_from_vector(axis * math.radians(OFFSET_DEG))
    rotation = make_random_rotations(1, generator=generator)[0] if far else near
    return Placement(amplitudes, rotation, way * (4 * OFFSET if far else OFFSET))


def simulate(sites: torch.Tensor, model: GaussianModel, case: Case, generator: torch.Generator) -> DensityMap:
    """Return a map of the placed sites with white noise."""
    density = _simulate(sites, model.weights, case.resolution, voxel_size=case.resolution / 2.5, center=model.center)
    if case.noise is None:
        return density
    box = make_fit_box(density, center=model.center, edge=FIELD)
    components = select_components(box, 0.9 * case.noise)
    shell = components.shells == int(box.edge / case.noise) - 1
    power = components.data[shell].abs().square().mean() * NOISE_TO_SIGNAL * density.values.square().sum()
    noise = (power / density.values.numel()).sqrt() * torch.randn(density.values.shape, generator=generator)
    return replace(density, values=density.values + noise)


def find_best(model: GaussianModel, modes: Modes, rows: torch.Tensor, target: torch.Tensor) -> float:
    """Return the least RMSD (A) to `target` that the modes can reach: superposition and amplitudes in turn."""
    positions, vectors = model.positions[rows].double(), modes.vectors[:, rows].double()
    amplitudes = torch.zeros(modes.n_modes, dtype=torch.float64)
    for _ in range(200):
        moved = positions + torch.einsum("m,msx->sx", amplitudes, vectors)
        rotation, shift = roma.rigid_points_registration(moved, target)
        wanted = (target - shift) @ rotation - positions
        amplitudes = torch.linalg.lstsq(vectors.flatten(1).T, wanted.flatten()).solution
    return float(compute_rmsd(moved @ rotation.T + shift, target))


def _fit(
    model: GaussianModel,
    modes: Modes,
    density: DensityMap,
    *,
    resolution: float,
    start: Placement | None = None,
    searched: bool = False,
) -> MapFit:
    start = make_placement(modes.n_modes) if start is None else start
    box = _cut(model, density, start)
    levels = make_levels(model, max(resolution, 2 * density.voxel_size, box.edge / 32))
    dockings = search_dockings(model, modes, box, resolution=levels[0], keep=24) if searched else [start]
    return fit_map(model, modes, box, dockings=dockings, levels=levels)


def _cut(model: GaussianModel, density: DensityMap, start: Placement) -> FitBox:
    return make_fit_box(density, center=model.center + start.shift, edge=ROOM * model.radius + ROOM_MORE)


def _make_reference(path: Path, *, sites: str, n_modes: int) -> tuple[GaussianModel, Modes, AtomicModel]:
    chosen = select_sites(read_structure(path), sites)
    model = make_gaussian_model(chosen)
    return model, compute_modes(model.positions, n_modes=n_modes), chosen


def _simulate(
    sites: torch.Tensor,
    weights: torch.Tensor,
    resolution: float,
    *,
    voxel_size: float,
    center: torch.Tensor | None = None,
) -> DensityMap:
    center = sites.mean(0) if center is None else center
    widths = torch.full((len(sites),), WIDTH_OF_RESOLUTION * resolution, dtype=torch.float64)
    model = GaussianModel(sites - center, weights, widths, center)
    return make_model_map(model, box_size=2 * round(FIELD / voxel_size / 2), voxel_size=voxel_size)


def _pair(first: AtomicModel, second: AtomicModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows of the atoms that both structures of one chain have."""
    keys = [list(zip(each.residue_numbers.tolist(), each.atom_names.tolist(), strict=True)) for each in (first, second)]
    place = {key: row for row, key in enumerate(keys[1])}
    pairs = [(row, place[key]) for row, key in enumerate(keys[0]) if key in place]
    return tuple(torch.tensor(rows) for rows in zip(*pairs, strict=True))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data")
    parser.add_argument("--seeds", type=int, default=20, help="simulated maps of each kind (%(default)s)")
    parser.add_argument("--cases", type=int, default=len(CASES), help="kinds of simulated maps (%(default)s)")
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
