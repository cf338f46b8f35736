"""RELION's star files: the table of particles and the table of optics groups, read and written."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import starfile
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.rotation import rotation_to_euler
from deephemnma.io.atomic import write_beside
from deephemnma.io.metadata.number import parse_numbers
from deephemnma.io.metadata.particle_tables import (
    BOX_SIZE,
    DIMENSIONS,
    EULER_COLUMNS,
    FLIPPED,
    GROUP,
    GROUP_COLUMNS,
    IMAGE,
    ORIGIN_COLUMNS,
    PIXEL_ORIGIN_COLUMNS,
    PIXEL_SIZE,
    ParticleTables,
)

AMPLITUDE_PREFIX = "deephemnmaAmplitude"
STATUS = "deephemnmaStatus"
SCORE = "deephemnmaScore"
VERSION = "30001"
"""As RELION 3.1 and 4 mark their star files; 5 marks them 50001 and has the same columns."""
FLOAT_FORMAT = "%.10g"  # the library's default, %.6f, loses small values
TOMOGRAM = ("rlnTomoName", "rlnTomoParticleName")
ABERRATIONS = ("rlnBeamTiltX", "rlnBeamTiltY", "rlnOddZernike", "rlnEvenZernike", "rlnMagMat00")
ENVELOPE = {"rlnCtfBfactor": 0.0, "rlnCtfScalefactor": 1.0}
"""What RELION multiplies the CTF with, and the values that change nothing."""


def make_relion_tables(blocks: dict[str, pd.DataFrame], path: Path) -> ParticleTables:
    """Return the particles and optics groups among the tables of a star file.

    Raises
    ------
    InputError
        If there is not one table of images, it is empty or about subtomograms, or the optics groups have no numbers.
    """
    found = [name for name, block in blocks.items() if IMAGE in block.columns]
    if len(found) > 1 and "particles" not in found:
        raise InputError(f"{path} holds several tables of images ({', '.join(found)}): keep one, data_particles.")
    particles, optics = blocks["particles" if "particles" in found else found[0]], blocks.get("optics")
    if len(particles) == 0:
        raise InputError(f"{path} holds no particles: give a star file with at least one row.")
    if optics is not None and (GROUP not in optics.columns or len(optics) == 0):
        raise InputError(f"{path} has a table data_optics without {GROUP}: add the column and a row a group.")
    _refuse_subtomograms(particles, optics, path)
    program = "RELION 3.0 or older" if optics is None else "RELION 3.1 or newer"
    return ParticleTables(particles, optics, path, program, _find_remarks(particles, optics))


def _refuse_subtomograms(particles: pd.DataFrame, optics: pd.DataFrame | None, path: Path) -> None:
    solid = optics is not None and DIMENSIONS in optics.columns and optics[DIMENSIONS].astype(str).eq("3").any()
    named = next((name for name in TOMOGRAM if name in particles.columns), None)
    if solid or named:
        reason = f"{DIMENSIONS} 3" if solid else named
        raise InputError(f"{path} is about subtomograms ({reason}): give 2D particle images.")


def _find_remarks(particles: pd.DataFrame, optics: pd.DataFrame | None) -> tuple[str, ...]:
    parts = [particles] if optics is None else [particles, optics]
    found = [name for part in parts for name in ABERRATIONS if name in part.columns]
    found += [
        f"{name} other than {usual:g}"
        for part in parts
        for name, usual in ENVELOPE.items()
        if name in part.columns and (pd.to_numeric(part[name], errors="coerce") != usual).any()
    ]
    return (f"{', '.join(found)}: not part of our CTF, left aside",) if found else ()


def write_particle_star(
    path: Path | str,
    *,
    table: pd.DataFrame,
    optics_table: pd.DataFrame,
    estimates: Estimates | None = None,
    version: str = VERSION,
) -> None:
    """Write a star file of RELION 3.1 or newer.

    Parameters
    ----------
    path
        Destination.
    table, optics_table
        As in :class:`~deephemnma.io.particles.ParticleStack` or from :func:`make_particle_table`. Columns of text are
        written as they stand.
    estimates
        Set RELION's angles and origins, and add ``deephemnmaAmplitude<mode>``, ``deephemnmaStatus`` and
        ``deephemnmaScore``; the rows written are then those of the estimates, in their order.
    version
        Of the format, for the first line.

    Raises
    ------
    InputError
        If an image of `estimates` is not in `table`.
    """
    if estimates is not None:
        table = set_estimates(table, estimates, pixel_sizes=_find_pixel_sizes(table, optics_table))
    blocks = {"optics": optics_table, "particles": table}
    text = starfile.to_string(blocks, float_format=FLOAT_FORMAT, na_rep="nan")
    # The library's first line tells the time; equal content must give equal files, for inputs are hashed.
    _, _, body = text.partition("\n")
    with write_beside(path) as temporary:
        temporary.write_text(f"# version {version}\n{body}", encoding="utf-8")


def make_particle_table(
    names: Sequence[str],
    *,
    pixel_size: float,
    box_size: int,
    poses: Poses | None = None,
    optics: Optics | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the particle and optics tables of a new set of images.

    Parameters
    ----------
    names
        ``000001@stack.mrcs`` for each image.
    pixel_size, box_size
        A, pixels.
    poses, optics
        Of each image; None leaves their columns out.

    Returns
    -------
    table, optics_table
        As RELION 3.1 names their columns.
    """
    table = pd.DataFrame({IMAGE: list(names)})
    if poses is not None:
        table = set_poses(table, poses, pixel_sizes=np.full(len(table), pixel_size))
    if optics is not None:
        table = table.assign(**_make_optics_columns(optics))
    scales = pd.DataFrame({PIXEL_SIZE: float(pixel_size), BOX_SIZE: box_size}, index=table.index)
    table, optics_table = make_optics_table(table, scales=scales)
    return table.drop(columns=[name for name in GROUP_COLUMNS if name in table.columns]), optics_table


