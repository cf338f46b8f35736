"""Density maps in MRC and CCP4 files."""

import warnings
from pathlib import Path

import mrcfile
import numpy as np
import torch

from deephemnma.core.error import InputError
from deephemnma.core.structure import DensityMap
from deephemnma.io.atomic import require_file, write_beside
from deephemnma.io.mrc_label import set_label

VOXEL_TOLERANCE = 1e-3  # relative; headers hold the cell in single precision


def read_map(path: Path | str) -> DensityMap:
    """Read an MRC or CCP4 map (plain, .gz or .bz2) of any axis order and mode into z y x, float32.

    The origin is the header's ``origin`` field if it is not zero, else ``nstart`` times the voxel size.

    Raises
    ------
    InputError
        If the file is missing, truncated, not three-dimensional, or its voxels are unknown or not cubic.
    """
    path = require_file(path, "a density map")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # permissive reading warns of things that are checked below
            with mrcfile.open(path, permissive=True) as mrc:
                values, header = mrc.data, mrc.header.copy()
    except (ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read as an MRC map ({error}).") from None
    if values is None or values.ndim != 3 or values.dtype.kind not in "iuf":
        raise InputError(f"{path} is not a three-dimensional real map (it is truncated, an image or a transform).")
    order = _read_axis_order(header, path)
    voxel_size = _read_voxel_size(header, path)
    return DensityMap(
        values=torch.from_numpy(np.array(values.transpose(order), dtype=np.float32, order="C")),
        voxel_size=voxel_size,
        origin=torch.from_numpy(_read_origin(header, voxel_size)),
        source=path.name,
    )


def write_map(path: Path | str, density: DensityMap) -> None:
    """Write `density` as a float32 MRC map with its voxel size and origin."""
    with write_beside(path) as temporary, mrcfile.new(temporary, overwrite=True) as mrc:
        mrc.set_data(density.values.detach().cpu().numpy().astype(np.float32))
        mrc.set_volume()
        mrc.voxel_size = density.voxel_size
        set_label(mrc)
        mrc.header.origin = tuple(density.origin.tolist())


def _read_columns(header: np.recarray) -> list[int]:
    """Return which of x y z (1 2 3) runs along columns, rows, sections."""
    return [int(header.mapc), int(header.mapr), int(header.maps)]


def _read_axis_order(header: np.recarray, path: Path) -> list[int]:
    columns = _read_columns(header)
    if columns == [0, 0, 0]:  # written by programs older than the field
        columns = [1, 2, 3]
    if sorted(columns) != [1, 2, 3]:
        raise InputError(f"{path} names its axes {columns}, wanted an order of 1, 2, 3: the header is damaged.")
    stored = columns[::-1]  # sections, rows, columns
    return [stored.index(axis) for axis in (3, 2, 1)]


def _read_voxel_size(header: np.recarray, path: Path) -> float:
    angles = np.array([header.cellb.alpha, header.cellb.beta, header.cellb.gamma])
    if not (np.allclose(angles, 90) or np.allclose(angles, 0)):
        raise InputError(f"{path} has cell angles {angles.tolist()}: only right angles can be read, resample the map.")
    cell = np.array([header.cella.x, header.cella.y, header.cella.z], dtype=np.float64)
    grid = np.array([header.mx, header.my, header.mz], dtype=np.float64)
    if (cell <= 0).any() or (grid <= 0).any():
        raise InputError(
            f"{path} gives no voxel size (cell {cell.tolist()} A): write it into the header, "
            "for instance with mrcfile: `mrc.voxel_size = 1.05`."
        )
    sizes = cell / grid
    if np.ptp(sizes) > VOXEL_TOLERANCE * sizes.mean():
        raise InputError(f"{path} has voxels of {sizes.round(4).tolist()} A: only cubic ones can be read, resample it.")
    return round(float(sizes.mean()), 6)


def _read_origin(header: np.recarray, voxel_size: float) -> np.ndarray:
    origin = np.array([header.origin.x, header.origin.y, header.origin.z], dtype=np.float64)
    if origin.any():
        return origin
    columns = _read_columns(header) if int(header.mapc) else [1, 2, 3]
    starts = dict(zip(columns, (header.nxstart, header.nystart, header.nzstart), strict=True))
    return np.array([float(starts[axis]) for axis in (1, 2, 3)]) * voxel_size
