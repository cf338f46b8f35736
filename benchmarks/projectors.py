"""Projectors: evaluations a CPU second, share of the machine's peak, what their errors do to images and estimates.

python benchmarks/projectors.py --images 32 --seconds 1 --data ../shared/data
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import torch
from peak import (
    count_finufft_flops,
    count_matrix_flops,
    count_slice_flops,
    count_splat_flops,
    count_traffic,
    measure_copy_gbytes,
    measure_product_gflops,
    measure_rate,
)
from table import add_results_option, report
from torch import Tensor

from deephemnma.alignment.levenberg import fit
from deephemnma.alignment.objective import invert_fisher
from deephemnma.alignment.observation import Observations, make_observations
from deephemnma.alignment.scale import compute_scales
from deephemnma.alignment.state import State
from deephemnma.core.fourier import inverse_fourier_transform
from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import make_random_rotations
from deephemnma.core.structure import DensityMap
from deephemnma.imaging.band import Band, make_band
from deephemnma.imaging.finufft_transform import FinufftTransform
from deephemnma.imaging.gaussian_projector import GaussianProjector
from deephemnma.imaging.noise import make_white_noise
from deephemnma.imaging.point_transform import PointTransform
from deephemnma.imaging.projector import Projector
from deephemnma.imaging.separable_transform import SeparableTransform
from deephemnma.imaging.slice_projector import SliceProjector
from deephemnma.imaging.splat_transform import SplatTransform
from deephemnma.io.structure import read_structure
from deephemnma.modes import compute_modes
from deephemnma.reconstruction.model_map import make_model_map
from deephemnma.reference.gaussian import make_gaussian_model
from deephemnma.reference.site import select_sites

STRUCTURE = Path(__file__).parents[1] / "src/deephemnma/data/4ake_chain_a.pdb"
RIBOSOME = Path("structures/6zu5_80S_ribosome.cif.gz")
MAKE_TRANSFORM = "deephemnma.imaging.gaussian_projector.make_point_transform"
MOLECULES = ("atoms", "beads", "ribosome")
TOLERANCES = (1e-2, 1e-4)
HALF_WIDTH = 4
SNR, BEND, SHIFT = 0.1, 3.0, 3.0
MANY_SITES = 5000
"""Of molecules with more, a quarter of the images are taken."""


@dataclass(frozen=True)
class Case:
    """A molecule on a band, true states of some images of it, and these images."""

    name: str
    model: GaussianModel
    modes: Modes
    band: Band
    truth: State
    observed: Observations


@dataclass(frozen=True)
class Method:
    """A projector, and the operations that it does for one image: a projection, and one with all derivatives."""

    name: str
    projector: Projector
    project_flops: float
    linearize_flops: float


def _sum_directly(case: Case, state: State, *, block: int = 512) -> Tensor:
    """Return projections by their definition, a sum over sites in float64: the reference, far the slowest."""
    model, k = case.model, case.band.frequencies.double()
    sites = case.modes.displace(model.positions, state.amplitudes.double())
    view = (sites @ state.rotations.double().mT)[..., :2] - state.shifts.double()[:, None]
    total = torch.zeros(len(state), len(k), dtype=torch.complex128)
    parts = (values.split(block) for values in (model.weights / case.band.box_size, model.widths))
    for points, weights, widths in zip(view.split(block, 1), *parts, strict=True):
        damped = weights[:, None] * (-2 * math.pi**2 * widths.square()[:, None] * k.square().sum(-1)).exp()
        for row, seen in zip(total, points, strict=True):
            row += (damped * torch.exp(-2j * math.pi * (seen @ k.T))).sum(0)
    return total


def main() -> None:
    """Measure the machine, then every projector on every case."""
    options = _parse()
    torch.set_num_threads(1)
    peak = {
        "peak GFLOP/s (float32 matrix product, one core)": measure_product_gflops(seconds=options.seconds),
        "peak GB/s (copy, read and written, one core)": measure_copy_gbytes(seconds=options.seconds),
    }
    rows = []
    for name, model, modes, pixels in _list_molecules(options):
        for box_size in options.boxes:
            case = _make_case(name, model, modes, band=make_band(box_size, pixels / box_size), options=options)
            rows += _measure_case(case, options, peak=tuple(peak.values()))
    notes = {"SNR of the images": SNR, "images a fit": options.images, "seed": options.seed, **peak}
    report("projectors", rows, notes=notes, folder=options.results)


def _list_molecules(options: argparse.Namespace) -> list[tuple[str, GaussianModel, Modes, float]]:
    """Return name, Gaussians, modes, side of the image (A)."""
    chosen = []
    for name, sites in (("AK, atoms", "heavy"), ("AK, beads", "ca")):
        if name.split()[-1] not in options.molecules:
            continue
        model = make_gaussian_model(select_sites(read_structure(STRUCTURE), sites))
        modes = compute_modes(model.positions, n_modes=9, cutoff=8.0 if sites == "heavy" else 12.0).select((7, 8, 9))
        chosen.append((name, model, modes, 83.2))
    if "ribosome" in options.molecules and options.data is not None and (options.data / RIBOSOME).exists():
        model = make_gaussian_model(select_sites(read_structure(options.data / RIBOSOME), "ca-p"))
        chosen.append(("ribosome, beads", model, _make_smooth_modes(model), 377.6))
    return chosen


def _make_smooth_modes(model: GaussianModel) -> Modes:
    """Return four smooth fields (twist, shear, bend, stretch): as good as normal modes to measure speed with."""
    x, y, z = (model.positions / model.radius).unbind(-1)
    zero = torch.zeros_like(x)
    fields = [(-y * z, x * z, zero), (z, zero, x), (z * z, zero, -x * z), (x, -y, zero)]
    vectors = torch.stack([torch.stack(field, dim=-1) for field in fields])
    return Modes(vectors / vectors.flatten(1).norm(dim=1)[:, None, None], torch.ones(4), (7, 8, 9, 10))


def _make_case(name: str, model: GaussianModel, modes: Modes, *, band: Band, options: argparse.Namespace) -> Case:
    generator = torch.Generator().manual_seed(options.seed)
    count = options.images if model.n_sites < MANY_SITES else max(2, options.images // 4)
    truth = State(
        make_random_rotations(count, generator=generator).float(),
        SHIFT * torch.randn(count, 2, generator=generator),
        BEND * compute_scales(model).amplitude * torch.randn(count, modes.n_modes, generator=generator),
    )
    return Case(name, model, modes, band, truth, _observe(model, modes, band, truth=truth, generator=generator))


def _observe(
    model: GaussianModel, modes: Modes, band: Band, *, truth: State, generator: torch.Generator
) -> Observations:
    exact = _make_gaussian(model, modes, band, _make_matrices)
    clean = exact.project(truth.rotations, truth.shifts, truth.amplitudes)
    images = inverse_fourier_transform(band.embed(clean), box_size=band.box_size)
    noise = make_white_noise(float(images.var()) / SNR, box_size=band.box_size, pixel_size=band.pixel_size)
    return make_observations(images + noise.draw(len(truth), generator=generator), band, optics=None, noise=noise)


def _make_gaussian(
    model: GaussianModel, modes: Modes, band: Band, kind: Callable[..., PointTransform], *, tolerance: float = 1e-4
) -> GaussianProjector:
    """Return the projector with a point transform of this kind, be it the fastest or not."""
    with patch(MAKE_TRANSFORM, kind):
        return GaussianProjector(model, modes, band, tolerance=tolerance)


def _make_matrices(band: Band, widths: Tensor, *, tolerance: float) -> PointTransform:
    return SeparableTransform(band, widths)


def _list_methods(case: Case) -> list[Method]:
    model, modes, band = case.model, case.modes, case.band
    channels, sites = 2 * (modes.n_modes + 2), {"n_sites": model.n_sites}
    methods = []
    for tolerance in TOLERANCES:
        projector = _make_gaussian(model, modes, band, FinufftTransform, tolerance=tolerance)
        terms = projector._transform.n_terms

        def count(pairs: float, terms: int = terms, tolerance: float = tolerance) -> float:
            return count_finufft_flops(band, **sites, transforms=math.ceil(pairs * terms), tolerance=tolerance)

        flops = count(1 if terms == 1 else 0.5), count(channels / 2)
        methods.append(Method(f"finufft {tolerance:.0e}", projector, *flops))
    splat = _make_gaussian(model, modes, band, SplatTransform)
    spread = [
        count_splat_flops(band, **sites, transforms=n * splat._transform.n_terms, half_width=HALF_WIDTH)
        for n in (1, channels // 2)
    ]
    methods.append(Method("splat", splat, *spread))
    products = [count_matrix_flops(band, **sites, channels=n) for n in (1, channels)]
    methods.append(Method("matrices", _make_gaussian(model, modes, band, _make_matrices), *products))
    return methods


def _measure_case(case: Case, options: argparse.Namespace, *, peak: tuple[float, float]) -> list[dict[str, object]]:
    few = case.truth.select(torch.arange(min(options.images, 4)))
    wanted = _sum_directly(case, few)
    exact = _make_gaussian(case.model, case.modes, case.band, _make_matrices)
    sums = measure_rate(lambda: _sum_directly(case, few.select(torch.tensor([0]))), seconds=options.seconds / 4)
    rows = [_describe(case, "exact sum") | {"project/s": sums}]
    fitted = _fit(case.observed, exact, case.truth)
    for method in _list_methods(case):
        row = _describe(case, method.name) | _measure_speed(method, case, options, peak=peak)
        found = method.projector.project(few.rotations, few.shifts, few.amplitudes)
        shifted = _compare(_fit(case.observed, method.projector, case.truth), fitted)
        rows.append(row | {"image error": _relate(found, wanted), "estimate's shift (sd)": shifted})
    return [*rows, _measure_slices(case, options, peak=peak)]


def _measure_slices(case: Case, options: argparse.Namespace, *, peak: tuple[float, float]) -> dict[str, object]:
    """Measure central slices of the map of the molecule at rest: rigid, so its fits are compared with rigid ones."""
    band = case.band
    still = Modes(case.modes.vectors[:0], case.modes.eigenvalues[:0], ())
    truth = State(case.truth.rotations, case.truth.shifts, case.truth.amplitudes[:, :0])
    generator = torch.Generator().manual_seed(options.seed)
    observed = _observe(case.model, still, band, truth=truth, generator=generator)
    density: DensityMap = make_model_map(case.model, box_size=band.box_size, voxel_size=band.pixel_size)
    flops = [count_slice_flops(band, channels=n) for n in (1, 4)]
    method = Method("slices (rigid)", SliceProjector(density, band), *flops)
    rigid = Case(case.name, case.model, still, band, truth, observed)
    exact = _make_gaussian(case.model, still, band, _make_matrices)
    wanted = exact.project(truth.rotations, truth.shifts, truth.amplitudes)
    found = method.projector.project(truth.rotations, truth.shifts, truth.amplitudes)
    shifted = _compare(_fit(observed, method.projector, truth), _fit(observed, exact, truth))
    speed = _measure_speed(method, rigid, options, peak=peak)
    return _describe(case, method.name) | speed | {
        "image error": _relate(found, wanted), "estimate's shift (sd)": shifted
    }  # fmt: skip


def _describe(case: Case, method: str) -> dict[str, object]:
    return {
        "set": case.name, "sites": case.model.n_sites, "box": case.band.box_size, "method": method,
        "project/s": None, "linearize/s": None, "image error": None, "estimate's shift (sd)": None,
        "GFLOP/s": None, "of peak": None, "GB/s": None, "of copy": None,
    }  # fmt: skip


def _measure_speed(
    method: Method, case: Case, options: argparse.Namespace, *, peak: tuple[float, float]
) -> dict[str, object]:
    """Return rates, and for the evaluation with derivatives the share of what the machine can do."""
    projector, state = method.projector, case.truth
    arguments = (state.rotations, state.shifts, state.amplitudes)
    project, linearize = (
        len(state) * measure_rate(lambda work=work: work(*arguments), seconds=options.seconds)
        for work in (projector.project, projector.linearize)
    )
    gflops = linearize * method.linearize_flops / 1e9
    gbytes = linearize * count_traffic(case.band, channels=projector.n_modes + 6) / 1e9
    return {
        "project/s": project, "linearize/s": linearize,
        "GFLOP/s": gflops, "of peak": gflops / peak[0], "GB/s": gbytes, "of copy": gbytes / peak[1],
    }  # fmt: skip


def _fit(observed: Observations, projector: Projector, truth: State) -> tuple[State, Tensor]:
    """Return the fits from the truth, all the way down, and their standard deviations."""
    step = 0.3 * observed.band.resolution * torch.ones(projector.n_modes + 5)
    found = fit(observed, projector, truth, step_scale=step, iterations=15, tolerance=1e-5)
    covariance = invert_fisher(found.evaluation.curvature)
    return found.state, covariance.diagonal(dim1=-2, dim2=-1).sqrt()


def _compare(found: tuple[State, Tensor], wanted: tuple[State, Tensor]) -> float:
    """Return the root mean square difference of two fits over images and parameters, in standard deviations."""
    (first, _), (second, sd) = found, wanted
    turn = first.rotations.double() @ second.rotations.double().mT
    vector = torch.stack((turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]))
    change = torch.cat((first.amplitudes - second.amplitudes, vector.T / 2, first.shifts - second.shifts), dim=1)
    return float((change / sd).square().mean().sqrt())


def _relate(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=32, help="images at once, and fitted")
    parser.add_argument("--boxes", type=int, nargs="+", default=[64, 128], help="pixels")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU seconds of each measurement")
    parser.add_argument("--molecules", nargs="+", default=MOLECULES, choices=MOLECULES, help="adenylate kinase or 80S")
    parser.add_argument("--data", type=Path, help="folder of the shared data, for the ribosome")
    parser.add_argument("--seed", type=int, default=0, help="of states and noise")
    add_results_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