def make_optics_table(table: pd.DataFrame, *, scales: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `table` with the number of each row's optics group, and the table of the groups.

    A group is a set of rows of one voltage, aberration, amplitude contrast and scale, which every row keeps.

    Parameters
    ----------
    scales
        Pixel size and box of each row: the columns `PIXEL_SIZE` and `BOX_SIZE`.
    """
    columns = table[[name for name in GROUP_COLUMNS if name in table.columns]].assign(
        **{name: scales[name].to_numpy() for name in (PIXEL_SIZE, BOX_SIZE)}
    )
    groups = columns.drop_duplicates(ignore_index=True)
    numbers = columns.groupby(list(columns.columns), sort=False, dropna=False).ngroup() + 1
    optics_table = groups.drop(columns=[PIXEL_SIZE, BOX_SIZE]).assign(
        **{GROUP: np.arange(1, len(groups) + 1)},
        rlnOpticsGroupName=[f"opticsGroup{number}" for number in range(1, len(groups) + 1)],
        **{name: groups[name] for name in (PIXEL_SIZE, BOX_SIZE)},
        **{DIMENSIONS: 2},
    )
    return table.assign(**{GROUP: numbers}), optics_table


def set_poses(table: pd.DataFrame, poses: Poses, *, pixel_sizes: np.ndarray) -> pd.DataFrame:
    """Return `table` with RELION's angles and origins of `poses`, row by row; `pixel_sizes` (A) of each row."""
    euler = torch.rad2deg(rotation_to_euler(poses.rotations.double())).cpu().numpy()
    shifts = poses.shifts.double().cpu().numpy()
    columns = dict(zip(EULER_COLUMNS, euler.T, strict=True)) | dict(zip(ORIGIN_COLUMNS, shifts.T, strict=True))
    # Origins in pixels, if the file has them, must not contradict the new ones.
    for axis, name in enumerate(PIXEL_ORIGIN_COLUMNS):
        if name in table.columns:
            columns[name] = shifts[:, axis] / pixel_sizes
    return table.assign(**columns)


def set_estimates(table: pd.DataFrame, estimates: Estimates, *, pixel_sizes: np.ndarray) -> pd.DataFrame:
    """Return the rows of the images of `estimates`, with these in RELION's columns and our own.

    Raises
    ------
    InputError
        If an image of `estimates` is not in `table`.
    """
    rows = pd.Index(table[IMAGE]).get_indexer(list(estimates.names))
    if (rows < 0).any():
        name = estimates.names[int(np.flatnonzero(rows < 0)[0])]
        raise InputError(f"The estimates hold image {name!r}, which the particles do not: give their own star file.")
    chosen = table.iloc[rows].reset_index(drop=True)
    chosen = set_poses(chosen, estimates.poses, pixel_sizes=pixel_sizes[rows])
    return chosen.assign(**make_estimate_columns(estimates))


def make_estimate_columns(estimates: Estimates) -> dict[str, object]:
    """Return our own columns of a star file: amplitudes (A), status and score."""
    amplitudes = estimates.amplitudes.double().cpu().numpy()
    columns: dict[str, object] = {
        f"{AMPLITUDE_PREFIX}{number}": amplitudes[:, k] for k, number in enumerate(estimates.mode_numbers)
    }
    return columns | {
        STATUS: [str(status) for status in estimates.status],
        SCORE: estimates.score.double().cpu().numpy(),
    }


def _find_pixel_sizes(table: pd.DataFrame, optics_table: pd.DataFrame) -> np.ndarray:
    """Return the pixel size (A) of each row's optics group."""
    by_group = optics_table.set_index(optics_table[GROUP].astype(str))[PIXEL_SIZE]
    return parse_numbers(by_group.loc[table[GROUP].astype(str)], source="data_optics")


def _make_optics_columns(optics: Optics) -> dict[str, np.ndarray | int]:
    values = {
        "rlnVoltage": optics.voltage_kv,
        "rlnSphericalAberration": optics.cs_mm,
        "rlnAmplitudeContrast": optics.amplitude_contrast,
        "rlnDefocusU": optics.defocus_u,
        "rlnDefocusV": optics.defocus_v,
        "rlnDefocusAngle": torch.rad2deg(optics.defocus_angle.double()),
        "rlnPhaseShift": torch.rad2deg(optics.phase_shift.double()),
    }
    columns = {name: tensor.double().cpu().numpy() for name, tensor in values.items()}
    return columns | {FLIPPED: int(optics.phase_flipped)}
