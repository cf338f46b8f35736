"""What the estimates of a data set are held against."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from image_set import ImageSet
from rigid_fit import Nearest, compute_rmsd, find_nearest, make_nearest_truth
from summary import FAILED, LOST, summarize

from deephemnma.alignment.bound import compute_bound
from deephemnma.core.estimates import Estimates
from deephemnma.io.particles import read_particles
from deephemnma.io.structure import read_models
from deephemnma.io.table import read_estimates
from deephemnma.metrics.error import compute_errors
from deephemnma.pipeline.conformation import superimpose_frames
from deephemnma.pipeline.formation import read_formation
from deephemnma.pipeline.reference import Reference, load_reference


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
    contrasts
        Of each image, without a mismatch.
    """

    estimates: Estimates
    bound: torch.Tensor | None
    targets: torch.Tensor | None = None
    nearest: Nearest | None = None
    contrasts: torch.Tensor | None = None


def find_truth(images: ImageSet, folder: Path, reference: Reference) -> Truth:
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
    relative = torch.tensor(told, dtype=torch.float64).expand(len(truth))
    # The contrast is unknown to the bound, so the rest of it goes as the contrast's inverse square.
    bound = bound / relative[:, None, None].square()
    return Truth(truth, bound, contrasts=formation.contrast * relative)


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


def summarize_against(found: Estimates, truth: Truth, reference: Reference) -> dict[str, object]:
    rule = FAILED if truth.nearest is None else LOST
    row = summarize(found, truth.estimates, truth.bound, n_sites=reference.model.n_sites, rule=rule)
    if truth.contrasts is None or found.contrasts is None:
        return row
    scores = (found.contrasts.values.double() - truth.contrasts) / found.contrasts.standard_deviations.double()
    return row | {"contrast, coverage 68 %": float((scores.abs() < 1).double().mean())}


def compare_sites(found: Estimates, truth: Truth, reference: Reference) -> dict[str, float]:
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
