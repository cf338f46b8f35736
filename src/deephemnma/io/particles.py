"""Particles of any program's file: `ImageSource`s whose images stay on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.particle import ImageSource, Optics, Poses
from deephemnma.io.metadata.number import check_whole, parse_numbers
from deephemnma.io.metadata.particle_tables import (
    BOX_SIZE,
    DIMENSIONS,
    GROUP,
    ORIGIN_COLUMNS,
    PIXEL_ORIGIN_COLUMNS,
    PIXEL_SIZE,
    SIGN,
    ParticleTables,
    split_names,
)
from deephemnma.io.metadata.reader import read_particle_tables
from deephemnma.io.metadata.relion import make_optics_table
from deephemnma.io.metadata.relion_column import (
    extract_amplitudes,
    extract_optics,
    extract_pixel_sizes,
    extract_poses,
    merge_optics,
)
from deephemnma.io.stack.index import ImageIndex, make_image_index
from deephemnma.io.stack.layout import LARGEST_SIDE

PIXEL_TOLERANCE = 1e-4  # relative


class ParticleStack(ImageSource):
    """Images of one box and pixel size; make one with :func:`read_particles`.

    Attributes
    ----------
    table
        One row an image, every column of the file; origins also in A.
    optics_table
        One row an optics group (RELION 3.1), made from `table` where the file had none.
    poses
        The file's orientations and shifts, or None.
    program
        Which wrote the file, in words.
    """

    def __init__(self, tables: ParticleTables, images: ImageIndex, *, pixel_size: float) -> None:
        self.table, self.optics_table, self.program = tables.particles, tables.optics, tables.program
        self._images, self._pixel_size = images, pixel_size
        self._merged = merge_optics(tables)
        self._source = str(tables.path)
        self._names = tuple(tables.names)
        self._optics = extract_optics(self._merged, self.optics_table, source=self._source)
        self._signs = _extract_signs(self.table, source=self._source)
        self.poses: Poses | None = extract_poses(self._merged, pixel_size=pixel_size, source=self._source)

    @property
    def names(self) -> tuple[str, ...]:
        """Names as in the file, in RELION's form."""
        return self._names

    @property
    def box_size(self) -> int:
        """Side of the square images, pixels."""
        return int(self._images.layouts[int(self._images.stacks[0])].box_size)

    @property
    def pixel_size(self) -> float:
        """A."""
        return self._pixel_size

    @property
    def optics(self) -> Optics | None:
        """CTF parameters, or None where the file has no defocus."""
        return self._optics

    def __getitem__(self, ids: Int[Tensor, "images"]) -> Float[Tensor, "images box box"]:
        """Read images `ids` from disk; NaN pixels come as they are, images of dark protein inverted."""
        rows = ids.cpu().numpy()
        if len(rows) == 0:
            return torch.empty(0, self.box_size, self.box_size)
        images = torch.from_numpy(self._images.read(rows))
        return images if self._signs is None else images * self._signs[rows, None, None]

    def amplitudes(self, numbers: Sequence[int]) -> Float[Tensor, "images modes"] | None:
        """Return the file's amplitudes (A) of the modes `numbers`, or None if it lacks one of them."""
        return extract_amplitudes(self._merged, tuple(numbers), source=self._source)


@dataclass(frozen=True, eq=False)
class ParticleSet:
    """The particles of a file that share box and pixel size.

    Attributes
    ----------
    rows
        Their rows in the file.
    particles
        Their images.
    """

    rows: Int[Tensor, "images"]
    particles: ParticleStack


