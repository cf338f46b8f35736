"""Which of several references some images show: rigid fits to each on the same terms, compared image by image."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from evidence import compare_pairs, compute_gains
from line import Line, compute_reference, estimate, make_ellipsoid, make_row, mirror_reference
from torch import Tensor

import deephemnma as dh
from deephemnma.core.estimates import FAILED, Estimates
from deephemnma.pipeline.formation import NOISE_FILE, read_noise

MIRRORED, ELLIPSOID = ", mirrored", ", as an ellipsoid"


@dataclass(frozen=True)
class Trial:
    """Fits of one reference to all images.

    Attributes
    ----------
    estimates
        Of the stage `estimate`.
    gains
        Log likelihood of each image above that of an empty one.
    """

    estimates: Estimates
    gains: Tensor


def make_references(
    line: Line, sources: Mapping[str, tuple[Path, dh.MoleculeOptions]], *, controlled: tuple[str, ...]
) -> dict[str, Path]:
    """Compute every reference, and two controls of some: the mirror image (of the search), and an ellipsoid."""
    references = {
        name: compute_reference(path, line.folder / f"reference_{number}", molecule)
        for number, (name, (path, molecule)) in enumerate(sources.items())
    }
    for number, name in enumerate(controlled):
        reference = references[name]
        references[name + MIRRORED] = mirror_reference(reference, line.folder / f"mirrored_{number}")
        references[name + ELLIPSOID] = make_ellipsoid(reference, line.folder / f"ellipsoid_{number}")
    return references


def try_references(
    line: Line, particles: Path, references: Mapping[str, Path], search: dh.EstimateSettings
) -> dict[str, Trial]:
    """Fit each reference to the prepared images of the folder `particles`; their noise is one for all."""
    source = dh.read_particles(particles / "particles.star")
    noise = read_noise(particles / NOISE_FILE)
    trials = {}
    for number, (name, reference) in enumerate(references.items()):
        found = estimate(line, particles, reference, name=f"estimated_{particles.name}_{number}", search=search)
        gains = compute_gains(source, found, reference, noise=noise, resolution=search.resolution)
        trials[name] = Trial(found, gains)
    return trials


def compare_trials(set_name: str, trials: Mapping[str, Trial], *, against: str) -> list[dict[str, object]]:
    """Return for each reference how likely its fits are, and by how much those of `against` are likelier."""
    rows = []
    best = torch.stack([trial.gains for trial in trials.values()]).argmax(0)
    for number, (name, trial) in enumerate(trials.items()):
        count = len(trial.gains)
        failed = sum(status in FAILED for status in trial.estimates.status) / count
        contrasts = trial.estimates.contrasts
        known = {"images": count, "failed": failed}
        deviation = float((contrasts.values / contrasts.standard_deviations).nan_to_num(0.0).median())
        share = float((best == number).double().mean())
        rows += [
            make_row(set_name, name, "log likelihood above an empty image", float(trial.gains.mean()), **known),
            make_row(set_name, name, "contrast in its error bars, median", deviation),
            make_row(set_name, name, "share of images that it suits best", share),
        ]
        if name != against and not name.startswith(against + ","):  # its controls are told by themselves
            rows += _compare(set_name, trials, against, name)
    return rows


def compare_controls(set_name: str, trials: Mapping[str, Trial]) -> list[dict[str, object]]:
    """Return by how much references suit the images better than their ellipsoids, and what the search missed."""
    pairs = [(name, name + control) for name in trials for control in (MIRRORED, ELLIPSOID)]
    return [row for first, second in pairs if second in trials for row in _compare(set_name, trials, first, second)]


def _compare(set_name: str, trials: Mapping[str, Trial], first: str, second: str) -> list[dict[str, object]]:
    difference, better = compare_pairs(trials[first].gains, trials[second].gains)
    return [
        make_row(set_name, f"{first} over {second}", "log likelihood an image", difference),
        make_row(set_name, f"{first} over {second}", "share of images", better),
    ]
