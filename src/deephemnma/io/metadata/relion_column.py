"""What RELION's columns say, as nouns in A and radians."""

import re

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.particle import Optics, Poses
from deephemnma.core.rotation import euler_to_rotation
from deephemnma.io.metadata.number import parse_numbers
from deephemnma.io.metadata.particle_tables import (
    DEFOCUS,
    EULER_COLUMNS,
    FLIPPED,
    GROUP,
    MICROSCOPE,
    ORIGIN_COLUMNS,
    PIXEL_ORIGIN_COLUMNS,
    PIXEL_SIZE,
    ParticleTables,
)
from deephemnma.io.metadata.relion import AMPLITUDE_PREFIX

_AMPLITUDE = re.compile(f"{AMPLITUDE_PREFIX}([1-9][0-9]{{0,6}})")
SETS = ([*DEFOCUS, *MICROSCOPE], EULER_COLUMNS, ORIGIN_COLUMNS, PIXEL_ORIGIN_COLUMNS)
"""Columns of which none goes without the others."""

PREMULTIPLIED = "rlnCtfDataAreCtfPremultiplied"
PIXEL_SIZES = (1e-3, 1e4)
RANGES = {
    "rlnVoltage": (1, 3000, "kV"),
    "rlnSphericalAberration": (-100, 100, "mm"),
    "rlnAmplitudeContrast": (0, 1, "a share"),
    "rlnDefocusU": (-1e7, 1e7, "A"),
    "rlnDefocusV": (-1e7, 1e7, "A"),
}
"""Widest values and their unit: what is beyond stands in another unit, or is wrong."""


def merge_optics(tables: ParticleTables) -> pd.DataFrame:
    """Return the particles with the columns of each one's optics group; where both have a column, the particles' stays.

    Raises
    ------
    InputError
        If a row names no group, or one that is not in the optics table.
    """
    table, optics, source = tables.particles, tables.optics, tables.path
    if optics is None:
        return table
    if GROUP not in table.columns:
        if len(optics) > 1:
            raise InputError(f"{source} has {len(optics)} optics groups, but no column {GROUP}: add it.")
        table = table.assign(**{GROUP: optics[GROUP].iloc[0]})
    keys = table[GROUP].astype(str)
    groups = optics.set_index(optics[GROUP].astype(str))
    if groups.index.has_duplicates:
        number = groups.index[groups.index.duplicated()][0]
        raise InputError(f"{source} has optics group {number} twice in data_optics: keep one.")
    unknown = ~keys.isin(groups.index)
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise InputError(
            f"{source}, particle {row + 1}: optics group {keys.iloc[row]} is not in data_optics "
            f"(it has {', '.join(groups.index)}): add the group or correct the particle."
        )
    extra = [name for name in groups.columns if name not in table.columns]
    rows = groups.index.get_indexer(keys)
    return table.assign(**{name: groups[name].to_numpy()[rows] for name in extra})


def extract_pixel_sizes(merged: pd.DataFrame, *, source: str) -> Float[np.ndarray, "rows"] | None:
    """Return the pixel size (A) of each image that the columns give, or None.

    Raises
    ------
    InputError
        If one is not above zero, or far from those of electron microscopes.
    """
    sizes = _find_pixel_sizes(merged, source=source)
    if sizes is None:
        return None
    low, high = PIXEL_SIZES
    wrong = np.flatnonzero(~((sizes >= low) & (sizes <= high)))
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"{source}, particle {row + 1}: the pixel size is {sizes[row]:g} A, wanted {low:g} to {high:,.0f}: correct "
            "it."
        )
    return sizes


