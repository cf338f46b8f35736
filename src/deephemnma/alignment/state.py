"""Where an image's alignment stands."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deephemnma.core.rotation import rotation_from_vector


@dataclass(frozen=True)
class State:
    """Orientation, shift and amplitudes of each image (float32, on the device that computes).

    Attributes
    ----------
    rotations, shifts, amplitudes
        As in :class:`~deephemnma.core.particle.Poses` and :class:`~deephemnma.core.estimates.Estimates`.
    """

    rotations: Float[Tensor, "images 3 3"]
    shifts: Float[Tensor, "images 2"]
    amplitudes: Float[Tensor, "images modes"]

    def __len__(self) -> int:
        return self.rotations.shape[0]

    def select(self, rows: Int[Tensor, "rows"]) -> "State":
        """Return the states of `rows`, which may repeat."""
        return State(self.rotations[rows], self.shifts[rows], self.amplitudes[rows])

    def move(self, step: Float[Tensor, "images parameters"]) -> "State":
        """Return the state after a step in (amplitudes, rotation about the view axes, shift)."""
        modes = self.amplitudes.shape[1]
        return State(
            rotation_from_vector(step[:, modes : modes + 3]) @ self.rotations,
            self.shifts + step[:, modes + 3 :],
            self.amplitudes + step[:, :modes],
        )

    def replace_where(self, chosen: Bool[Tensor, "images"], other: "State") -> "State":
        """Return `other` where `chosen`, this elsewhere."""
        return State(
            torch.where(chosen[:, None, None], other.rotations, self.rotations),
            torch.where(chosen[:, None], other.shifts, self.shifts),
            torch.where(chosen[:, None], other.amplitudes, self.amplitudes),
        )


def concatenate_states(states: list[State]) -> State:
    """Return the rows of all `states`."""
    return State(
        torch.cat([state.rotations for state in states]),
        torch.cat([state.shifts for state in states]),
        torch.cat([state.amplitudes for state in states]),
    )
