"""Particle files with what they do not say themselves."""

from pathlib import Path

from deephemnma.core.error import InputError
from deephemnma.io.file_kind import find_suffix
from deephemnma.io.metadata.frealign import Microscope
from deephemnma.io.metadata.particle_tables import ParticleTables
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.pipeline.particles import PARTICLE_FILES, find_file
from deephemnma.settings.supplement import SupplementOptions


def read_supplemented(particles: Path, supplement: SupplementOptions) -> ParticleTables:
    """Read what the file, or the folder of a stage, says of particles, and the user besides.

    Raises
    ------
    InputError
        If the file cannot be read, or what the user says has no meaning for it.
    """
    path = find_file(particles, *PARTICLE_FILES)
    _check_meaning(path, supplement)
    microscope = Microscope(
        stack=supplement.stack,
        pixel_size=supplement.pixel_size,
        voltage_kv=supplement.voltage_kv,
        cs_mm=supplement.cs_mm,
        amplitude_contrast=supplement.amplitude_contrast,
    )
    return read_particle_tables(
        path,
        classes=supplement.class_parameters,
        passthroughs=supplement.passthrough or None,
        microscope=microscope,
    )


def _check_meaning(path: Path, supplement: SupplementOptions) -> None:
    suffix = find_suffix(path)
    for option, value, wanted in (
        ("--class-parameters", supplement.class_parameters, ".par"),
        ("--passthrough", supplement.passthrough, ".cs"),
    ):
        if value and suffix != wanted:
            raise InputError(f"{option} goes with a {wanted} file, but --particles is {path}: leave it out.")
