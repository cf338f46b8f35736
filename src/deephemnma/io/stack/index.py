"""Which image of which stack each particle is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from deephemnma.core.error import InputError
from deephemnma.io.stack.layout import StackLayout
from deephemnma.io.stack.location import check_datadir, find_stack, tell_missing
from deephemnma.io.stack.reader import read_images, read_stack_layout


@dataclass(frozen=True, eq=False)
class ImageIndex:
    """Where each particle's image is.

    Attributes
    ----------
    stacks
        Number of each particle's stack.
    indices
        Number of its image there, from 0.
    layouts
        The stacks.
    """

    stacks: np.ndarray
    indices: np.ndarray
    layouts: list[StackLayout]

    @property
    def box_sizes(self) -> np.ndarray:
        """Side of each particle's image, pixels."""
        return np.array([layout.box_size for layout in self.layouts])[self.stacks]

    @property
    def pixel_sizes(self) -> np.ndarray:
        """Pixel size (A) that the header of each particle's stack states, NaN where it states none."""
        return np.array([layout.pixel_size or np.nan for layout in self.layouts])[self.stacks]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the images of particles `rows`, all of one box, as float32."""
        return read_images(self.layouts, self.stacks[rows], self.indices[rows])

    def select(self, rows: np.ndarray) -> "ImageIndex":
        """Return the index of particles `rows`."""
        return ImageIndex(self.stacks[rows], self.indices[rows], self.layouts)


def make_image_index(
    indices: np.ndarray, stack_names: Sequence[str], *, names: Sequence[str], table_path: Path, datadir: Path | None
) -> ImageIndex:
    """Find and check the stacks of particles.

    Parameters
    ----------
    indices, stack_names
        Number from 0 and stack of each particle, as in its name.
    names
        Names of the particles, for messages.
    table_path
        The file that names them.
    datadir
        Folder from which the paths of the stacks start, if they are not found from the file.

    Raises
    ------
    InputError
        If a stack is not found or damaged, an image is not in its stack, or is named twice.
    """
    check_datadir(datadir)
    stacks, unique = pd.factorize(np.array(stack_names, dtype=object))
    places = [find_stack(name, table_path=table_path, datadir=datadir) for name in unique]
    missing = next((name for name, place in zip(unique, places, strict=True) if place is None), None)
    if missing is not None:
        raise InputError(tell_missing(missing, table_path=table_path, datadir=datadir))
    layouts = [read_stack_layout(place) for place in places]
    _check_indices(indices, stacks, layouts, names=names, table_path=table_path)
    _check_repeats(indices, stacks, places, names=names, table_path=table_path)
    return ImageIndex(stacks, indices, layouts)


def _check_indices(
    indices: np.ndarray, stacks: np.ndarray, layouts: list[StackLayout], *, names: Sequence[str], table_path: Path
) -> None:
    counts = np.array([layout.count for layout in layouts])[stacks]
    wrong = np.flatnonzero((indices < 0) | (indices >= counts))
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"{table_path}, particle {row + 1}: {names[row]!r} is not in its stack, "
            f"which holds images 1 to {counts[row]}."
        )


def _check_repeats(
    indices: np.ndarray, stacks: np.ndarray, places: list[Path], *, names: Sequence[str], table_path: Path
) -> None:
    resolved, _ = pd.factorize(np.array([str(path.resolve()) for path in places], dtype=object))
    pairs = pd.DataFrame({"stack": resolved[stacks], "index": indices})
    repeated = np.flatnonzero(pairs.duplicated().to_numpy())
    if len(repeated):
        row = int(repeated[0])
        first = int(np.flatnonzero((pairs == pairs.iloc[row]).all(axis=1))[0])
        raise InputError(
            f"{table_path}: particles {first + 1} ({names[first]!r}) and {row + 1} ({names[row]!r}) "
            "are one image: remove one of them."
        )
