"""Fields of cryoSPARC's ``.cs`` files that are read, and what each must hold."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deephemnma.core.error import InputError

UID_FIELD = "uid"
POSE, SHIFT, POSE_PIXEL_SIZE = "alignments3D/pose", "alignments3D/shift", "alignments3D/psize_A"
STACK, INDEX, SHAPE, PIXEL_SIZE, SIGN_FIELD = "blob/path", "blob/idx", "blob/shape", "blob/psize_A", "blob/sign"


@dataclass(frozen=True)
class Kind:
    """What a field holds.

    Attributes
    ----------
    letters
        Of numpy's kinds of types.
    shape
        Of the value of a particle.
    told
        In words.
    """

    letters: str
    shape: tuple[int, ...]
    told: str


TEXT = Kind("SU", (), "text")
WHOLE = Kind("iu", (), "a whole number")
NUMBER = Kind("fiu", (), "a number")
PAIR = Kind("fiu", (2,), "2 numbers")
TRIPLE = Kind("fiu", (3,), "3 numbers")
KINDS = {
    UID_FIELD: WHOLE,
    STACK: TEXT,
    INDEX: WHOLE,
    SHAPE: PAIR,
    POSE: TRIPLE,
    SHIFT: PAIR,
    "ctf/exp_group_id": WHOLE,
    "ctf/tilt_A": PAIR,
    "location/micrograph_path": TEXT,
    "location/micrograph_shape": PAIR,
}
KINDS |= dict.fromkeys((PIXEL_SIZE, SIGN_FIELD, POSE_PIXEL_SIZE), NUMBER)
KINDS |= dict.fromkeys((f"location/center_{axis}_frac" for axis in "xy"), NUMBER)
KINDS |= dict.fromkeys(
    (
        f"ctf/{name}"
        for name in ("accel_kv", "cs_mm", "amp_contrast", "df1_A", "df2_A", "df_angle_rad", "phase_shift_rad")
    ),
    NUMBER,
)


def check_fields(table: np.ndarray, path: Path) -> None:
    """Raise unless each field that is known holds what it must, and image numbers and signs are such.

    Raises
    ------
    InputError
        If one holds something else; the message names the field.
    """
    for name in table.dtype.names:
        kind = KINDS.get(name)
        if kind is None:
            continue
        base, shape = table[name].dtype, table[name].shape[1:]
        if base.kind not in kind.letters or shape != kind.shape:
            came = f"{base.name}{list(shape) or ''}"
            raise InputError(
                f"{path}: the field {name} holds {came}, wanted {kind.told} for each particle: give a .cs file as "
                "cryoSPARC writes it."
            )
    if INDEX in table.dtype.names:
        _check_rows(table[INDEX] >= 0, table, INDEX, path=path, wanted="0 or more")
    if SIGN_FIELD in table.dtype.names:
        # 0 is what some old imports have, and counts as 1.
        _check_rows(np.isin(table[SIGN_FIELD], (-1, 0, 1)), table, SIGN_FIELD, path=path, wanted="1 or -1")


def _check_rows(is_right: np.ndarray, table: np.ndarray, name: str, *, path: Path, wanted: str) -> None:
    wrong = np.flatnonzero(~is_right)
    if len(wrong):
        row = int(wrong[0])
        raise InputError(f"{path}, particle {row + 1}: {name} is {table[name][row]:g}, wanted {wanted}: correct it.")
