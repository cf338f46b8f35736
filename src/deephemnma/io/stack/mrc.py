"""MRC stacks, as RELION, cryoSPARC, FREALIGN and cisTEM write them."""

import io
import warnings
from pathlib import Path

import mrcfile.mrcinterpreter
import numpy as np
from mrcfile.utils import dtype_from_mode

from deephemnma.core.error import InputError
from deephemnma.io.content import describe_content
from deephemnma.io.file_kind import HEADER_BYTES
from deephemnma.io.stack.layout import LARGEST_SIDE, StackLayout

EXTENDED_AT = 92
"""Where the header tells the length of the extended one."""
REAL_MODES = {0: "int8", 1: "int16", 2: "float32", 6: "uint16", 12: "float16"}
KNOWN_MODES = {*REAL_MODES, 3, 4, 101}
"""With those of complex and of packed 4-bit pixels."""


def read_mrc_layout(path: Path) -> StackLayout:
    """Read the header of an MRC stack and check that the file is as long as it says.

    Raises
    ------
    InputError
        If the file is no MRC file, is truncated, its pixels are not real numbers, or its images are not square.
    """
    with path.open("rb") as stream:
        header = parse_header(stream.read(HEADER_BYTES), path)
    nx, ny, nz = int(header.nx), int(header.ny), int(header.nz)
    mode = int(header.mode)
    if not all(1 <= side <= LARGEST_SIDE for side in (nx, ny)):
        raise InputError(
            f"{path} says that it holds images of {nx} x {ny} pixels: its header is damaged, or it is no image stack."
        )
    if mode not in KNOWN_MODES:
        raise InputError(f"{path} is no MRC stack: its header is damaged, or it is a file of another kind.")
    if mode not in REAL_MODES:
        raise InputError(
            f"{path} has pixels of MRC mode {mode}, wanted real images: mode "
            f"{', '.join(f'{number} ({name})' for number, name in REAL_MODES.items())}."
        )
    if nx != ny:
        raise InputError(f"{path} holds images of {nx} x {ny}: only square ones can be read, crop or pad them.")
    cell, grid = float(header.cella.x), int(header.mx)
    # Six digits: the header holds single precision, and 13.1 should not come back as 13.1000004.
    pixel_size = round(cell / grid, 6) if np.isfinite(cell) and cell > 0 and grid > 0 else None
    dtype = dtype_from_mode(mode).newbyteorder(header.mode.dtype.byteorder)
    return StackLayout(path, nz, nx, pixel_size, dtype, HEADER_BYTES + int(header.nsymbt)).check()


def parse_header(content: bytes, path: Path) -> np.recarray:
    """Return the header that the first bytes of an MRC file hold."""
    told = (
        describe_content(content) if content else "empty, copy it again"
    )  # no header begins like these: its sides would be huge
    if told:
        raise InputError(f"{path} cannot be read as an MRC stack: it is {told}.")
    if len(content) < HEADER_BYTES:
        raise InputError(f"{path} cannot be read as an MRC stack: it has {len(content)} bytes, a header alone 1,024.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # many programs write stacks as volumes, which is harmless here
            # The library makes room for as long an extended header as is promised: that promise is kept from it.
            stream = io.BytesIO(content[:EXTENDED_AT] + bytes(4) + content[EXTENDED_AT + 4 :])
            interpreter = mrcfile.mrcinterpreter.MrcInterpreter(stream, permissive=True, header_only=True)
    except (ValueError, AttributeError, OSError) as error:
        raise InputError(f"{path} cannot be read as an MRC stack ({error}).") from None
    header = interpreter.header
    header.nsymbt = np.frombuffer(content, header.nsymbt.dtype, count=1, offset=EXTENDED_AT)[0]
    return header
