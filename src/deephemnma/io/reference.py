"""The reference and its modes: ``modes.npz``."""

from pathlib import Path

import numpy as np
import torch

from deephemnma.core.model import Basis, GaussianModel, Modes
from deephemnma.io.archive import read_arrays, write_arrays

KEYS = ("positions", "center", "weights", "widths", "vectors", "eigenvalues", "numbers")


def holds_modes(path: Path) -> bool:
    """Return whether `path` is a ``modes.npz``, or a folder, which would hold one: not what modes are computed from."""
    return path.is_dir() or path.suffix == ".npz"


def write_reference(path: Path | str, model: GaussianModel, modes: Modes) -> None:
    """Write `model` and `modes` as ``.npz``; ``positions`` are in the frame of the model's file."""
    arrays = {
        "positions": model.positions + model.center,
        "center": model.center,
        "weights": model.weights,
        "widths": model.widths,
        "vectors": modes.vectors,
        "eigenvalues": modes.eigenvalues,
    }
    arrays = {name: values.detach().cpu().double().numpy() for name, values in arrays.items()}
    arrays |= {"numbers": np.array(modes.numbers, dtype=np.int64), "basis": np.array(str(modes.basis))}
    write_arrays(path, arrays)


def read_reference(path: Path | str) -> tuple[GaussianModel, Modes]:
    """Read what :func:`write_reference` wrote, in float64; modes without a basis (older files) are normal modes.

    Raises
    ------
    InputError
        If the file is missing, is not ``.npz``, or lacks an array.
    """
    arrays = read_arrays(path, needed=KEYS, what="modes (modes.npz)", command="deephemnma modes")
    numbers = tuple(int(number) for number in arrays.pop("numbers"))
    basis = Basis(str(arrays.pop("basis", Basis.NORMAL_MODES)))
    tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    model = GaussianModel(
        positions=tensors["positions"] - tensors["center"],
        weights=tensors["weights"],
        widths=tensors["widths"],
        center=tensors["center"],
    )
    return model, Modes(tensors["vectors"], tensors["eigenvalues"], numbers, basis)
