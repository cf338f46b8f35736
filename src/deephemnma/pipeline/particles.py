"""Particles and estimates by the names that users give: a file, or the folder of the stage that wrote it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import USABLE, Estimates, Status
from deephemnma.imaging.synthesis import ImageFormation
from deephemnma.io.metadata.image_name import find_images
from deephemnma.io.metadata.relion import write_particle_star
from deephemnma.io.particles import ParticleSet, ParticleStack, read_particle_sets, read_particles
from deephemnma.io.table import read_estimates, write_estimates
from deephemnma.pipeline.formation import FORMATION_FILE, read_formation

PARTICLES_FILE = "particles.star"
PARTICLE_FILES = (PARTICLES_FILE, "particles.cs", "particles.xmd")
"""What a folder may hold its particles in; the first that is there is read."""
ESTIMATES_FILE = "estimates.parquet"
ESTIMATES_STAR = "estimates.star"
ALTERNATIVES_FILE = "alternatives.parquet"
TRUTH_FILE = "truth.parquet"


def find_file(path: Path, *names: str) -> Path:
    """Return `path`, or where it is a folder the first of `names` that it holds.

    Raises
    ------
    InputError
        If the folder holds none of them.
    """
    if not path.is_dir():
        return path
    found = [path / name for name in names if (path / name).exists()]
    if not found:
        raise InputError(f"{path} holds no {' or '.join(names)}: name the file, or the folder of a finished stage.")
    return found[0]


def load_particles(path: Path, *, datadir: Path | None = None) -> ParticleStack:
    """Open the particles of any program's file, or of a stage's folder."""
    return read_particles(find_file(path, *PARTICLE_FILES), datadir=datadir)


def load_particle_sets(path: Path, *, datadir: Path | None = None) -> tuple[ParticleSet, ...]:
    """Open particles that may be of several scales, as sets of one each; see :func:`load_particles`."""
    return read_particle_sets(find_file(path, *PARTICLE_FILES), datadir=datadir)


def load_estimates(
    path: Path, *, mode_numbers: tuple[int, ...] | None = None, pixel_size: float | None = None
) -> Estimates:
    """Read the estimates of a table, a star, .cs or .xmd file or a stage's folder."""
    path = find_file(path, ESTIMATES_FILE, TRUTH_FILE)
    return read_estimates(path, mode_numbers=mode_numbers, pixel_size=pixel_size)


def match_estimates(estimates: Estimates, names: Sequence[str]) -> Estimates:
    """Return the rows of `estimates` of the particles `names`, in that order and under these names.

    Other programs' names of the same images are understood (:func:`~deephemnma.io.metadata.image_name.find_images`).

    Raises
    ------
    InputError
        If a particle has none.
    """
    rows = find_images(names, estimates.names)
    missing = [name for name, row in zip(names, rows, strict=True) if row is None]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(names)} particles have no estimate (the first is {missing[0]}): "
            "give estimates of these particles."
        )
    return replace(estimates.select(torch.tensor(rows, dtype=torch.long)), names=tuple(names))


def find_formation(formation: Path | None, estimates: Path) -> ImageFormation | None:
    """Return the contrast and noise of the file named, or of the one beside the estimates, or None."""
    if formation is not None:
        return read_formation(find_file(formation, FORMATION_FILE))
    beside = (estimates if estimates.is_dir() else estimates.parent) / FORMATION_FILE
    return read_formation(beside) if beside.exists() else None


def write_results(
    folder: Path, estimates: Estimates, particles: ParticleStack, *, alternatives: Estimates | None = None
) -> dict[str, str]:
    """Write the tables of a stage's estimates, and return how many images have which status.

    `alternatives` are other minima of ambiguous images: none, one or several rows an image.
    """
    write_particle_star(
        folder / ESTIMATES_STAR, table=particles.table, optics_table=particles.optics_table, estimates=estimates
    )
    write_estimates(folder / ESTIMATES_FILE, estimates)
    if alternatives is not None:
        write_estimates(folder / ALTERNATIVES_FILE, alternatives)
    return count_statuses(estimates)


def count_statuses(estimates: Estimates) -> dict[str, str]:
    """Return how many images have which status, with the share, and how many did not work out whatever the reason."""
    counts = {str(status): estimates.status.count(status) for status in Status if status in estimates.status}
    if counts:
        counts["left aside"] = sum(status not in USABLE for status in estimates.status)
    return {name: f"{count} ({count / len(estimates):.1%})" for name, count in counts.items()}
