"""Trajectories of molecular dynamics (DCD, XTC ...), by chemfiles."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.io.atomic import require_file

TRAJECTORY_SUFFIXES = (".dcd", ".xtc", ".trr", ".nc")
BLOCK_COORDINATES = 1 << 21  # 16 MiB


def is_trajectory(path: Path) -> bool:
    """Return whether the file name is that of a trajectory."""
    return path.suffix.lower() in TRAJECTORY_SUFFIXES


def count_frames(path: Path | str) -> tuple[int, int]:
    """Return how many frames a trajectory has, and how many atoms each.

    Raises
    ------
    InputError
        If the file is missing, empty or cannot be read, or chemfiles is not installed.
    """
    path, chemfiles = require_file(path, "a trajectory"), _import_chemfiles(path)
    try:
        with _open(path, chemfiles) as trajectory:
            n_frames = trajectory.nsteps
            n_atoms = len(trajectory.read().atoms) if n_frames else 0
    except chemfiles.ChemfilesError as error:
        raise InputError(f"{path} cannot be read as a trajectory ({error}).") from None
    if n_frames == 0 or n_atoms == 0:
        raise InputError(f"{path} holds {n_frames} frames of {n_atoms} atoms: give a trajectory that is not empty.")
    return n_frames, n_atoms


def read_frames(path: Path | str) -> Iterator[Float[Tensor, "frames atoms 3"]]:
    """Yield the coordinates of a trajectory, A, float64, in blocks of some 16 MiB."""
    path, chemfiles = require_file(path, "a trajectory"), _import_chemfiles(path)
    frames: list[Float[np.ndarray, "atoms 3"]] = []
    with _open(path, chemfiles) as trajectory:
        for number in range(trajectory.nsteps):
            try:
                frame = trajectory.read()  # its positions are a view of memory that goes with it
                frames.append(np.array(frame.positions, dtype=np.float64))
            except chemfiles.ChemfilesError as error:
                raise InputError(f"{path}, frame {number + 1}, cannot be read ({error}).") from None
            if not np.isfinite(frames[-1]).all():
                raise InputError(f"{path}, frame {number + 1}, has atoms without coordinates: leave the frame out.")
            if (len(frames) + 1) * frames[-1].size > BLOCK_COORDINATES:
                yield torch.from_numpy(np.stack(frames))
                frames = []
    if frames:
        yield torch.from_numpy(np.stack(frames))


def _open(path: Path, chemfiles: ModuleType) -> Any:
    with warnings.catch_warnings():  # of headers that count other frames than the file has: those that it has are read
        warnings.simplefilter("ignore")
        return chemfiles.Trajectory(str(path))


def _import_chemfiles(path: Path) -> ModuleType:
    try:
        import chemfiles
    except ImportError:
        raise InputError(
            f"{path.name} is a trajectory, which chemfiles reads: install it with "
            "`pip install 'deephemnma[trajectory]'`."
        ) from None
    return chemfiles
