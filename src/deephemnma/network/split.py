"""Which images train and which validate."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.seed import derive_seed


@dataclass(frozen=True)
class Split:
    """Rows of the images to train on, and of those kept to validate: never the same image."""

    training: Int[Tensor, "training"]
    validation: Int[Tensor, "validation"]


def split_images(names: tuple[str, ...], *, n_validation: int, seed: int) -> Split:
    """Keep `n_validation` images to validate: those whose hashed names come first, whatever the order of rows.

    Raises
    ------
    InputError
        If a name comes twice: the image could then be in both parts.
    """
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"Image {twice} comes more than once among the estimates: keep one row an image.")
    order = sorted(range(len(names)), key=lambda row: (derive_seed(seed, "split", names[row]), names[row]))
    validation, training = order[:n_validation], order[n_validation:]
    return Split(torch.tensor(sorted(training), dtype=torch.long), torch.tensor(sorted(validation), dtype=torch.long))
