"""A motion that was found in a map: ``motion.npz``."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.io.archive import read_arrays, write_arrays

MOTION_FILE = "motion.npz"
KEYS = ("numbers", "amplitudes", "standard_deviations", "positions", "displacements")


@dataclass(frozen=True)
class FittedMotion:
    """How the sites of a reference have moved, apart from moving as a whole.

    Attributes
    ----------
    numbers
        Of the modes that moved.
    amplitudes, standard_deviations
        A.
    positions
        Of the reference, in the frame of its file, A.
    displacements
        Of each site in the same frame, A: the sum of amplitudes times modes.
    """

    numbers: tuple[int, ...]
    amplitudes: Float[Tensor, "modes"]
    standard_deviations: Float[Tensor, "modes"]
    positions: Float[Tensor, "sites 3"]
    displacements: Float[Tensor, "sites 3"]


def write_motion(path: Path | str, motion: FittedMotion) -> None:
    """Write `motion` as ``.npz``."""
    arrays = {name: getattr(motion, name).double().numpy() for name in KEYS[1:]}
    write_arrays(path, {"numbers": np.array(motion.numbers, dtype=np.int64)} | arrays)


def read_motion(path: Path | str) -> FittedMotion:
    """Read what :func:`write_motion` wrote; `path` may be its folder.

    Raises
    ------
    InputError
        If the file is missing, is not ``.npz``, or lacks an array.
    """
    path = Path(path)
    path = path / MOTION_FILE if path.is_dir() else path
    arrays = read_arrays(path, needed=KEYS, what="a motion (motion.npz)", command="deephemnma fit")
    numbers = tuple(int(number) for number in arrays["numbers"])
    return FittedMotion(numbers, *(torch.from_numpy(arrays[name]) for name in KEYS[1:]))
