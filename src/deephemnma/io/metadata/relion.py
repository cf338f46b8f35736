"""RELION star files: the table of particles and the table of optics groups."""

import re
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
from deephemnma.io.atomic import require_file, write_beside

IMAGE = "rlnImageName"
GROUP = "rlnOpticsGroup"
EULER_COLUMNS = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
ORIGIN_COLUMNS = ["rlnOriginXAngst", "rlnOriginYAngst"]
PIXEL_ORIGIN_COLUMNS = ["rlnOriginX", "rlnOriginY"]
GROUP_COLUMNS = ["rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast", "rlnCtfDataArePhaseFlipped"]
AMPLITUDE_PREFIX = "deephemnmaAmplitude"
STATUS = "deephemnmaStatus"
SCORE = "deephemnmaScore"
VERSION_LINE = "# version 30001"  # as RELION 3.1 marks its files
FLOAT_FORMAT = "%.10g"  # the library's default, %.6f, loses small values


def read_particle_tables(path: Path | str) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Read the particles and the optics groups of a star file, columns as they stand there.

    Returns
    -------
    table
        One row an image.
    optics_table
        One row an optics group; None before RELION 3.1.

    Raises
    ------
    InputError
        If the file is missing, is not a star file, or no table of it has ``rlnImageName``.
    """
    path = require_file(path, "a star file of particles")
    blocks = _read_blocks(path)
    found = [name for name, block in blocks.items() if IMAGE in block.columns]
    if not found:
        columns = ", ".join(f"data_{name}" for name in blocks) or "no table"
        raise InputError(f"{path} holds {columns}, but no column {IMAGE}: give the star file of the particles.")
    if len(found) > 1 and "particles" not in found:
        raise InputError(f"{path} holds several tables of images ({', '.join(found)}): keep one, data_particles.")
    table = blocks["particles" if "particles" in found else found[0]]
    optics_table = blocks.get("optics")
    if optics_table is not None and GROUP not in optics_table.columns:
        raise InputError(f"{path} has a table data_optics without the column {GROUP}: add it.")
    return table.reset_index(drop=True), optics_table


def write_particle_star(
    path: Path | str,
    *,
    table: pd.DataFrame,
    optics_table: pd.DataFrame,
    estimates: Estimates | None = None,
) -> None:
    """Write a RELION 3.1 star file.

    Parameters
    ----------
    path
        Destination.
    table, optics_table
        As in :class:`~deephemnma.io.particles.ParticleStack` or from :func:`make_particle_table`.
    estimates
        Set RELION's angles and origins, and add ``deephemnmaAmplitude<mode>``, ``deephemnmaStatus`` and
        ``deephemnmaScore``; the rows written are then those of the estimates, in their order.

    Raises
    ------
    InputError
        If an image of `estimates` is not in `table`.
    """
    if estimates is not None:
        pixel_size = float(optics_table["rlnImagePixelSize"].iloc[0])
        table = _set_estimates(table, estimates, pixel_size=pixel_size)
    blocks = {"optics": optics_table, "particles": table}
    text = starfile.to_string(blocks, float_format=FLOAT_FORMAT, na_rep="nan")
    # The library's first line tells the time; equal content must give equal files, for inputs are hashed.
    _, _, body = text.partition("\n")
    with write_beside(path) as temporary:
        temporary.write_text(f"{VERSION_LINE}\n{body}", encoding="utf-8")


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
        table = _set_poses(table, poses, pixel_size=pixel_size)
    if optics is not None:
        table = table.assign(**_make_optics_columns(optics))
    table, optics_table = make_optics_table(table, pixel_size=pixel_size, box_size=box_size)
    return table.drop(columns=[name for name in GROUP_COLUMNS if name in table.columns]), optics_table


def make_optics_table(table: pd.DataFrame, *, pixel_size: float, box_size: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `table` with the number of each row's optics group, and the table of the groups.

    A group is a set of rows of one voltage, aberration and amplitude contrast, which every row keeps.
    """
    columns = [name for name in GROUP_COLUMNS if name in table.columns]
    groups = table[columns].drop_duplicates(ignore_index=True) if columns else pd.DataFrame(index=[0])
    numbers = table.groupby(columns, sort=False, dropna=False).ngroup() + 1 if columns else 1
    optics_table = groups.assign(
        **{GROUP: np.arange(1, len(groups) + 1)},
        rlnOpticsGroupName=[f"opticsGroup{number}" for number in range(1, len(groups) + 1)],
        rlnImagePixelSize=float(pixel_size),
        rlnImageSize=box_size,
        rlnImageDimensionality=2,
    )
    return table.assign(**{GROUP: numbers}), optics_table


def _read_blocks(path: Path) -> dict[str, pd.DataFrame]:
    text = path.read_text(encoding="utf-8", errors="replace")
    # Names may look like numbers (a micrograph "0012"), and must come back as they were.
    names = sorted(set(re.findall(r"^\s*_(\w*Name)\b", text, flags=re.MULTILINE)))
    try:
        blocks = starfile.read(path, always_dict=True, parse_as_string=names)
    except Exception as error:
        raise InputError(f"{path} cannot be read as a star file ({type(error).__name__}: {error}).") from None
    return {name: block if isinstance(block, pd.DataFrame) else pd.DataFrame([block]) for name, block in blocks.items()}


def _set_poses(table: pd.DataFrame, poses: Poses, *, pixel_size: float) -> pd.DataFrame:
    euler = torch.rad2deg(rotation_to_euler(poses.rotations.double())).cpu().numpy()
    shifts = poses.shifts.double().cpu().numpy()
    columns = dict(zip(EULER_COLUMNS, euler.T, strict=True)) | dict(zip(ORIGIN_COLUMNS, shifts.T, strict=True))
    # Origins in pixels, if the file has them, must not contradict the new ones.
    for axis, name in enumerate(PIXEL_ORIGIN_COLUMNS):
        if name in table.columns:
            columns[name] = shifts[:, axis] / pixel_size
    return table.assign(**columns)


def _set_estimates(table: pd.DataFrame, estimates: Estimates, *, pixel_size: float) -> pd.DataFrame:
    rows = pd.Index(table[IMAGE]).get_indexer(list(estimates.names))
    if (rows < 0).any():
        name = estimates.names[int(np.flatnonzero(rows < 0)[0])]
        raise InputError(f"The estimates hold image {name!r}, which the particles do not: give their own star file.")
    amplitudes = estimates.amplitudes.double().cpu().numpy()
    chosen = _set_poses(table.iloc[rows].reset_index(drop=True), estimates.poses, pixel_size=pixel_size)
    return chosen.assign(
        **{f"{AMPLITUDE_PREFIX}{number}": amplitudes[:, k] for k, number in enumerate(estimates.mode_numbers)},
        **{STATUS: [str(status) for status in estimates.status], SCORE: estimates.score.double().cpu().numpy()},
    )


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
    return columns | {"rlnCtfDataArePhaseFlipped": int(optics.phase_flipped)}
