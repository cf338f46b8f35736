"""Particles and estimates by the names that users give: a file, or the folder of the stage that wrote it."""

from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.io.particles import ParticleStack, read_particles

PARTICLES_FILE = "particles.star"
ESTIMATES_FILE = "estimates.parquet"
ESTIMATES_STAR = "estimates.star"
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
    """Open the particles of a star file or of a stage's folder."""
    return read_particles(find_file(path, PARTICLES_FILE), datadir=datadir)
