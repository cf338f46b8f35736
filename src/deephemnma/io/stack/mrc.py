"""Image stacks on disk: where they lie, whether they are whole, and images of them by number."""

import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
from mrcfile.utils import dtype_from_mode

from deephemnma.core.error import InputError

OPEN_STACKS = 64  # each open memory map holds a file descriptor, of which a process has about 1,000
HEADER_BYTES = 1024


@dataclass(frozen=True)
class StackHeader:
    """What the header of a stack says: number of images, side in pixels, pixel size in A (None if not stated)."""

    count: int
    box_size: int
    pixel_size: float | None


def find_stack(name: str, *, star_path: Path, datadir: Path | None) -> Path:
    """Return where the stack `name` of a star file lies.

    Tried in this order: `name` under `datadir`, the star file's folder, each of that folder's parents (RELION's
    names start at the project's folder) and the working folder; then the bare file name under `datadir` and beside
    the star file.

    Raises
    ------
    InputError
        If it is nowhere; the message names what was tried.
    """
    if datadir is not None and not Path(datadir).is_dir():
        raise InputError(f"There is no folder {datadir}: check --datadir (it is taken relative to the current folder).")
    given = [] if datadir is None else [Path(datadir)]
    folder = star_path.absolute().parent
    candidates = [base / name for base in (*given, folder, *folder.parents, Path.cwd())]
    candidates += [base / Path(name).name for base in (*given, folder)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    first = candidates[0]
    tried = f"{first}" if Path(name).is_absolute() else f"{first} and {len(set(candidates)) - 1} more places above it"
    raise InputError(
        f"{star_path} names the stack {name!r}, which was not found (tried {tried}, and the bare file name "
        "beside the star file): give the folder that this path starts from (--datadir)."
    )


def read_stack_header(path: Path) -> StackHeader:
    """Read the header of an MRC stack and check that the file is as long as it says.

    Raises
    ------
    InputError
        If the file is no MRC file, is truncated, or its images are not square.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # many programs write stacks as volumes, which is harmless here
            with mrcfile.open(path, header_only=True, permissive=True) as mrc:
                header = mrc.header
        nx, ny, nz = int(header.nx), int(header.ny), int(header.nz)
        item_bytes = dtype_from_mode(header.mode).itemsize
    except (ValueError, AttributeError, OSError) as error:
        raise InputError(f"{path} cannot be read as an MRC stack ({error}).") from None
    wanted = HEADER_BYTES + int(header.nsymbt) + nx * ny * nz * item_bytes
    present = path.stat().st_size
    if present < wanted:
        raise InputError(
            f"{path} is truncated: its header promises {nz} images of {nx} x {ny}, {wanted} bytes, "
            f"but there are {present}: copy it again."
        )
    if nx != ny:
        raise InputError(f"{path} holds images of {nx} x {ny}: only square ones can be read, crop or pad them.")
    cell, grid = float(header.cella.x), int(header.mx)
    # Six digits: the header holds single precision, and 13.1 should not come back as 13.1000004.
    return StackHeader(nz, nx, round(cell / grid, 6) if cell > 0 and grid > 0 else None)


class StackReader:
    """Memory maps of stacks, opened when first asked for; the most recent ones stay open.

    Parameters
    ----------
    paths
        The stacks, by number.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._maps: OrderedDict[int, np.memmap] = OrderedDict()

    def __getstate__(self) -> dict:
        # A worker opens its own maps: pickling one would copy the whole stack.
        return {"_paths": self._paths, "_maps": OrderedDict()}

    def read(self, stacks: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Return image `indices` (from 0) of stack `stacks`, one pair an image, as float32 (images, box, box)."""
        images: np.ndarray | None = None
        for stack in np.unique(stacks):
            rows = np.flatnonzero(stacks == stack)
            values = self._open(int(stack))
            if images is None:
                images = np.empty((len(stacks), *values.shape[1:]), dtype=np.float32)
            images[rows] = values[indices[rows]]
        return images

    def _open(self, stack: int) -> np.ndarray:
        if stack not in self._maps:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values = mrcfile.mmap(self._paths[stack], mode="r", permissive=True).data
            self._maps[stack] = values.reshape(-1, *values.shape[-2:])
            if len(self._maps) > OPEN_STACKS:
                self._maps.popitem(last=False)
        self._maps.move_to_end(stack)
        return self._maps[stack]
