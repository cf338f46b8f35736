"""The noun of this folder: what a file says of particles, in RELION's columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from deephemnma.core.error import InputError
from deephemnma.io.metadata.image_name import is_count, split_name

IMAGE = "rlnImageName"
GROUP = "rlnOpticsGroup"
EULER_COLUMNS = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
ORIGIN_COLUMNS = ["rlnOriginXAngst", "rlnOriginYAngst"]
PIXEL_ORIGIN_COLUMNS = ["rlnOriginX", "rlnOriginY"]
DEFOCUS = ["rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"]
MICROSCOPE = ["rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"]
FLIPPED = "rlnCtfDataArePhaseFlipped"
GROUP_COLUMNS = [*MICROSCOPE, FLIPPED]
PIXEL_SIZE, BOX_SIZE, DIMENSIONS = "rlnImagePixelSize", "rlnImageSize", "rlnImageDimensionality"
SIGN = "deephemnmaContrastSign"
"""1 where protein is white in the stored images, -1 where it is dark and they are to be inverted on reading."""
UID = "cryosparcUid"
ORIGINAL_NAME = "rlnImageOriginalName"
RECENTER_COLUMNS = ["deephemnmaRecenterXAngst", "deephemnmaRecenterYAngst"]
"""By how far (A) `prepare` moved what the original image shows."""


@dataclass(frozen=True)
class ParticleTables:
    """What a file says of particles.

    Attributes
    ----------
    particles
        One row an image, with RELION's columns as RELION 3.1 names them or older versions did; the values of star
        files are text, digit by digit. Columns that are not RELION's keep their name behind that of the program.
    optics
        One row an optics group, RELION's data_optics; None where the file has no groups.
    path
        The file.
    program
        Which wrote it, in words.
    remarks
        What was decided on reading, one sentence each.
    """

    particles: pd.DataFrame
    optics: pd.DataFrame | None
    path: Path
    program: str
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.particles)

    @property
    def names(self) -> list[str]:
        """Name of each image, ``000001@stack.mrcs``."""
        return self.particles[IMAGE].tolist()


def name_image(number: int, stack: str) -> str:
    """Return the name that RELION gives image `number` (from 1) of `stack`."""
    return f"{number:06d}@{stack}"


def split_names(names: Sequence[str], source: Path | str) -> tuple[np.ndarray, list[str]]:
    """Return the number from 0 and the stack of each name; a name without ``@`` is the first image of its file.

    Raises
    ------
    InputError
        If a name is none.
    """
    indices, stacks = [], []
    for row, name in enumerate(names):
        number, stack = split_name(name)
        if not is_count(number) or not stack:
            raise InputError(f"{source}, particle {row + 1}: {IMAGE} is {name[:200]!r}, wanted 000001@stack.mrcs.")
        indices.append(int(number) - 1)
        stacks.append(stack)
    return np.array(indices, dtype=np.int64), stacks