def extract_optics(merged: pd.DataFrame, optics_table: pd.DataFrame | None = None, *, source: str) -> Optics | None:
    """Return the CTF parameters, or None where the file has no defocus; `optics_table` numbers the groups.

    Raises
    ------
    InputError
        If a column of the CTF is missing, or the images were treated in a way that is not modelled.
    """
    if DEFOCUS[0] not in merged.columns:
        return None
    flipped = _extract_flag(merged, FLIPPED, source=source)
    if _extract_flag(merged, PREMULTIPLIED, source=source):
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
    numbers = pd.Index(optics_table[GROUP].astype(str)).get_indexer(merged[GROUP].astype(str))
    return torch.from_numpy(numbers.astype(np.int64))


def extract_poses(merged: pd.DataFrame, *, pixel_size: float | None, source: str) -> Poses | None:
    """Return orientations and shifts, or None where the file has no angles; missing origins are zero.

    Raises
    ------
    InputError
        If only some angles or one origin are there, or origins are in pixels of unknown size.
    """
    if not any(name in merged.columns for name in EULER_COLUMNS):
        return None
    euler = torch.stack([_extract_numbers(merged, name, source=source) for name in EULER_COLUMNS], dim=-1)
    if any(name in merged.columns for name in ORIGIN_COLUMNS):
        names, scale = ORIGIN_COLUMNS, 1.0
    elif any(name in merged.columns for name in PIXEL_ORIGIN_COLUMNS):
        names, scale = PIXEL_ORIGIN_COLUMNS, pixel_size
    else:
        return Poses(euler_to_rotation(torch.deg2rad(euler)), torch.zeros(len(merged), 2, dtype=torch.float64))
    if scale is None:
        raise InputError(f"{source} has origins in pixels, but gives no pixel size ({PIXEL_SIZE}): add the column.")
    shifts = torch.stack([_extract_numbers(merged, name, source=source) for name in names], dim=-1) * scale
    return Poses(euler_to_rotation(torch.deg2rad(euler)), shifts)


def extract_mode_numbers(merged: pd.DataFrame) -> tuple[int, ...]:
    """Return the numbers of the modes that the file has amplitudes of."""
    found = (_AMPLITUDE.fullmatch(name) for name in merged.columns)
    return tuple(int(match[1]) for match in found if match)


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
    for name in (PIXEL_SIZE, "rlnPixelSize"):
        if name in merged.columns:
            return _extract_numbers(merged, name, source=source).numpy()
    if "rlnDetectorPixelSize" in merged.columns and "rlnMagnification" in merged.columns:
        micrometres = _extract_numbers(merged, "rlnDetectorPixelSize", source=source)
        magnification = _extract_numbers(merged, "rlnMagnification", source=source)
        return (micrometres * 1e4 / magnification.where(magnification > 0, torch.nan)).nan_to_num(0).numpy()
    return None


def _extract_numbers(merged: pd.DataFrame, name: str, *, source: str) -> Float[Tensor, "rows"]:
    if name not in merged.columns:
        needs = next((names for names in SETS if name in names), [name])
        raise InputError(f"{source} lacks the column {name}: add it ({', '.join(needs)} go together).")
    values = parse_numbers(merged[name], source=source)
    low, high, unit = RANGES.get(name, (-np.inf, np.inf, ""))
    wrong = np.flatnonzero((values < low) | (values > high))
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"{source}, particle {row + 1}: {name} is {values[row]:.10g}, wanted {low:g} to {high:g} ({unit}): correct "
            "it."
        )
    return torch.from_numpy(values)


def _extract_flag(merged: pd.DataFrame, name: str, *, source: str) -> bool:
    if name not in merged.columns:
        return False
    flags = parse_numbers(merged[name], source=source)
    wrong = np.flatnonzero((flags != 0) & (flags != 1))
    if len(wrong):
        row = int(wrong[0])
        raise InputError(f"{source}, particle {row + 1}: {name} is {flags[row]:g}, wanted 0 or 1: correct it.")
    values = np.unique(flags)
    if len(values) > 1:
        raise InputError(f"{source} mixes {name} 0 and 1: split the file, for such sets cannot be read together.")
    return bool(values[0])
