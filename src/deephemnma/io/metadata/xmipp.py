"""Particles, and results of HEMNMA, in Xmipp's and Scipion's metadata (``.xmd``)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.io.metadata.number import parse_numbers
from deephemnma.io.metadata.particle_tables import ParticleTables
from deephemnma.io.metadata.xmipp_table import (
    DISPLACEMENTS,
    ENABLED,
    FLIP,
    RELION_NAMES,
    XMIPP_ANGLES,
    XMIPP_IMAGE,
    XMIPP_SHIFTS,
    drop_disabled,
    parse_vectors,
    read_xmipp_table,
)

RESULT = (XMIPP_IMAGE, *XMIPP_ANGLES, *XMIPP_SHIFTS, DISPLACEMENTS)


def read_xmipp_particles(path: Path) -> ParticleTables:
    """Read images, poses and CTF in RELION's columns; other columns keep their name behind ``xmipp``.

    Disabled images are left out. Defocus is positive for underfocus, as Xmipp 3 has it; where all of it is negative it
    is that of Xmipp 2, and turned.

    Raises
    ------
    InputError
        If the file is missing, has no images, is about volumes, or mirrors images (``_flip`` 1).
    """
    whole = read_xmipp_table(path)
    table = drop_disabled(whole)
    if len(table) == 0:
        raise InputError(f"{path} holds no enabled images: give metadata with at least one row.")
    remarks = []
    if len(table) < len(whole):
        remarks.append(f"{len(whole) - len(table)} of {len(whole)} images are disabled (_enabled -1) and left out")
    if "shiftZ" in table.columns and (parse_numbers(table["shiftZ"], source=str(path)) != 0).any():
        raise InputError(f"{path} has shifts along z (_shiftZ): it is about volumes, give metadata of particle images.")
    if FLIP in table.columns and (parse_numbers(table[FLIP], source=str(path)) != 0).any():
        raise InputError(
            f"{path} says that images are to be mirrored (_flip 1), as 2D alignments do: give metadata of a 3D "
            "alignment, or without the columns of the alignment."
        )
    particles, notes = _mend_ctf(_rename(table), source=str(path))
    return ParticleTables(particles, None, path, "Xmipp", (*remarks, *notes))


def read_hemnma_results(path: Path | str, *, mode_numbers: Sequence[int], pixel_size: float) -> Estimates:
    """Read poses and amplitudes of HEMNMA; they are `given`, without error bars.

    Parameters
    ----------
    path
        ``.xmd`` file with one row an image, as ``xmipp_nma_alignment`` writes it.
    mode_numbers
        Numbers of the modes, in the order of the file's displacements.
    pixel_size
        A; the file has shifts in pixels.

    Raises
    ------
    InputError
        If the file is missing, is not metadata of HEMNMA, or has another number of displacements.
    """
    table = drop_disabled(read_xmipp_table(path))
    missing = [name for name in RESULT if name not in table.columns]
    if missing:
        raise InputError(f"{path} lacks the column _{missing[0]}: give what HEMNMA's alignment wrote.")
    euler, shifts = (
        torch.stack([torch.from_numpy(parse_numbers(table[name], source=str(path))) for name in names], dim=1)
        for names in (XMIPP_ANGLES, XMIPP_SHIFTS)
    )
    displacements = parse_vectors(table[DISPLACEMENTS], source=str(path))
    for row, values in enumerate(displacements):
        if len(values) != len(mode_numbers):
            raise InputError(
                f"{path}, row {row + 1}: {len(values)} displacements, but {len(mode_numbers)} modes named."
            )
    # Xmipp's shifts obey RELION's convention: they bring the particle back. So do those of its phantoms
    # (tests/agreement/test_hemnma_convention.py projects the known conformations and finds each at minus its shift).
    return make_estimates(
        names=tuple(table[XMIPP_IMAGE]),
        poses=Poses(euler_to_rotation(torch.deg2rad(euler)), shifts * pixel_size),
        amplitudes=torch.tensor(displacements, dtype=torch.float64).reshape(-1, len(mode_numbers)),
        mode_numbers=tuple(mode_numbers),
        status=Status.GIVEN,
    )


def _rename(table: pd.DataFrame) -> pd.DataFrame:
    columns = {}
    for name in table.columns:
        if name in RELION_NAMES:
            columns[RELION_NAMES[name]] = table[name]
        elif name != ENABLED:
            # RELION's programs know no quotes: vectors stand in brackets, as those of RELION 5 do.
            columns[f"xmipp{name[0].upper()}{name[1:]}"] = [
                f"[{','.join(text.split())}]" if " " in text else text for text in table[name]
            ]
    return pd.DataFrame(columns)


def _mend_ctf(particles: pd.DataFrame, *, source: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Make underfocus and amplitude contrast positive where the file has the signs of Xmipp 2."""
    notes, columns = [], {}
    names = [name for name in ("rlnDefocusU", "rlnDefocusV") if name in particles.columns]
    values = [parse_numbers(particles[name], source=source) for name in names]
    if names and all((each < 0).all() for each in values):
        columns |= {name: -each for name, each in zip(names, values, strict=True)}
        notes.append("all defoci are negative, as Xmipp 2 wrote underfocus: their sign was turned")
    if "rlnAmplitudeContrast" in particles.columns:
        contrast = parse_numbers(particles["rlnAmplitudeContrast"], source=source)
        if (contrast < 0).any():
            columns["rlnAmplitudeContrast"] = np.abs(contrast)
            notes.append("negative amplitude contrasts (_ctfQ0) were made positive")
    return particles.assign(**columns), tuple(notes)
