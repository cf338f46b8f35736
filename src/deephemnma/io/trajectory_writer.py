"""Frames as DCD, by chemfiles: a seventh of the size of text, for what a structure file beside it names."""

from pathlib import Path
from types import ModuleType

import numpy as np
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.io.atomic import write_beside


def write_dcd(path: Path | str, frames: Float[Tensor, "frames sites 3"]) -> None:
    """Write the coordinates (A, kept to 32 bits) of every frame.

    Raises
    ------
    InputError
        If chemfiles is not installed.
    """
    chemfiles = require_chemfiles()
    frame = chemfiles.Frame()
    frame.resize(frames.shape[1])
    with write_beside(path) as temporary, chemfiles.Trajectory(str(temporary), "w", "DCD") as trajectory:
        for positions in frames.detach().cpu().numpy().astype(np.float64):
            frame.positions[:] = positions
            trajectory.write(frame)
        temporary.chmod(0o644)  # chemfiles makes it executable


def require_chemfiles() -> ModuleType:
    """Return the library that writes DCD.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import chemfiles
    except ImportError:
        raise InputError(
            "DCD files are written by chemfiles: install it with `pip install 'deephemnma[trajectory]'`, "
            "or choose --format pdb or cif."
        ) from None
    return chemfiles
