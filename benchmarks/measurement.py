"""Measures one data set of the estimation benchmark: errors against the bound and the truth, error bars, cost."""

import json
import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from hemnma import compare_with_hemnma
from image_set import ENTRIES, ImageSet, Options, make_image_set
from rigid_fit import Nearest, compute_rmsd, find_nearest, make_nearest_truth
from summary import FAILED, LOST, summarize
from table import CpuClock

from deephemnma.alignment.aligner import Aligner, align_images
from deephemnma.alignment.assembly import make_search_aligner
from deephemnma.alignment.bound import compute_bound
from deephemnma.alignment.pilot import measure_formation
from deephemnma.alignment.refinement import make_refinement_aligner
from deephemnma.core.estimates import Estimates, Status, concatenate_estimates, make_estimates
from deephemnma.core.particle import ImageSource, Poses
from deephemnma.core.rotation import rotation_from_vector
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.io.particles import ParticleStack, read_particles
from deephemnma.io.structure import read_models
from deephemnma.io.table import read_estimates
from deephemnma.metrics.error import compute_errors
from deephemnma.pipeline.conformation import superimpose_frames
from deephemnma.pipeline.formation import read_formation
from deephemnma.pipeline.reference import Reference, load_reference
from deephemnma.pipeline.simulate import run_simulate
from deephemnma.settings.build import make_settings
from deephemnma.settings.estimate import EstimateSettings
from deephemnma.settings.refine import RefineSettings

TELL_EVERY = 20.0
"""Seconds between lines of progress."""


@dataclass(frozen=True)
class Truth:
    """What the estimates of a set are held against.

    Attributes
    ----------
    estimates
        True parameters; with a mismatch, those of the nearest conformations.
    bound
        Cramer-Rao covariance of each image, or None where it does not apply.
    targets
        Of a mismatch: the true coordinates of the estimator's sites, A.
    nearest
        Of a mismatch: the best that the modes can do.
    """

    estimates: Estimates
    bound: torch.Tensor | None
    targets: torch.Tensor | None = None
    nearest: Nearest | None = None


def simulate_set(number: int, options: Options) -> None:
    """Make the images of a set, unless they are there."""
    if ENTRIES[number].make is None:
        return
    run_simulate(make_image_set(number, options).simulation, output=_get_folder(number, options))


def measure_set(number: int, options: Options) -> list[dict[str, object]]:
    """Estimate the images that :func:`simulate_set` made, and return the set's rows."""
    if ENTRIES[number].make is None:
        settings = make_estimate_settings(options)
        rows = compare_with_hemnma(options.data / "hemnma", settings=settings)
        return [{"name": ENTRIES[number].name, **row} for row in rows]
    images = make_image_set(number, options)
    folder = _get_folder(number, options)
    particles, reference = read_particles(folder / "particles.star"), load_reference(images.estimation)
    settings = make_estimate_settings(options)
    clock = CpuClock()
    formation = measure_formation(reference.model, reference.modes, particles, settings=settings)
    preparation, clock = clock.seconds, CpuClock()
    aligner = make_search_aligner(reference.model, reference.modes, particles, settings=settings, formation=formation)
    bank, clock = clock.seconds, CpuClock()
    found = align_with_progress(aligner, particles, label=f"set {number}, search")
    cost, memory = clock.seconds / len(found), measure_peak_memory()
    del aligner
    truth = _find_truth(images, folder, reference)
    row = {
        "name": ENTRIES[number].name,
        **_summarize(found, truth, reference),
    }
    row |= {"CPU s an image": cost, "bank (CPU s)": bank, "preparation (CPU s)": preparation + bank}
    row |= {"peak memory (GiB)": memory, **_compare_sites(found, truth, reference)}
    row["formation"] = {"contrast": formation.contrast, "contrast_spread": formation.contrast_spread}
    row["formation"]["b_factor"] = formation.b_factor
    refined = _refine(images, particles, reference, truth, formation=formation, options=options)
    return [{"name": ENTRIES[number].name, **row, **{f"refinement, {name}": each for name, each in refined.items()}}]


def make_estimate_settings(options: Options) -> EstimateSettings:
    """Return the defaults, with the changes asked for."""
    return make_settings(EstimateSettings, options.estimate, resolve_path=Path, where="--estimate")


def align_with_progress(aligner: Aligner, source: ImageSource, *, label: str) -> Estimates:
    """Align all images batch by batch, now and then telling how long it will take."""
    tell, parts, done = make_teller(label, len(source)), [], 0
    for ids in torch.arange(len(source)).split(aligner.batch_size):
        parts.append(align_images(aligner, source, ids))
        done += len(ids)
        tell(done)
    return concatenate_estimates(parts)


def make_teller(label: str, total: int) -> Callable[[int], None]:
    """Return what prints, from time to time, how many of `total` are done and how long the others will take."""
    start = told = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > TELL_EVERY:
            told, left = now, (now - start) * (total - done) / done / 60
            print(f"{label}: {done} of {total} images, {left:.1f} min left", file=sys.stderr, flush=True)

    return tell


