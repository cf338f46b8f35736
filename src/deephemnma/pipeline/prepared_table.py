"""What `prepare` says of its images: the columns of the old ones, but for what is no longer true."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.io.metadata.number import parse_numbers
from deephemnma.io.metadata.particle_tables import (
    BOX_SIZE,
    FLIPPED,
    GROUP,
    IMAGE,
    ORIGIN_COLUMNS,
    ORIGINAL_NAME,
    PIXEL_SIZE,
    RECENTER_COLUMNS,
    SIGN,
    name_image,
)
from deephemnma.io.particles import ParticleSet, ParticleStack
from deephemnma.pipeline.target_grid import Grid

STALE_COLUMNS = ("rlnOriginX", "rlnOriginY", "rlnPixelSize", "rlnDetectorPixelSize", "rlnMagnification")
"""Columns of old star files in units of the old pixel; the reader has put their values in A beside them."""
GROUP_NAME = "rlnOpticsGroupName"


@dataclass(frozen=True, eq=False)
class PreparedTables:
    """Tables of a new star file.

    Attributes
    ----------
    particles
        One row an image.
    optics
        One row an optics group.
    """

    particles: pd.DataFrame
    optics: pd.DataFrame


def count_moves(particles: ParticleStack, *, source: Path) -> Int[Tensor, "images 2"]:
    """Return by how many whole pixels (x, y) each image is to be moved for its particle to come to the centre.

    Halves go away from zero, as RELION has it.

    Raises
    ------
    InputError
        If the shifts are not known.
    """
    if not set(ORIGIN_COLUMNS) <= set(particles.table.columns):
        raise InputError(
            f"--recenter moves by known shifts, but {source} has none ({ORIGIN_COLUMNS[0]}): give a file with poses, "
            "such as the estimates.star of a finished stage."
        )
    pixels = torch.from_numpy(_read_origins(particles)) / particles.pixel_size
    return (pixels.sign() * (pixels.abs() + 0.5).floor()).long()


def make_prepared_tables(
    sets: Sequence[ParticleSet],
    grid: Grid,
    *,
    stack: Path,
    moves: Sequence[Int[Tensor, "images 2"] | None],
    flip: bool,
) -> PreparedTables:
    """Return the tables of images that were brought to `grid` and lie in `stack`.

    Parameters
    ----------
    sets
        The particles before.
    grid, stack
        Of the new images.
    moves
        By how many of its pixels each image of each set was moved.
    flip
        Whether all were phase-flipped.
    """
    scales = {PIXEL_SIZE: grid.pixel_size, BOX_SIZE: grid.box_size} | ({FLIPPED: 1} if flip else {})
    tables = [_move_origins(each, moved) for each, moved in zip(sets, moves, strict=True)]
    table = pd.concat(tables).sort_index().reset_index(drop=True)
    original = table[IMAGE]
    table = table.drop(columns=[name for name in (*STALE_COLUMNS, SIGN) if name in table.columns])
    # What a particle's own column says counts over its group's.
    table = table.assign(**{name: value for name, value in scales.items() if name in table.columns})
    names = [name_image(number, str(stack)) for number in range(1, len(table) + 1)]
    table = table.assign(**{IMAGE: names, ORIGINAL_NAME: original})
    return PreparedTables(table, sets[0].particles.optics_table.assign(**scales))


def name_groups(particles: ParticleStack) -> list[str]:
    """Return the name of each optics group, in the order of the table, with its number of images."""
    optics = particles.optics_table
    names = optics[GROUP_NAME] if GROUP_NAME in optics.columns else "group " + optics[GROUP].astype(str)
    counts = particles.table[GROUP].astype(str).value_counts()
    keys = optics[GROUP].astype(str)
    return [f"{name}, {counts.get(key, 0):,} images" for name, key in zip(names, keys, strict=True)]


def _read_origins(particles: ParticleStack) -> np.ndarray:
    source = str(particles.names[0])
    return np.stack([parse_numbers(particles.table[name], source=source) for name in ORIGIN_COLUMNS], axis=1)


def _move_origins(each: ParticleSet, moves: Int[Tensor, "images 2"] | None) -> pd.DataFrame:
    """Return the set's table by the rows of the file, with what is left of the shifts, and the moves in A."""
    table = each.particles.table.drop(columns=RECENTER_COLUMNS, errors="ignore").set_index(each.rows.numpy())
    if moves is None:
        return table
    lengths = moves.numpy() * each.particles.pixel_size
    left = _read_origins(each.particles) - lengths
    columns = dict(zip(ORIGIN_COLUMNS, left.T, strict=True)) | dict(zip(RECENTER_COLUMNS, lengths.T, strict=True))
    return table.assign(**columns)
