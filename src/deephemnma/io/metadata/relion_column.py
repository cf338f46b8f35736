"""What the columns of a RELION star file say, as nouns in A and radians."""

import math

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.io.metadata.relion import AMPLITUDE_PREFIX, EULER_COLUMNS, GROUP, ORIGIN_COLUMNS, PIXEL_ORIGIN_COLUMNS

DEFOCUS = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")
MICROSCOPE = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
PIXEL_TOLERANCE = 1e-4  # relative


def merge_optics(table: pd.DataFrame, optics_table: pd.DataFrame | None, *, source: str) -> pd.DataFrame:
    """Return `table` with the columns of each row's optics group; where both have a column, the particles' stays.

    Raises
    ------
    InputError
        If a row names no group, or one that is not in the optics table.
    """
    if optics_table is None:
        return table
    if GROUP not in table.columns:
        if len(optics_table) > 1:
            raise InputError(f"{source} has {len(optics_table)} optics groups, but no column {GROUP}: add it.")
        table = table.assign(**{GROUP: optics_table[GROUP].iloc[0]})
    groups = optics_table.set_index(GROUP)
    if groups.index.has_duplicates:
        number = groups.index[groups.index.duplicated()][0]
        raise InputError(f"{source} has optics group {number} twice in data_optics: keep one.")
    unknown = ~table[GROUP].isin(groups.index)
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise InputError(
            f"{source}, particle {row + 1}: optics group {table[GROUP].iloc[row]} is not in data_optics "
            f"(it has {groups.index.tolist()}): add the group or correct the particle."
        )
    extra = [name for name in groups.columns if name not in table.columns]
    return table.join(groups[extra], on=GROUP)


def extract_pixel_size(merged: pd.DataFrame, *, source: str) -> float | None:
    """Return the pixel size (A) that the columns give, or None.

    Raises
    ------
    InputError
        If it differs between particles.
    """
    sizes = _find_pixel_sizes(merged, source=source)
    if sizes is None or len(sizes) == 0:
        return None
    if np.ptp(sizes) > PIXEL_TOLERANCE * sizes.mean():
        raise InputError(
            f"{source} mixes pixel sizes ({sizes.min():.4f} to {sizes.max():.4f} A): "
            "only sets of one pixel size can be read, bring them to one scale or split the file."
        )
    if not sizes.min() > 0:
        raise InputError(f"{source} gives a pixel size of {sizes.min()} A: correct it.")
    return float(sizes[0])


def extract_optics(merged: pd.DataFrame, optics_table: pd.DataFrame | None = None, *, source: str) -> Optics | None:
    """Return the CTF parameters, or None where the file has no defocus; `optics_table` numbers the groups.

    Raises
    ------
    InputError
        If a column of the CTF is missing, or the images were treated in a way that is not modelled.
    """
    if DEFOCUS[0] not in merged.columns:
        return None
    flipped = _extract_flag(merged, "rlnCtfDataArePhaseFlipped", source=source)
    if _extract_flag(merged, "rlnCtfDataAreCtfPremultiplied", source=source):
        raise InputError(f"{source} says that images were multiplied by their CTF: extract them again without that.")
    u, v, angle = (_extract_numbers(merged, name, source=source) for name in DEFOCUS)
    voltage, cs, contrast = (_extract_numbers(merged, name, source=source) for name in MICROSCOPE)
    has_phase = "rlnPhaseShift" in merged.columns
    phase = _extract_numbers(merged, "rlnPhaseShift", source=source) if has_phase else torch.zeros_like(u)
    return Optics(
        voltage_kv=voltage,
        cs_mm=cs,
        amplitude_contrast=contrast,
        defocus_u=u,
        defocus_v=v,
        defocus_angle=torch.deg2rad(angle),
        phase_shift=torch.deg2rad(phase),
        phase_flipped=flipped,
        group=extract_groups(merged, optics_table),
    )


def extract_groups(merged: pd.DataFrame, optics_table: pd.DataFrame | None) -> Int[Tensor, "images"] | None:
    """Return the row in `optics_table` of each image's optics group; None without such groups."""
    if optics_table is None or GROUP not in merged.columns:
        return None
    return torch.from_numpy(pd.Index(optics_table[GROUP]).get_indexer(merged[GROUP]).astype(np.int64))


