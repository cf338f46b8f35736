"""The reference and its modes: ``modes.npz``."""

from pathlib import Path

import numpy as np
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import Basis, GaussianModel, Modes
from deephemnma.io.atomic import require_file, write_beside

KEYS = ("positions", "center", "weights", "widths", "vectors", "eigenvalues", "numbers")


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
    # An open file, because numpy appends .npz to names that end otherwise.
    with write_beside(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays, numbers=np.array(modes.numbers, dtype=np.int64), basis=np.array(str(modes.basis)))


def read_reference(path: Path | str) -> tuple[GaussianModel, Modes]:
    """Read what :func:`write_reference` wrote, in float64; modes without a basis (older files) are normal modes.

    Raises
    ------
    InputError
        If the file is missing, is not ``.npz``, or lacks an array.
    """
    path = require_file(path, "modes (modes.npz)")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read as modes.npz ({error}): make it with `deephemnma modes`.") from None
    missing = [name for name in KEYS if name not in arrays]
    if missing:
        raise InputError(f"{path} lacks the array {missing[0]!r}: make it again with `deephemnma modes`.")
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
