"""Orientations modulo a point group."""

import math
import re

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.rotation import compute_geodesic_angle, rotation_from_vector

PLATONIC_AXES = {
    "T": ((3, (0.0, 0.0, 1.0)), (2, (0.0, math.sqrt(2.0), 1.0))),
    "O": ((3, (1.0, 1.0, 1.0)), (4, (0.0, 0.0, 1.0))),
    "I": ((2, (0.0, 0.0, 1.0)), (5, (1.0, 0.0, (1.0 + math.sqrt(5.0)) / 2.0)), (3, (0.0, 3.0 - math.sqrt(5.0), 2.0))),
}
"""Fold and direction of the generating axes in RELION's setting; "I" is RELION's I and I2."""


def make_point_group(name: str) -> Float[Tensor, "operations 3 3"]:
    """Return the rotations (float64, the identity first) of point group `name` in RELION's setting.

    Parameters
    ----------
    name
        "C<n>" (axis z), "D<n>" (axis z, two-fold along x), "T", "O" or "I".

    Raises
    ------
    InputError
        If `name` is none of these.
    """
    match = re.fullmatch(r"([CD])([1-9]\d?)|([TOI])", name.upper())
    if match is None:
        raise InputError(f"The point group must be C1, C2, ..., D1, D2, ..., T, O or I, but {name!r} came.")
    family, fold, platonic = match.groups()
    if platonic:
        return _close_group([_turn(fold, axis) for fold, axis in PLATONIC_AXES[platonic]])
    generators = [_turn(int(fold), (0.0, 0.0, 1.0))]
    return _close_group(generators + ([_turn(2, (1.0, 0.0, 0.0))] if family == "D" else []))


def find_equivalent(
    first: Float[Tensor, "images 3 3"], second: Float[Tensor, "images 3 3"], group: str
) -> Float[Tensor, "images 3 3"]:
    """Return, for each of `first`, the orientation of the same view under `group` that is closest to `second`."""
    equivalents = first[:, None] @ make_point_group(group).to(first)
    angles = compute_geodesic_angle(equivalents, second[:, None].expand_as(equivalents))
    return equivalents[torch.arange(len(first), device=first.device), angles.argmin(1)]


def compute_symmetric_angle(
    first: Float[Tensor, "images 3 3"], second: Float[Tensor, "images 3 3"], group: str
) -> Float[Tensor, "images"]:
    """Return the smallest geodesic angle (radians) between the views `first` and `second` of a `group` symmetric body.

    A rotation takes reference coordinates to the view frame, so ``R`` and ``R S`` show the same for every S of the
    group, which acts in the reference frame.
    """
    return compute_geodesic_angle(find_equivalent(first, second, group), second)


def _turn(fold: int, axis: tuple[float, float, float]) -> Float[Tensor, "3 3"]:
    direction = torch.tensor(axis, dtype=torch.float64)
    return rotation_from_vector(direction / direction.norm() * (2 * math.pi / fold))


def _close_group(generators: list[Float[Tensor, "3 3"]]) -> Float[Tensor, "operations 3 3"]:
    operations = [torch.eye(3, dtype=torch.float64)]
    for operation in operations:  # grows while it is walked
        for generator in generators:
            product = generator @ operation
            if all((product - known).abs().max() > 1e-6 for known in operations):
                operations.append(product)
    return torch.stack(operations)
