"""Xmipp's metadata (``.xmd``) as text, and what its columns are called in RELION."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from deephemnma.core.error import InputError
from deephemnma.io.atomic import require_file, write_beside
from deephemnma.io.metadata.number import parse_number, parse_numbers
from deephemnma.io.metadata.particle_tables import IMAGE, PIXEL_SIZE
from deephemnma.io.metadata.star_text import read_star_blocks

XMIPP_IMAGE, ENABLED, FLIP = "image", "enabled", "flip"
DISPLACEMENTS, OLD_DISPLACEMENTS = "nmaDisplacements", "NMADisplacements"  # the latter until about 2020
XMIPP_ANGLES = ["angleRot", "angleTilt", "anglePsi"]
XMIPP_SHIFTS = ["shiftX", "shiftY"]
RELION_NAMES = {
    XMIPP_IMAGE: IMAGE,
    "angleRot": "rlnAngleRot",
    "angleTilt": "rlnAngleTilt",
    "anglePsi": "rlnAnglePsi",
    "shiftX": "rlnOriginX",
    "shiftY": "rlnOriginY",
    "ctfVoltage": "rlnVoltage",
    "ctfSphericalAberration": "rlnSphericalAberration",
    "ctfQ0": "rlnAmplitudeContrast",
    "ctfDefocusU": "rlnDefocusU",
    "ctfDefocusV": "rlnDefocusV",
    "ctfDefocusAngle": "rlnDefocusAngle",
    "ctfPhaseShift": "rlnPhaseShift",
    "samplingRate": PIXEL_SIZE,
    "micrograph": "rlnMicrographName",
    "xcoor": "rlnCoordinateX",
    "ycoor": "rlnCoordinateY",
}
_UNSAFE = re.compile(r"\s|^[#_'\"]|^(data_|loop_)")
HEAD = "# XMIPP_STAR_1 * \n# \n"


def read_xmipp_table(path: Path | str) -> pd.DataFrame:
    """Return the rows of the first table with images, enabled or not, as text; old names of columns are renewed.

    Raises
    ------
    InputError
        If the file is missing, no STAR file, has no table with a column ``_image``, or ``_enabled`` is no number.
    """
    path = require_file(path, "metadata of Xmipp (.xmd)")
    for block in read_star_blocks(path).values():
        if XMIPP_IMAGE in block.columns:
            if ENABLED in block.columns:
                parse_numbers(block[ENABLED], source=str(path))
            return block.rename(columns={OLD_DISPLACEMENTS: DISPLACEMENTS})
    raise InputError(f"{path} has no column _image: give metadata of images as Xmipp or Scipion write it.")


def drop_disabled(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are not disabled (``_enabled`` -1)."""
    if ENABLED not in table.columns:
        return table
    return table[pd.to_numeric(table[ENABLED]) != -1].reset_index(drop=True)


def write_xmipp_table(path: Path | str, table: pd.DataFrame) -> None:
    """Write `table` as Xmipp's metadata; values with blanks stand in quotes."""
    columns = [_format_column(table[name]) for name in table.columns]
    lines = [" ".join(row) for row in zip(*columns, strict=True)]
    head = "".join(f" _{name}\n" for name in table.columns)
    with write_beside(path) as temporary:
        temporary.write_text(f"{HEAD}data_particles\nloop_\n{head}{chr(10).join(lines)}\n", encoding="utf-8")


def _format_column(values: pd.Series) -> list[str]:
    if values.dtype.kind == "f":
        return [f"{value:.10g}" for value in values]
    return [_quote(str(value)) for value in values]


def _quote(text: str) -> str:
    """Return a value as it can stand in a row: in quotes where it would be read as several, a comment or a head."""
    if text and not _UNSAFE.search(text):
        return text
    mark = '"' if "'" in text else "'"
    return f"{mark}{' '.join(text.splitlines())}{mark}"


def parse_vectors(texts: pd.Series, *, source: str, name: str = DISPLACEMENTS) -> list[list[float]]:
    """Return the numbers of each row's text, divided by blanks or commas.

    Raises
    ------
    InputError
        If one is no number.
    """
    vectors = []
    for row, text in enumerate(texts):
        try:
            vectors.append([parse_number(value) for value in str(text).strip("[]").replace(",", " ").split()])
        except ValueError:
            raise InputError(f"{source}, row {row + 1}: {name} is {text!r}, wanted numbers.") from None
        if not np.isfinite(vectors[-1]).all():
            raise InputError(f"{source}, row {row + 1}: {name} is {text!r}, wanted finite numbers.")
    return vectors
