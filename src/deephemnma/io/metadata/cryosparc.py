"""Particles and poses of cryoSPARC's ``.cs`` files.

Conventions: `alignments3D/pose` is the rotation vector of the inverse rotation (the view frame to the reference),
`alignments3D/shift` the move that brings the particle back to the centre, in pixels of `alignments3D/psize_A`: so
cryoDRGN and pyem read these files. `blob/sign` is -1 where protein is dark in the stored images.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import rotation_from_vector, rotation_to_euler
from deephemnma.io.metadata.cryosparc_field import (
    INDEX,
    PIXEL_SIZE,
    POSE,
    POSE_PIXEL_SIZE,
    SHAPE,
    SHIFT,
    SIGN_FIELD,
    STACK,
    UID_FIELD,
)
from deephemnma.io.metadata.cryosparc_table import find_passthroughs, read_cryosparc_table
from deephemnma.io.metadata.particle_tables import (
    EULER_COLUMNS,
    GROUP,
    IMAGE,
    ORIGIN_COLUMNS,
    SIGN,
    UID,
    ParticleTables,
    name_image,
)
from deephemnma.io.metadata.particle_tables import PIXEL_SIZE as PIXEL_SIZE_COLUMN

CTF_FIELDS = {
    "rlnDefocusU": "ctf/df1_A",
    "rlnDefocusV": "ctf/df2_A",
    "rlnDefocusAngle": "ctf/df_angle_rad",
    "rlnPhaseShift": "ctf/phase_shift_rad",
}
"""Of each particle; angles come in radians and leave in degrees."""
GROUP_FIELDS = {
    "rlnVoltage": "ctf/accel_kv",
    "rlnSphericalAberration": "ctf/cs_mm",
    "rlnAmplitudeContrast": "ctf/amp_contrast",
    PIXEL_SIZE_COLUMN: PIXEL_SIZE,
}
"""What particles of an optics group share."""
EXPOSURE_GROUP = "ctf/exp_group_id"
ABERRATIONS = ("ctf/tilt_A", "ctf/trefoil_A", "ctf/tetra_A", "ctf/anisomag")
LOCATION = {
    "rlnCoordinateX": ("location/center_x_frac", 1),
    "rlnCoordinateY": ("location/center_y_frac", 0),
}
"""Shares of a micrograph's side, of which the shape is given y first."""


def read_cryosparc_particles(path: Path, *, passthroughs: Sequence[Path] | None = None) -> ParticleTables:
    """Read the particles of a ``.cs`` file in RELION's columns, with the uid of each.

    Raises
    ------
    InputError
        If the file is missing, damaged, holds no particles, or says of none where its image is.
    """
    table = read_cryosparc_table(path, passthroughs=passthroughs)
    used = find_passthroughs(path) if passthroughs is None else passthroughs
    remarks = [f"the fields of {each.name} were joined by uid" for each in used]
    _require(table, (STACK, INDEX, PIXEL_SIZE), path, "the particles that a job put out, or their passthrough file")
    names = _name_images(table)
    columns: dict[str, object] = {IMAGE: names}
    if UID_FIELD in table.dtype.names:
        columns[UID] = table[UID_FIELD].astype(str)
    if POSE in table.dtype.names and SHIFT in table.dtype.names:
        poses = _read_poses(table, path)
        columns |= dict(zip(EULER_COLUMNS, rotation_to_euler(poses.rotations).rad2deg().numpy().T, strict=True))
        columns |= dict(zip(ORIGIN_COLUMNS, poses.shifts.numpy().T, strict=True))
    for name, field in CTF_FIELDS.items():
        if field in table.dtype.names:
            values = _shorten(table[field])
            columns[name] = np.rad2deg(values) if field.endswith("rad") else values
    columns |= _read_location(table)
    if SIGN_FIELD in table.dtype.names and (table[SIGN_FIELD] < 0).any():
        columns[SIGN] = np.where(table[SIGN_FIELD] < 0, -1, 1)
        remarks.append("protein is dark in the stored images (blob/sign -1): they are inverted on reading")
    numbers, optics = _make_optics(table)
    aberrated = [name for name in ABERRATIONS if name in table.dtype.names and np.any(table[name] != 0)]
    if aberrated:
        remarks.append(f"{', '.join(aberrated)} are not zero, but not part of our CTF: they are left aside")
    particles = pd.DataFrame(columns | {GROUP: numbers})
    return ParticleTables(particles, optics, path, "cryoSPARC", tuple(remarks))


