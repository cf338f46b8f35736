"""Where a reference stands in a map, and in which conformation."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import rotation_from_vector


@dataclass(frozen=True)
class Placement:
    """A conformation and where it is: ``rotation @ (x + sum_m q_m u_m) + center + shift``.

    Attributes
    ----------
    amplitudes
        A.
    rotation
        About the model's centre.
    shift
        A, of the model's centre from where its file has it.
    """

    amplitudes: Float[Tensor, "modes"]
    rotation: Float[Tensor, "3 3"]
    shift: Float[Tensor, "3"]

    def move(self, step: Float[Tensor, "parameters"]) -> "Placement":
        """Return the placement after a step in amplitudes, small rotation about x y z of the map, and shift."""
        n_modes = len(self.amplitudes)
        turn = rotation_from_vector(step[n_modes : n_modes + 3])
        return Placement(
            self.amplitudes + step[:n_modes], turn @ self.rotation, self.shift + step[n_modes + 3 : n_modes + 6]
        )

    def without_motion(self) -> "Placement":
        """Return the same placement of the reference conformation."""
        return replace(self, amplitudes=torch.zeros_like(self.amplitudes))


def make_placement(n_modes: int) -> Placement:
    """Return the reference where its file has it."""
    zeros = torch.zeros(n_modes + 3, dtype=torch.float64)
    return Placement(zeros[:n_modes], torch.eye(3, dtype=torch.float64), zeros[n_modes:])


def place_sites(model: GaussianModel, modes: Modes, placement: Placement) -> Float[Tensor, "sites 3"]:
    """Return the sites in the frame of the map, A, float64."""
    moved = model.positions.double() + torch.einsum("m,msx->sx", placement.amplitudes, modes.vectors.double())
    return moved @ placement.rotation.mT + model.center.double() + placement.shift
