"""What a case of the corpus is, and sound files that the cases spoil."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np

Build = Callable[[Path], list[str]]
"""Writes the files of a case into a folder and returns the command line."""


@dataclass(frozen=True)
class Case:
    """A broken input: how it is made, and what the one line about it must match."""

    name: str
    build: Build
    message: str


COUNT, BOX_SIZE, PIXEL_SIZE = 4, 8, 1.3
IMAGES = ((np.arange(COUNT * BOX_SIZE**2) * 37) % 201 - 100).reshape(COUNT, BOX_SIZE, BOX_SIZE).astype(np.float32)
"""Whole numbers from -100 to 100, which every type of pixel holds."""
DEFOCI = [12001.0, 12002.0, 12003.0, 12004.0]

STAR = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
_rlnImageDimensionality #8
1 opticsGroup1 300.0 2.7 0.1 1.3 8 2

# version 30001

data_particles

loop_
_rlnImageName #1
_rlnAngleRot #2
_rlnAngleTilt #3
_rlnAnglePsi #4
_rlnOriginXAngst #5
_rlnOriginYAngst #6
_rlnDefocusU #7
_rlnDefocusV #8
_rlnDefocusAngle #9
_rlnOpticsGroup #10
000001@s.mrcs 10.0 21.0 31.0 0.5 -0.5 12001.0 11001.0 45.0 1
000002@s.mrcs 11.0 22.0 32.0 0.5 -0.5 12002.0 11002.0 45.0 1
000003@s.mrcs 12.0 23.0 33.0 0.5 -0.5 12003.0 11003.0 45.0 1
000004@s.mrcs 13.0 24.0 34.0 0.5 -0.5 12004.0 11004.0 45.0 1
"""
"""Of RELION 3.1; row 3 of the particles stands on line 34."""

OLD_STAR = """
data_

loop_
_rlnImageName #1
_rlnVoltage #2
_rlnSphericalAberration #3
_rlnAmplitudeContrast #4
_rlnDefocusU #5
_rlnDefocusV #6
_rlnDefocusAngle #7
_rlnMagnification #8
_rlnDetectorPixelSize #9
000001@s.mrcs 300.0 2.7 0.1 12001.0 11001.0 45.0 100000 13.0
000002@s.mrcs 300.0 2.7 0.1 12002.0 11002.0 45.0 100000 13.0
000003@s.mrcs 300.0 2.7 0.1 12003.0 11003.0 45.0 100000 13.0
000004@s.mrcs 300.0 2.7 0.1 12004.0 11004.0 45.0 100000 13.0
"""
"""Of RELION 3.0."""


def write_stack(path: Path, images: np.ndarray = IMAGES, *, pixel_size: float = PIXEL_SIZE) -> Path:
    """Write an MRC stack; the type of the pixels is that of the array."""
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(images)
        mrc.set_image_stack()
        mrc.voxel_size = pixel_size
    return path


def write_bytes(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def check(path: Path, *options: str) -> list[str]:
    return ["check", "--particles", str(path), *options]


def edit(text: str, *pairs: tuple[str, str]) -> str:
    """Replace each first text by the second, everywhere; it must be there."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def star(text: str | bytes, *options: str, name: str = "a.star") -> Build:
    """Make a case of a star file, beside its stack."""

    def build(folder: Path) -> list[str]:
        write_stack(folder / "s.mrcs")
        return check(write_bytes(folder / name, text if isinstance(text, bytes) else text.encode()), *options)

    return build


def edited(*pairs: tuple[str, str]) -> Build:
    """Make a case of the sound star file with some texts replaced."""
    return star(edit(STAR, *pairs))


def edited_old(*pairs: tuple[str, str]) -> Build:
    """Make a case of the old star file with some texts replaced."""
    return star(edit(OLD_STAR, *pairs))


def without(name: str, *, text: str = STAR) -> str:
    """Return the star file without a column."""
    lines, table = text.split("\n"), 0
    heads = [row for row, line in enumerate(lines) if line.startswith(f"_{name} ")]
    assert heads
    for head in reversed(heads):
        column = int(lines[head].split("#")[1]) - 1
        table = head
        while lines[table].startswith("_"):
            table += 1
        while table < len(lines) and lines[table].strip():
            values = lines[table].split()
            lines[table] = " ".join(values[:column] + values[column + 1 :])
            table += 1
        del lines[head]
    return "\n".join(lines)
