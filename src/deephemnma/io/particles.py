"""Particles of a RELION star file: an `ImageSource` whose images stay on disk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.particle import ImageSource, Optics, Poses
from deephemnma.io.metadata.relion import (
    GROUP,
    IMAGE,
    ORIGIN_COLUMNS,
    PIXEL_ORIGIN_COLUMNS,
    make_optics_table,
    read_particle_tables,
)
from deephemnma.io.metadata.relion_column import (
    extract_amplitudes,
    extract_optics,
    extract_pixel_size,
    extract_poses,
    merge_optics,
)
from deephemnma.io.stack.mrc import StackHeader, StackReader, find_stack, read_stack_header


class ParticleStack(ImageSource):
    """The images of a star file; make one with :func:`read_particles`.

    Attributes
    ----------
    table
        One row an image, every column of the star file; origins also in A.
    optics_table
        One row an optics group (RELION 3.1), made from `table` where the file had none.
    poses
        The file's orientations and shifts, or None.
    """

    def __init__(
        self,
        *,
        table: pd.DataFrame,
        optics_table: pd.DataFrame,
        images: "_ImageIndex",
        source: str,
    ) -> None:
        self.table = table
        self.optics_table = optics_table
        self._merged = merge_optics(table, optics_table, source=source)
        self._images = images
        self._source = source
        self._names = tuple(table[IMAGE])
        self._optics = extract_optics(self._merged, optics_table, source=source)
        self.poses: Poses | None = extract_poses(self._merged, pixel_size=self.pixel_size, source=source)

    @property
    def names(self) -> tuple[str, ...]:
        """Names as in the star file."""
        return self._names

    @property
    def box_size(self) -> int:
        """Side of the square images, pixels."""
        return int(self.optics_table["rlnImageSize"].iloc[0])

    @property
    def pixel_size(self) -> float:
        """A."""
        return float(self.optics_table["rlnImagePixelSize"].iloc[0])

    @property
    def optics(self) -> Optics | None:
        """CTF parameters, or None where the star file has no defocus."""
        return self._optics

    def __getitem__(self, ids: Int[Tensor, "images"]) -> Float[Tensor, "images box box"]:
        """Read images `ids` from disk; NaN pixels come as they are."""
        rows = ids.cpu().numpy()
        if len(rows) == 0:
            return torch.empty(0, self.box_size, self.box_size)
        return torch.from_numpy(self._images.reader.read(self._images.stacks[rows], self._images.indices[rows]))

    def amplitudes(self, numbers: Sequence[int]) -> Float[Tensor, "images modes"] | None:
        """Return the file's amplitudes (A) of the modes `numbers`, or None if it lacks one of them."""
        return extract_amplitudes(self._merged, tuple(numbers), source=self._source)


class _ImageIndex:
    """Which slice of which stack each image is."""

    def __init__(self, names: list[str], *, star_path: Path, datadir: Path | None) -> None:
        self.indices, stack_names = _split_names(names, star_path)
        self.stacks, unique = pd.factorize(np.array(stack_names, dtype=object))
        self.paths = [find_stack(name, star_path=star_path, datadir=datadir) for name in unique]
        self.headers = [read_stack_header(path) for path in self.paths]
        self.reader = StackReader(self.paths)
        self._check_indices(names, star_path)
        self._check_repeats(names, star_path)

    @property
    def header(self) -> StackHeader:
        """The header that all stacks share."""
        return self.headers[0]

    def check_boxes(self) -> None:
        """Raise an `InputError` unless all stacks have images of one size."""
        for path, header in zip(self.paths, self.headers, strict=True):
            if header.box_size != self.header.box_size:
                raise InputError(
                    f"{path} holds images of {header.box_size} pixels, {self.paths[0]} of {self.header.box_size}: "
                    "only sets of one box size can be read, bring them to one size or split the file."
                )

    def _check_indices(self, names: list[str], star_path: Path) -> None:
        counts = np.array([header.count for header in self.headers])[self.stacks]
        wrong = np.flatnonzero((self.indices < 0) | (self.indices >= counts))
        if len(wrong):
            row = int(wrong[0])
            raise InputError(
                f"{star_path}, particle {row + 1}: {names[row]!r} is not in its stack, "
                f"which holds images 1 to {counts[row]}."
            )

    def _check_repeats(self, names: list[str], star_path: Path) -> None:
        resolved, _ = pd.factorize(np.array([str(path.resolve()) for path in self.paths], dtype=object))
        pairs = pd.DataFrame({"stack": resolved[self.stacks], "index": self.indices})
        repeated = np.flatnonzero(pairs.duplicated().to_numpy())
        if len(repeated):
            row = int(repeated[0])
            first = int(np.flatnonzero((pairs == pairs.iloc[row]).all(axis=1))[0])
            raise InputError(
                f"{star_path}: particles {first + 1} ({names[first]!r}) and {row + 1} ({names[row]!r}) "
                "are one image: remove one of them."
            )