def measure_peak_memory() -> float:
    """Return the most memory that this process has held, GiB."""
    status = Path("/proc/self/status")
    if status.exists():  # the parent's share is not in it, as it is in what getrusage tells after a spawn
        lines = [line.split() for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if lines:
            return int(lines[0][1]) / 2**20
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _refine(
    images: ImageSet,
    particles: ParticleStack,
    reference: Reference,
    truth: Truth,
    *,
    formation: ImageFormation,
    options: Options,
) -> dict[str, object]:
    """Refine from starts near the truth, and return the few figures that tell of refinement alone."""
    start = _disturb(truth.estimates, images, reference, options)
    clock = CpuClock()
    aligner = make_refinement_aligner(
        reference.model,
        reference.modes,
        particles,
        initial=start,
        settings=make_estimate_settings(options),
        refinement=RefineSettings(),
        formation=formation,
        seed=options.seed,
    )
    found = align_with_progress(aligner, particles, label="refinement")
    cost = clock.seconds / len(found)
    row = _summarize(found, truth, reference)
    kept = ("ratio", "failed", "failed, not noticed", "coverage 68 %", "z SD")
    return {name: row[name] for name in kept} | {"CPU s an image": cost}


def _disturb(truth: Estimates, images: ImageSet, reference: Reference, options: Options) -> Estimates:
    """Return estimates so far from the truth as the options say, in random directions."""
    generator = torch.Generator().manual_seed(images.simulation.seed + 1)
    angle, displacement, shift = options.start

    def draw(size: int) -> torch.Tensor:
        direction = torch.randn(len(truth), size, generator=generator, dtype=torch.float64)
        return torch.nn.functional.normalize(direction, dim=1)

    turns = rotation_from_vector(math.radians(angle) * draw(3))
    return make_estimates(
        names=truth.names,
        poses=Poses(turns @ truth.poses.rotations, truth.poses.shifts + shift * draw(2)),
        amplitudes=truth.amplitudes + displacement * reference.model.n_sites**0.5 * draw(truth.n_modes),
        mode_numbers=truth.mode_numbers,
        status=Status.GIVEN,
    )


def _find_truth(images: ImageSet, folder: Path, reference: Reference) -> Truth:
    truth = read_estimates(folder / "truth.parquet")
    if images.mismatch:
        targets = _find_targets(images, truth, reference)
        nearest = find_nearest(reference.model, reference.modes, targets)
        return Truth(make_nearest_truth(truth, nearest, mode_numbers=reference.modes.numbers), None, targets, nearest)
    formation = read_formation(folder / "simulation.json")
    particles = read_particles(folder / "particles.star")
    bound = compute_bound(
        reference.model, reference.modes, truth.poses, truth.amplitudes, optics=particles.optics, formation=formation
    )
    told = json.loads((folder / "simulation.json").read_text()).get("relative_contrasts", [1.0])
    # The contrast is unknown to the bound, so the rest of it goes as the contrast's inverse square.
    return Truth(truth, bound / torch.tensor(told, dtype=bound.dtype)[:, None, None].square())


def _find_targets(images: ImageSet, truth: Estimates, reference: Reference) -> torch.Tensor:
    """Return where the estimator's sites are in every image's molecule, in the frame of the simulated reference."""
    made = load_reference(images.simulation.reference)
    models = images.simulation.conformation.models
    if models is not None:
        frames = torch.stack([frame.positions for frame in read_models(models)])
        coordinates = superimpose_frames(frames, model=made.model, modes=made.modes).positions
        coordinates = coordinates[torch.arange(len(truth)) % len(coordinates)]
    else:
        coordinates = made.modes.displace(made.model.positions, truth.amplitudes)
    ours, theirs = (each.model.positions + each.model.center for each in (reference, made))
    distances, rows = torch.cdist(ours, theirs).min(1)
    if distances.max() > 0.01:
        raise ValueError("the estimator's sites are not among the simulated ones")
    return coordinates[:, rows]


def _summarize(found: Estimates, truth: Truth, reference: Reference) -> dict[str, object]:
    rule = FAILED if truth.nearest is None else LOST
    return summarize(found, truth.estimates, truth.bound, n_sites=reference.model.n_sites, rule=rule)


def _compare_sites(found: Estimates, truth: Truth, reference: Reference) -> dict[str, float]:
    """Return how near the conformations come to the true coordinates, and how near they could."""
    if truth.targets is None:
        return {}
    rmsd = compute_rmsd(reference.model, reference.modes, found.amplitudes, truth.targets)
    errors = compute_errors(found, truth.estimates)
    right = errors.geodesic_angle < LOST.angle
    mean, best = float(rmsd[right].mean()), float(truth.nearest.rmsd[right].mean())
    return {
        "RMSD to the true sites (A)": mean,
        "best RMSD in these modes (A)": best,
        "RMSD / best": mean / best,
        "RMSD to the true sites, median of all (A)": float(rmsd.median()),
    }


def _get_folder(number: int, options: Options) -> Path:
    count, box = options.images or "all", options.box_size or 128
    return options.work / f"set{number}_seed{options.seed}_{count}_{box}"