def read_particles(
    path: Path | str, *, datadir: Path | str | None = None, pixel_size: float | None = None
) -> ParticleStack:
    """Read the particles of a file of RELION, cryoSPARC, Xmipp or cisTEM; images are read from disk when asked for.

    Parameters
    ----------
    path
        Star file (any version of RELION, or cisTEM), ``.cs`` or ``.xmd``.
    datadir
        Folder from which the paths of the stacks start, if they are not found from the file.
    pixel_size
        A; overrides the file's. Without it: the optics table's, the particles' (``rlnPixelSize``, or
        ``rlnDetectorPixelSize`` and ``rlnMagnification``), or that of the stack's header.

    Raises
    ------
    InputError
        If a file or column is missing, a stack is not found or truncated, an image is not in its stack or occurs
        twice, an optics group is unknown, or box or pixel sizes differ.
    """
    sets = read_particle_sets(path, datadir=datadir, pixel_size=pixel_size)
    if len(sets) > 1:
        scales = ", ".join(
            f"{len(each.rows):,} of {each.particles.box_size} pixels of {each.particles.pixel_size:.4g} A"
            for each in sets[:4]
        )
        raise InputError(
            f"{path} holds images of {len(sets)} scales ({scales}): bring them to one with `deephemnma prepare "
            f"--pixel-size {max(each.particles.pixel_size for each in sets):.4g} --box-size ...`, or split the file."
        )
    return sets[0].particles


def read_particle_sets(
    path: Path | str, *, datadir: Path | str | None = None, pixel_size: float | None = None
) -> tuple[ParticleSet, ...]:
    """Read the particles of a file whose optics groups may differ in box and pixel size, as sets of one scale each.

    Parameters and errors are those of :func:`read_particles`, but for the last. The sets are in the order of their
    first rows.
    """
    tables = read_particle_tables(path)
    return open_particle_sets(tables, datadir=None if datadir is None else Path(datadir), pixel_size=pixel_size)


def open_particle_sets(
    tables: ParticleTables, *, datadir: Path | None = None, pixel_size: float | None = None
) -> tuple[ParticleSet, ...]:
    """Find the images of `tables`; see :func:`read_particle_sets`."""
    tables, images, sizes = _find_and_complete(tables, datadir=datadir, pixel_size=pixel_size)
    scale = _number_scales(sizes, images.box_sizes)
    sets = []
    for number in range(int(scale.max()) + 1):
        rows = np.flatnonzero(scale == number)
        part = replace(tables, particles=tables.particles.iloc[rows].reset_index(drop=True))
        stack = ParticleStack(part, images.select(rows), pixel_size=float(sizes[rows[0]]))
        sets.append(ParticleSet(torch.from_numpy(rows), stack))
    return tuple(sets)


def complete_tables(
    tables: ParticleTables, *, datadir: Path | None = None, pixel_size: float | None = None
) -> ParticleTables:
    """Return `tables` with all that a star file of RELION 3.1 has: optics groups, pixel size, box, origins in A.

    The images are looked at only where the file does not say all of that.

    Raises
    ------
    InputError
        As :func:`read_particle_sets`, if the images are needed.
    """
    said = tables.optics is not None and {PIXEL_SIZE, BOX_SIZE} <= set(tables.optics.columns)
    if said and pixel_size is None:
        merged = merge_optics(tables)
        sizes = extract_pixel_sizes(merged, source=str(tables.path))
        boxes = parse_numbers(merged[BOX_SIZE], source=str(tables.path))
        check_whole(boxes, source=str(tables.path), name=BOX_SIZE, least=1, most=LARGEST_SIDE)
        return _complete(tables, merged, pixel_sizes=sizes, box_sizes=boxes)
    return _find_and_complete(tables, datadir=datadir, pixel_size=pixel_size)[0]


def _find_and_complete(
    tables: ParticleTables, *, datadir: Path | None, pixel_size: float | None
) -> tuple[ParticleTables, ImageIndex, np.ndarray]:
    """Return the complete tables, where the images are, and the pixel size of each."""
    if pixel_size is not None and tables.optics is not None:
        tables = replace(tables, optics=tables.optics.drop(columns=PIXEL_SIZE, errors="ignore"))
    merged = merge_optics(tables)
    indices, stacks = split_names(tables.names, tables.path)
    images = make_image_index(indices, stacks, names=tables.names, table_path=tables.path, datadir=datadir)
    _check_image_size(merged, images.box_sizes, tables.path)
    sizes = _find_pixel_sizes(merged, images, pixel_size=pixel_size, path=tables.path)
    return _complete(tables, merged, pixel_sizes=sizes, box_sizes=images.box_sizes), images, sizes


