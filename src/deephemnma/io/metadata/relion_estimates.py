"""Estimates from a star file: our columns, or another program's poses."""

from collections.abc import Iterable
from pathlib import Path

import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status
from deephemnma.io.metadata.number import parse_numbers
from deephemnma.io.metadata.particle_tables import ORIGIN_COLUMNS
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.metadata.relion import SCORE, STATUS
from deephemnma.io.metadata.relion_column import (
    extract_amplitudes,
    extract_mode_numbers,
    extract_pixel_sizes,
    extract_poses,
    merge_optics,
)


def read_star_estimates(path: Path | str, *, pixel_size: float | None = None) -> Estimates:
    """Read poses and any amplitudes, status and score of our own; without a status column images are ``given``.

    Parameters
    ----------
    path
        Star file of RELION or cisTEM.
    pixel_size
        A, of origins in pixels where the file does not say.

    Raises
    ------
    InputError
        If the file is missing or has no angles.
    """
    source = str(path)
    tables = read_particle_tables(path)
    merged = merge_optics(tables)
    in_angstrom = all(name in merged.columns for name in ORIGIN_COLUMNS)
    sizes = None if in_angstrom else extract_pixel_sizes(merged, source=source)
    if sizes is not None and sizes.min() != sizes.max():
        raise InputError(f"{path} has origins in pixels of several sizes: give them in A (rlnOriginXAngst).")
    poses = extract_poses(merged, pixel_size=pixel_size if sizes is None else float(sizes[0]), source=source)
    if poses is None:
        raise InputError(f"{path} has no angles (rlnAngleRot, rlnAngleTilt, rlnAnglePsi): there is no pose to take.")
    numbers = extract_mode_numbers(merged)
    n_images, n_parameters = len(merged), len(numbers) + 5
    score = [torch.nan] * n_images
    if SCORE in merged.columns:
        score = parse_numbers(merged[SCORE], source=source, may_be_nan=True)
    status = merged[STATUS] if STATUS in merged.columns else [Status.GIVEN] * n_images
    return Estimates(
        names=tuple(tables.names),
        poses=poses,
        amplitudes=extract_amplitudes(merged, numbers, source=source),
        covariance=torch.full((n_images, n_parameters, n_parameters), torch.nan, dtype=torch.float64),
        score=torch.as_tensor(score, dtype=torch.float64),
        status=parse_status(status, source=source),
        mode_numbers=numbers,
    )


def parse_status(values: Iterable[str], *, source: str) -> tuple[Status, ...]:
    """Return the status of each row of a table.

    Raises
    ------
    InputError
        If one is none of ours.
    """
    values = list(values)
    unknown = next((row for row, value in enumerate(values) if value not in set(Status)), None)
    if unknown is not None:
        raise InputError(
            f"{source}, row {unknown + 1}: the status is {values[unknown]!r}, but must be one of {', '.join(Status)}."
        )
    return tuple(map(Status, values))
