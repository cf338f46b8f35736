"""Poses of cryoSPARC's ``.cs`` files."""

from pathlib import Path

import numpy as np
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import rotation_from_vector
from deephemnma.io.atomic import require_file

POSE, SHIFT, PIXEL_SIZE = "alignments3D/pose", "alignments3D/shift", "alignments3D/psize_A"
IMAGE_PIXEL_SIZE = "blob/psize_A"
STACK, INDEX = "blob/path", "blob/idx"
COMPRESSED = b"\x94CSDAT"
"""First bytes of the format that cryoSPARC uses inside its projects from version 4 on."""


def read_cryosparc_poses(path: Path | str) -> Estimates:
    """Read orientations and shifts of a 3D refinement; they are `given`, without amplitudes.

    cryoSPARC stores the rotation vector of the inverse rotation (the view frame to the reference), and the shift that
    brings the particle back to the centre, in pixels of the refinement: the conventions by which cryoDRGN and pyem
    read these files. Images are named as RELION names them, ``000001@stack.mrc``.

    Raises
    ------
    InputError
        If the file is missing, is not a plain ``.cs`` file, holds no particle or one twice, or has no poses.
    """
    table = _read_table(require_file(path, "a .cs file of cryoSPARC"))
    if len(table) == 0:
        raise InputError(f"{path} holds no particles: give a .cs file with at least one row.")
    missing = [name for name in (STACK, INDEX, POSE, SHIFT) if name not in table.dtype.names]
    if missing:
        raise InputError(f"{path} has no field {missing[0]}: give the particles that a 3D refinement put out.")
    pixel_size = table[PIXEL_SIZE if PIXEL_SIZE in table.dtype.names else IMAGE_PIXEL_SIZE]
    vectors, shifts = (torch.from_numpy(table[name].astype(np.float64)) for name in (POSE, SHIFT))
    shifts = shifts * torch.from_numpy(pixel_size.astype(np.float64))[:, None]
    _check_finite(torch.cat((vectors, shifts), dim=1), path)
    names = tuple(
        f"{index + 1:06d}@{stack.decode().lstrip('>')}"
        for index, stack in zip(table[INDEX].tolist(), table[STACK].tolist(), strict=True)
    )
    _check_repeats(names, path)
    return make_estimates(
        names=names,
        poses=Poses(rotation_from_vector(vectors).mT, shifts),
        amplitudes=torch.zeros(len(names), 0, dtype=torch.float64),
        mode_numbers=(),
        status=Status.GIVEN,
    )


def _read_table(path: Path) -> np.ndarray:
    with path.open("rb") as stream:
        if stream.read(len(COMPRESSED)) == COMPRESSED:
            raise InputError(
                f"{path} is in cryoSPARC's compressed format: save it plainly with cryosparc-tools "
                "(Dataset.load and save), or export the particles."
            )
    try:
        table = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError):  # numpy's own words advise to load pickles
        raise InputError(
            f"{path} cannot be read as a .cs file of cryoSPARC: it may be damaged or of another kind."
        ) from None
    if not isinstance(table, np.ndarray) or table.dtype.names is None:
        raise InputError(f"{path} is not a table of cryoSPARC: give a .cs file of particles.")
    return table


def _check_finite(values: torch.Tensor, path: Path | str) -> None:
    wrong = (~values.isfinite()).any(1).nonzero()[:, 0]
    if len(wrong):
        raise InputError(f"{path}, particle {int(wrong[0]) + 1}: pose or shift is not a number, remove the particle.")


def _check_repeats(names: tuple[str, ...], path: Path | str) -> None:
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    name = next(each for each in names if each in seen or seen.add(each))
    raise InputError(
        f"{path} holds {name} more than once (symmetry expanded?): give one pose a particle, as before the expansion."
    )