def _find_pixel_sizes(merged: pd.DataFrame, images: ImageIndex, *, pixel_size: float | None, path: Path) -> np.ndarray:
    if pixel_size is not None:
        return np.full(len(merged), pixel_size)
    stated = extract_pixel_sizes(merged, source=str(path))
    sizes = images.pixel_sizes if stated is None else stated
    if not np.isfinite(sizes).all():
        raise InputError(
            f"{path} gives no pixel size ({PIXEL_SIZE}), nor do its stacks: add the column, or convert the file with "
            "`deephemnma convert --pixel-size ...`."
        )
    return sizes


def _number_scales(pixel_sizes: np.ndarray, box_sizes: np.ndarray) -> np.ndarray:
    """Return the number of each row's box and pixel size; sizes nearer than the tolerance count as one."""
    steps = np.rint(np.log(pixel_sizes / pixel_sizes[0]) / (2 * PIXEL_TOLERANCE)).astype(int)
    scales = pd.DataFrame({"pixel": steps, "box": box_sizes})
    return scales.groupby(["pixel", "box"], sort=False).ngroup().to_numpy()


def _check_image_size(merged: pd.DataFrame, box_sizes: np.ndarray, path: Path) -> None:
    if BOX_SIZE not in merged.columns:
        return
    stated = parse_numbers(merged[BOX_SIZE], source=str(path))
    wrong = np.flatnonzero(stated != box_sizes)
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"{path}, particle {row + 1}: images have {stated[row]:g} pixels ({BOX_SIZE}), but those of its stack have "
            f"{box_sizes[row]}: correct the optics table, or check that the stacks are the right ones."
        )


def _complete(
    tables: ParticleTables, merged: pd.DataFrame, *, pixel_sizes: np.ndarray, box_sizes: np.ndarray
) -> ParticleTables:
    """Add what RELION 3.1 asks for and older files and other programs lack; nothing that is there is changed."""
    particles = _add_origins(tables.particles, pixel_sizes, source=str(tables.path))
    scales = pd.DataFrame({PIXEL_SIZE: pixel_sizes, BOX_SIZE: box_sizes})
    if tables.optics is None:
        particles, optics = make_optics_table(particles, scales=scales)
        return replace(tables, particles=particles, optics=optics)
    particles = particles.assign(**{GROUP: merged[GROUP]})
    first = scales.groupby(merged[GROUP].astype(str).to_numpy()).first()
    groups = tables.optics[GROUP].astype(str)
    lacking = {
        name: [first[name].get(group, scales[name].iloc[0]) for group in groups]
        for name in (PIXEL_SIZE, BOX_SIZE)
        if name not in tables.optics.columns
    }
    if DIMENSIONS not in tables.optics.columns:
        lacking[DIMENSIONS] = 2
    return replace(tables, particles=particles, optics=tables.optics.assign(**lacking))


def _add_origins(table: pd.DataFrame, pixel_sizes: np.ndarray, *, source: str) -> pd.DataFrame:
    """Add origins in A where the file has them in pixels, for RELION 3.1 reads no others."""
    if ORIGIN_COLUMNS[0] in table.columns or not set(PIXEL_ORIGIN_COLUMNS) <= set(table.columns):
        return table
    origins = (parse_numbers(table[name], source=source) * pixel_sizes for name in PIXEL_ORIGIN_COLUMNS)
    return table.assign(**dict(zip(ORIGIN_COLUMNS, origins, strict=True)))


def _extract_signs(table: pd.DataFrame, *, source: str) -> Float[Tensor, "images"] | None:
    """Return 1 or -1 for each image, or None where none is to be inverted."""
    if SIGN not in table.columns:
        return None
    signs = parse_numbers(table[SIGN], source=source)
    wrong = np.flatnonzero(np.abs(signs) != 1)
    if len(wrong):
        raise InputError(f"{source}, particle {int(wrong[0]) + 1}: {SIGN} is {signs[wrong[0]]:g}, wanted 1 or -1.")
    return None if (signs == 1).all() else torch.from_numpy(signs).float()