def read_cryosparc_poses(path: Path | str) -> Estimates:
    """Read orientations and shifts of a 3D refinement; they are `given`, without amplitudes.

    Images are named as RELION names them, ``000001@stack.mrc``.

    Raises
    ------
    InputError
        If the file is missing, is not a ``.cs`` file, holds no particle or one twice, or has no poses.
    """
    path = Path(path)
    table = read_cryosparc_table(path)
    _require(table, (STACK, INDEX, POSE, SHIFT), path, "the particles that a 3D refinement put out")
    if POSE_PIXEL_SIZE not in table.dtype.names:
        _require(table, (PIXEL_SIZE,), path, "the particles that a 3D refinement put out")
    names = tuple(_name_images(table))
    _check_repeats(names, path)
    return make_estimates(
        names=names,
        poses=_read_poses(table, path),
        amplitudes=torch.zeros(len(names), 0, dtype=torch.float64),
        mode_numbers=(),
        status=Status.GIVEN,
    )


def _require(table: np.ndarray, fields: Sequence[str], path: Path, wanted: str) -> None:
    if len(table) == 0:
        raise InputError(f"{path} holds no particles: give a .cs file with at least one row.")
    missing = [name for name in fields if name not in table.dtype.names]
    if missing:
        raise InputError(f"{path} has no field {missing[0]}: give {wanted}.")


def _name_images(table: np.ndarray) -> list[str]:
    stacks = table[STACK].tolist()
    texts = (stack.decode(errors="replace") if isinstance(stack, bytes) else stack for stack in stacks)
    return [
        name_image(index + 1, text.removeprefix(">")) for index, text in zip(table[INDEX].tolist(), texts, strict=True)
    ]


def _read_poses(table: np.ndarray, path: Path) -> Poses:
    pixel_size = table[POSE_PIXEL_SIZE if POSE_PIXEL_SIZE in table.dtype.names else PIXEL_SIZE]
    vectors, shifts = (torch.from_numpy(table[name].astype(np.float64)) for name in (POSE, SHIFT))
    shifts = shifts * torch.from_numpy(pixel_size.astype(np.float64))[:, None]
    _check_finite(torch.cat((vectors, shifts), dim=1), path)
    return Poses(rotation_from_vector(vectors).mT, shifts)


def _make_optics(table: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the number of each particle's group, and the table of groups: exposure groups, one scale each."""
    shared = pd.DataFrame(
        {name: _shorten(table[field]) for name, field in GROUP_FIELDS.items() if field in table.dtype.names}
    )
    if SHAPE in table.dtype.names:
        shared["rlnImageSize"] = table[SHAPE][:, 0].astype(int)
    key = shared.assign(group=table[EXPOSURE_GROUP]) if EXPOSURE_GROUP in table.dtype.names else shared
    numbers = key.groupby(list(key.columns), sort=False, dropna=False).ngroup().to_numpy() + 1
    first = np.unique(numbers, return_index=True)[1]
    optics = shared.iloc[first].reset_index(drop=True)
    optics.insert(0, GROUP, np.arange(1, len(optics) + 1))
    named = key["group"].iloc[first].tolist() if "group" in key else optics[GROUP].tolist()
    optics.insert(1, "rlnOpticsGroupName", [f"exposureGroup{number}" for number in named])
    return numbers, optics


def _read_location(table: np.ndarray) -> dict[str, object]:
    """Return where on which micrograph each particle was picked, as far as the fields say."""
    columns: dict[str, object] = {}
    if "location/micrograph_path" in table.dtype.names:
        paths = table["location/micrograph_path"].tolist()
        columns["rlnMicrographName"] = [
            each.decode(errors="replace").removeprefix(">") if isinstance(each, bytes) else each for each in paths
        ]
    if "location/micrograph_shape" in table.dtype.names:
        for name, (field, axis) in LOCATION.items():
            if field in table.dtype.names:
                columns[name] = table[field] * table["location/micrograph_shape"][:, axis].astype(np.float64)
    return columns


def _shorten(values: np.ndarray) -> Float[np.ndarray, "rows"]:
    """Return single-precision values as the decimals that they stand for: 2.7, not 2.7000000477."""
    return values.astype("U").astype(float)


def _check_finite(values: Float[Tensor, "rows columns"], path: Path | str) -> None:
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
