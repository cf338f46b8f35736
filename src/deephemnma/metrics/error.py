"""The error of every image: found minus true, parameter by parameter."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.estimates import USABLE, Estimates
from deephemnma.core.rotation import compute_geodesic_angle
from deephemnma.metrics.angle import compute_axis_angle, compute_rotation_vector
from deephemnma.metrics.symmetry import find_equivalent


@dataclass(frozen=True)
class ImageErrors:
    """Errors of the images that two sets of estimates have in common.

    Attributes
    ----------
    names
        Image names, in the order of the found estimates.
    parameters
        Found minus true, in the order of the covariance of :class:`~deephemnma.core.estimates.Estimates`: amplitudes
        (A), rotation about the view axes x y z (radians), shift x y (A). NaN where nothing was found.
    covariance
        What the found estimates claim of these errors; NaN where nothing is claimed.
    axis_angle, geodesic_angle
        Between the orientations, radians: the paper's measure and the angle of rotation.
    found_rotations, true_rotations
        The orientations, modulo the point group asked for.
    flagged
        True where the found status itself says that the image did not work out.
    mode_numbers
        The users' numbers of the modes.
    """

    names: tuple[str, ...]
    parameters: Float[Tensor, "images parameters"]
    covariance: Float[Tensor, "images parameters parameters"]
    axis_angle: Float[Tensor, "images"]
    geodesic_angle: Float[Tensor, "images"]
    found_rotations: Float[Tensor, "images 3 3"]
    true_rotations: Float[Tensor, "images 3 3"]
    flagged: Bool[Tensor, "images"]
    mode_numbers: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def amplitudes(self) -> Float[Tensor, "images modes"]:
        """Errors of the amplitudes, A."""
        return self.parameters[:, : len(self.mode_numbers)]

    @property
    def shifts(self) -> Float[Tensor, "images 2"]:
        """Errors of the shifts x y, A."""
        return self.parameters[:, -2:]

    @property
    def present(self) -> Bool[Tensor, "images"]:
        """True where every parameter was found."""
        return self.parameters.isfinite().all(1)


def match_names(found: tuple[str, ...], truth: tuple[str, ...]) -> tuple[Int[Tensor, "rows"], Int[Tensor, "rows"]]:
    """Return the rows of the images that both have, in the order of `found`.

    Raises
    ------
    InputError
        If a name occurs twice, or no image is in both.
    """
    for names in (found, truth):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"Every image must be there once, but {twice!r} occurs more than once.")
    rows = {name: row for row, name in enumerate(truth)}
    pairs = [(row, rows[name]) for row, name in enumerate(found) if name in rows]
    if not pairs:
        raise InputError(
            f"The two sets have no image in common (the first names are {found[:1]} and {truth[:1]}): "
            "compare estimates of the same particles."
        )
    both = torch.tensor(pairs, dtype=torch.long)
    return both[:, 0], both[:, 1]


def compute_errors(found: Estimates, truth: Estimates, *, symmetry: str = "C1") -> ImageErrors:
    """Return the errors of `found` against `truth`, matched by image name.

    Parameters
    ----------
    found, truth
        Estimates with the same modes in the same order.
    symmetry
        Point group of the molecule: orientations are compared modulo it.

    Raises
    ------
    InputError
        If the modes differ or no image is in both sets.
    """
    if found.mode_numbers != truth.mode_numbers:
        raise InputError(
            f"Both sets of estimates must have the same modes, but they have {list(found.mode_numbers)} and "
            f"{list(truth.mode_numbers)}."
        )
    rows, true_rows = match_names(found.names, truth.names)
    found, truth = found.select(rows), truth.select(true_rows)
    rotations, true_rotations = found.poses.rotations.double(), truth.poses.rotations.double()
    if symmetry.upper() != "C1":
        rotations = find_equivalent(rotations, true_rotations, symmetry)
    turns = compute_rotation_vector(rotations, true_rotations)
    shifts = found.poses.shifts - truth.poses.shifts
    return ImageErrors(
        names=found.names,
        parameters=torch.cat((found.amplitudes - truth.amplitudes, turns, shifts), dim=1).double(),
        covariance=found.covariance.double(),
        axis_angle=compute_axis_angle(rotations, true_rotations),
        geodesic_angle=compute_geodesic_angle(rotations, true_rotations),
        found_rotations=rotations,
        true_rotations=true_rotations,
        flagged=torch.tensor([status not in USABLE for status in found.status], dtype=torch.bool),
        mode_numbers=found.mode_numbers,
    )