def extract_poses(merged: pd.DataFrame, *, pixel_size: float | None, source: str) -> Poses | None:
    """Return orientations and shifts, or None where the file has no angles; missing origins are zero.

    Raises
    ------
    InputError
        If only some angles are there, or origins are in pixels of unknown size.
    """
    if not any(name in merged.columns for name in EULER_COLUMNS):
        return None
    euler = torch.stack([_extract_numbers(merged, name, source=source) for name in EULER_COLUMNS], dim=-1)
    if all(name in merged.columns for name in ORIGIN_COLUMNS):
        names, scale = ORIGIN_COLUMNS, 1.0
    elif all(name in merged.columns for name in PIXEL_ORIGIN_COLUMNS):
        names, scale = PIXEL_ORIGIN_COLUMNS, pixel_size
    else:
        return Poses(euler_to_rotation(torch.deg2rad(euler)), torch.zeros(len(merged), 2, dtype=torch.float64))
    if scale is None:
        raise InputError(
            f"{source} has origins in pixels, but gives no pixel size (rlnImagePixelSize): add the column."
        )
    shifts = torch.stack([_extract_numbers(merged, name, source=source) for name in names], dim=-1) * scale
    return Poses(euler_to_rotation(torch.deg2rad(euler)), shifts)


def extract_mode_numbers(merged: pd.DataFrame) -> tuple[int, ...]:
    """Return the numbers of the modes that the file has amplitudes of."""
    found = [name.removeprefix(AMPLITUDE_PREFIX) for name in merged.columns if name.startswith(AMPLITUDE_PREFIX)]
    return tuple(int(number) for number in found if number.isdigit())


def extract_amplitudes(
    merged: pd.DataFrame, numbers: tuple[int, ...], *, source: str
) -> Float[Tensor, "images modes"] | None:
    """Return the amplitudes (A) of the modes `numbers`, or None if one of them is not in the file."""
    names = [f"{AMPLITUDE_PREFIX}{number}" for number in numbers]
    if any(name not in merged.columns for name in names):
        return None
    columns = [_extract_numbers(merged, name, source=source) for name in names]
    return torch.stack(columns, dim=-1) if columns else torch.zeros(len(merged), 0, dtype=torch.float64)


def _find_pixel_sizes(merged: pd.DataFrame, *, source: str) -> np.ndarray | None:
    for name in ("rlnImagePixelSize", "rlnPixelSize"):
        if name in merged.columns:
            return _extract_numbers(merged, name, source=source).numpy()
    if "rlnDetectorPixelSize" in merged.columns and "rlnMagnification" in merged.columns:
        micrometres = _extract_numbers(merged, "rlnDetectorPixelSize", source=source)
        return (micrometres * 1e4 / _extract_numbers(merged, "rlnMagnification", source=source)).numpy()
    return None


def _extract_numbers(merged: pd.DataFrame, name: str, *, source: str) -> Float[Tensor, "rows"]:
    if name not in merged.columns:
        raise InputError(f"{source} lacks the column {name}: add it (a CTF needs {', '.join(DEFOCUS + MICROSCOPE)}).")
    try:
        return torch.from_numpy(merged[name].to_numpy(dtype=np.float64, copy=True))
    except (ValueError, TypeError):
        row = next(row for row, value in enumerate(merged[name]) if not _is_number(value))
        value = merged[name].iloc[row]
        raise InputError(f"{source}, particle {row + 1}: {name} is {value!r}, wanted a number.") from None


def _is_number(value: object) -> bool:
    try:
        return not math.isnan(float(value))
    except (ValueError, TypeError):
        return False


def _extract_flag(merged: pd.DataFrame, name: str, *, source: str) -> bool:
    if name not in merged.columns:
        return False
    values = merged[name].astype(float).unique()
    if len(values) > 1:
        raise InputError(f"{source} mixes {name} 0 and 1: split the file, for such sets cannot be read together.")
    return bool(values[0])
