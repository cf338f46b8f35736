"""From which images others were made: `prepare` names its images anew, and selections go back to the old ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from deephemnma.io.metadata.image_name import find_images
from deephemnma.io.metadata.number import parse_numbers
from deephemnma.io.metadata.particle_tables import IMAGE, ORIGINAL_NAME, RECENTER_COLUMNS, ParticleTables
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.pipeline.particles import ESTIMATES_STAR


@dataclass(frozen=True)
class Origin:
    """The image that another was made from.

    Attributes
    ----------
    name
        Of the original.
    move
        By how far what it shows was moved, x y, A.
    """

    name: str
    move: tuple[float, float] = (0.0, 0.0)


def read_origins(estimates: Path) -> dict[str, Origin]:
    """Return the origin of each image of estimates, as the star file beside says; none where there is no such file."""
    star = estimates if estimates.suffix == ".star" else _find_star(estimates)
    if not star.exists():
        return {}
    table = read_particle_tables(star).particles
    if ORIGINAL_NAME not in table.columns:
        return {}
    moves = _read_moves(table, source=str(star)).tolist()
    origins = (Origin(name, tuple(move)) for name, move in zip(table[ORIGINAL_NAME], moves, strict=True))
    return dict(zip(table[IMAGE], origins, strict=True))


def find_rows(names: Sequence[str], tables: ParticleTables, *, origins: dict[str, Origin]) -> list[int | None]:
    """Return the row of each image in `tables`: under its own name, that of its origin, or another program's."""
    row_of = {name: row for row, name in enumerate(tables.names)}
    rows = [row_of.get(name) for name in names]
    if any(row is not None for row in rows):
        return rows
    return find_images([origins[name].name if name in origins else name for name in names], tables.names)


def _find_star(estimates: Path) -> Path:
    return (estimates if estimates.is_dir() else estimates.parent) / ESTIMATES_STAR


def _read_moves(table: pd.DataFrame, *, source: str) -> np.ndarray:
    if not set(RECENTER_COLUMNS) <= set(table.columns):
        return np.zeros((len(table), 2))
    return np.stack([parse_numbers(table[name], source=source) for name in RECENTER_COLUMNS], axis=1)