def read_particles(
    path: Path | str, *, datadir: Path | str | None = None, pixel_size: float | None = None
) -> ParticleStack:
    """Read a star file of RELION 3.0 or older, or 3.1 or newer; images are read from disk when asked for.

    Parameters
    ----------
    path
        The star file.
    datadir
        Folder from which the paths of the stacks start, if they are not found from the star file.
    pixel_size
        A; overrides the file's. Without it: the optics table's, the particles' (``rlnPixelSize``, or
        ``rlnDetectorPixelSize`` and ``rlnMagnification``), or that of the stack's header.

    Raises
    ------
    InputError
        If a file or column is missing, a stack is not found or truncated, an image is not in its stack or occurs
        twice, an optics group is unknown, or box or pixel sizes differ.
    """
    path = Path(path)
    table, optics_table = read_particle_tables(path)
    if len(table) == 0:
        raise InputError(f"{path} holds no particles: give a star file with at least one row.")
    merged = merge_optics(table, optics_table, source=str(path))
    images = _ImageIndex(list(table[IMAGE]), star_path=path, datadir=None if datadir is None else Path(datadir))
    images.check_boxes()
    box_size = images.header.box_size
    _check_image_size(merged, box_size, path)
    stated = pixel_size or extract_pixel_size(merged, source=str(path)) or images.header.pixel_size
    if stated is None:
        raise InputError(f"{path} gives no pixel size (rlnImagePixelSize), nor do its stacks: add the column.")
    table = _add_origins(table, stated)
    if optics_table is None:
        table, optics_table = make_optics_table(table, pixel_size=stated, box_size=box_size)
    else:
        table = table.assign(**{GROUP: merged[GROUP]})
        optics_table = optics_table.assign(rlnImagePixelSize=stated, rlnImageSize=box_size, rlnImageDimensionality=2)
    return ParticleStack(table=table, optics_table=optics_table, images=images, source=str(path))


def _split_names(names: list[str], star_path: Path) -> tuple[np.ndarray, list[str]]:
    """Return the index from 0 and the stack of each name; a name without ``@`` is the first image of its file."""
    indices, stacks = [], []
    for row, name in enumerate(names):
        number, _, stack = name.rpartition("@")
        if (number and not number.isdigit()) or not stack:
            raise InputError(f"{star_path}, particle {row + 1}: {IMAGE} is {name!r}, wanted 000001@stack.mrcs.")
        indices.append(int(number or 1) - 1)
        stacks.append(stack)
    return np.array(indices, dtype=np.int64), stacks


def _check_image_size(merged: pd.DataFrame, box_size: int, path: Path) -> None:
    if "rlnImageSize" not in merged.columns:
        return
    wrong = merged["rlnImageSize"] != box_size
    if wrong.any():
        stated = merged["rlnImageSize"][wrong].iloc[0]
        raise InputError(
            f"{path} says that images have {stated} pixels (rlnImageSize), but those of the stacks have {box_size}: "
            "correct the optics table, or check that the stacks are the right ones."
        )


def _add_origins(table: pd.DataFrame, pixel_size: float) -> pd.DataFrame:
    """Add origins in A where the file has them in pixels, for RELION 3.1 reads no others."""
    if ORIGIN_COLUMNS[0] in table.columns or PIXEL_ORIGIN_COLUMNS[0] not in table.columns:
        return table
    pairs = zip(ORIGIN_COLUMNS, PIXEL_ORIGIN_COLUMNS, strict=True)
    return table.assign(**{in_angstrom: table[in_pixels] * pixel_size for in_angstrom, in_pixels in pairs})
