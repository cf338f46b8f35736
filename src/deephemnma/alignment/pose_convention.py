"""Poses as they would be, had another program's convention been misread."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.agreement import multiply
from deephemnma.alignment.observation import Observations
from deephemnma.alignment.state import State
from deephemnma.imaging.projector import Projector, compute_phases

GIVEN = "as given"
TRANSPOSED = "transposed"
MIRRORED = "mirrored"
Rotations = Float[Tensor, "images 3 3"]
LEAST_CHANGE = 0.1
"""Shifts that a convention changes by less than this share of the band's resolution (root mean square) are no test."""


def _mirror(*signs: float) -> Callable[[Rotations], Rotations]:
    """Return what makes poses of a mirrored reference those of the reference.

    Along the view nothing is seen, so that turning it round there makes a rotation of the product again.
    """

    def mirror(rotations: Rotations) -> Rotations:
        view = torch.tensor([1.0, 1.0, -1.0]).to(rotations)
        return view[:, None] * rotations * torch.tensor(signs).to(rotations)

    return mirror


ROTATIONS: dict[str, Callable[[Rotations], Rotations]] = {
    GIVEN: lambda rotations: rotations,
    TRANSPOSED: lambda rotations: rotations.mT,
    f"{MIRRORED} in x": _mirror(-1.0, 1.0, 1.0),
    f"{MIRRORED} in y": _mirror(1.0, -1.0, 1.0),
    f"{MIRRORED} in z": _mirror(1.0, 1.0, -1.0),
    f"{MIRRORED} through the centre": _mirror(-1.0, -1.0, -1.0),
}
SHIFTS: dict[str, Callable[[float], float]] = {
    GIVEN: lambda pixel_size: 1.0,
    "negated": lambda pixel_size: -1.0,
    "none": lambda pixel_size: 0.0,
    "in pixels": lambda pixel_size: pixel_size,
    "in A": lambda pixel_size: 1 / pixel_size,
}
"""By what shifts are to be multiplied. "in pixels": the file has pixels where A belong; "in A": the other way round."""


@dataclass(frozen=True)
class Convention:
    """What is done to given poses.

    Attributes
    ----------
    rotation, shift
        Names of :data:`ROTATIONS` and :data:`SHIFTS`.
    """

    rotation: str = GIVEN
    shift: str = GIVEN

    @property
    def is_given(self) -> bool:
        """Whether nothing is."""
        return self == Convention()

    @property
    def is_single(self) -> bool:
        """Whether only one thing is."""
        return GIVEN in (self.rotation, self.shift)

    def describe(self) -> str:
        """Return it in words."""
        turned = {GIVEN: "", TRANSPOSED: "rotations inverted"}.get(self.rotation, f"reference {self.rotation}")
        moved = {GIVEN: "", "negated": "shifts negated", "none": "no shifts"}.get(self.shift, f"shifts {self.shift}")
        return ", ".join(part for part in (turned, moved) if part) or GIVEN

    def apply(self, state: State, *, pixel_size: float) -> State:
        """Return the states that are meant, if this is how the given ones were misread."""
        factor = SHIFTS[self.shift](pixel_size)
        return State(ROTATIONS[self.rotation](state.rotations), state.shifts * factor, state.amplitudes)


def compare_conventions(
    observations: Observations, projector: Projector, state: State, *, pixel_size: float
) -> dict[Convention, Float[Tensor, "images"]]:
    """Return the log likelihood of each image (:meth:`Agreement.compute_gains`) by every convention that is a test.

    Parameters
    ----------
    observations, projector
        Of the same band.
    state
        As given.
    pixel_size
        By which pixels and A were to be converted, A: that of the images in the file.
    """
    gains = {}
    for rotation, turn in ROTATIONS.items():
        rotations = turn(state.rotations)
        value = projector.project(rotations, torch.zeros_like(state.shifts), state.amplitudes)
        for shift, find_factor in SHIFTS.items():
            factor = find_factor(pixel_size)
            change = abs(factor - 1) * state.shifts.square().sum(1).mean().sqrt()
            if shift != GIVEN and change < LEAST_CHANGE * projector.band.resolution:
                continue
            phases = compute_phases(projector.band, factor * state.shifts) * projector.band.box_size
            gains[Convention(rotation, shift)] = multiply(observations, value * phases).compute_gains()
    return gains
