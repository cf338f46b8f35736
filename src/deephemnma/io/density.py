"""Density maps in MRC and CCP4 files."""

import warnings
import zlib
from pathlib import Path

import mrcfile
import numpy as np
import torch
from scipy import ndimage

from deephemnma.core.error import InputError
from deephemnma.core.structure import DensityMap
from deephemnma.io.atomic import require_file, write_beside
from deephemnma.io.file_kind import (
    looks_like_stack,
    refuse_endless_header,
    refuse_stack,
    refuse_structure,
    refuse_truncated,
)
from deephemnma.io.mrc_label import set_label

VOXEL_TOLERANCE = 1e-3  # relative; headers hold the cell in single precision
WORST_STRETCH = 2.0  # of voxels that are resampled
IMOD_STAMP = 1146047817
IMOD_PLACE = slice(40, 48)  # of the stamp and the flags in mrcfile's field "extra2"


def read_map(path: Path | str, *, voxel_size: float | None = None) -> DensityMap:
    """Read an MRC or CCP4 map (plain, .gz or .bz2) of any axis order, byte order and real mode into z y x, float32.

    The origin is the header's ``origin`` field if it is not zero, else ``nstart`` times the voxel size. Voxels that are
    not cubes are resampled to cubes of their shortest side by cubic splines; `source` says so.

    Parameters
    ----------
    voxel_size
        A; by default what the file says.

    Raises
    ------
    InputError
        If the file is missing, truncated, an image stack, not three-dimensional, holds voxels that are not finite, or
        if its voxels are of unknown size, slanted, or more than twice as long as wide.
    """
    path = require_file(path, "a density map")
    refuse_stack(path)
    refuse_structure(path)
    values, header = _open(path)
    order = _read_axis_order(header, path)
    sizes = _read_voxel_sizes(header, path) if voxel_size is None else np.full(3, voxel_size)
    values = np.array(values.transpose(order), dtype=np.float32, order="C")
    _check_finite(values, path)
    source = path.name
    if np.ptp(sizes) > VOXEL_TOLERANCE * sizes.mean():
        values, source = _make_cubic(values, sizes), f"{source} (resampled to cubic voxels of {sizes.min():.4g} A)"
        side = float(sizes.min())
    else:
        side = round(float(sizes.mean()), 6)
    origin = torch.from_numpy(_read_origin(header, sizes if source != path.name else np.full(3, side)))
    return DensityMap(values=torch.from_numpy(values), voxel_size=side, origin=origin, source=source)


def write_map(path: Path | str, density: DensityMap) -> None:
    """Write `density` as a float32 MRC map with its voxel size and origin."""
    with write_beside(path) as temporary, mrcfile.new(temporary, overwrite=True) as mrc:
        mrc.set_data(density.values.detach().cpu().numpy().astype(np.float32))
        mrc.set_volume()
        mrc.voxel_size = density.voxel_size
        set_label(mrc)
        mrc.header.origin = tuple(density.origin.tolist())


def _open(path: Path) -> tuple[np.ndarray, np.recarray]:
    """Return the voxels as stored, and the header."""
    refuse_endless_header(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # permissive reading warns of things that are checked below
            with mrcfile.open(path, permissive=True) as mrc:
                values, header = mrc.data, mrc.header.copy()
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read as an MRC map ({error}).") from None
    if values is None:
        refuse_truncated(path, header)
    if values is None or values.ndim != 3 or values.dtype.kind not in "iuf":
        raise InputError(
            f"{path} (mode {int(header.mode)}) is not a three-dimensional real map: it is truncated, an image, a "
            "stack of volumes or a transform; write one volume, mode 0, 1, 2, 6 or 12."
        )
    if len(values) > 1 and int(header.ispg) == 0 and int(header.mz) == 1:
        raise InputError(
            f"{path} is a stack of {len(values)} images, says its header (space group 0, mz 1), not a map: give a "
            "volume, or, if it is one, set its header right, for instance with mrcfile: `mrc.set_volume()`."
        )
    return (values.view(np.uint8) if _holds_unsigned_bytes(header) else values), header


def _holds_unsigned_bytes(header: np.recarray) -> bool:
    """Return whether bytes are 0-255, as IMOD wrote them before its flag said otherwise."""
    kind = header.mode.dtype.newbyteorder("=").newbyteorder(header.mode.dtype.byteorder)
    stamp, flags = np.frombuffer(header.extra2.tobytes()[IMOD_PLACE], dtype=kind)
    return int(header.mode) == 0 and int(stamp) == IMOD_STAMP and not int(flags) & 1


def _check_finite(values: np.ndarray, path: Path) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        place = tuple(int(index) for index in np.argwhere(bad)[0][::-1])
        raise InputError(
            f"{path} has {int(bad.sum())} voxels that are not finite numbers, the first at x y z {place}: "
            "replace them, for instance by 0."
        )


def _make_cubic(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Resample to the least of `sizes` (x y z) along every axis; voxel (0, 0, 0) stays where it is."""
    steps = sizes.min() / sizes[::-1]
    shape = tuple(int((side - 1) / step + 1e-6) + 1 for side, step in zip(values.shape, steps, strict=True))
    return ndimage.affine_transform(values, steps, output_shape=shape, order=3, mode="nearest")


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


def _read_voxel_sizes(header: np.recarray, path: Path) -> np.ndarray:
    """Return the sides of a voxel, A, x y z."""
    angles = np.array([header.cellb.alpha, header.cellb.beta, header.cellb.gamma])
    if not (np.allclose(angles, 90) or np.allclose(angles, 0)):
        raise InputError(f"{path} has cell angles {angles.tolist()}: only right angles can be read, resample the map.")
    cell = np.array([header.cella.x, header.cella.y, header.cella.z], dtype=np.float64)
    grid = np.array([header.mx, header.my, header.mz], dtype=np.float64)
    if not ((cell > 0) & np.isfinite(cell) & (grid > 0)).all():
        if looks_like_stack(header):
            raise InputError(
                f"{path} looks like a stack of {int(header.nz)} images of {int(header.nx)} x {int(header.ny)}, not "
                "like a map, and gives no voxel size: give a volume, or state the size of its voxels if it is one "
                "(--voxel-size, for a reference)."
            )
        raise InputError(
            f"{path} gives no voxel size (cell {cell.tolist()} A): state it (--voxel-size, for a reference), or "
            "write it into the header, for instance with mrcfile: `mrc.voxel_size = 1.05`."
        )
    sizes = cell / grid
    if sizes.max() > WORST_STRETCH * sizes.min():
        raise InputError(
            f"{path} has voxels of {sizes.round(4).tolist()} A: they are resampled to cubes only where no side is more "
            "than twice another; the header may be wrong, state the size of cubic ones (--voxel-size, for a reference)."
        )
    return sizes


def _read_origin(header: np.recarray, sizes: np.ndarray) -> np.ndarray:
    origin = np.array([header.origin.x, header.origin.y, header.origin.z], dtype=np.float64)
    if origin.any():
        return origin
    columns = _read_columns(header) if int(header.mapc) else [1, 2, 3]
    starts = dict(zip(columns, (header.nxstart, header.nystart, header.nzstart), strict=True))
    return np.array([float(starts[axis]) for axis in (1, 2, 3)]) * sizes
