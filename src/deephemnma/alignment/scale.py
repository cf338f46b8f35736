"""What one A of displacement is in each parameter."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.state import State
from deephemnma.core.model import GaussianModel
from deephemnma.core.rotation import compute_geodesic_angle


@dataclass(frozen=True)
class Scales:
    """Changes that move the sites of a reference by 1 A RMS, so that one number in A can bound all parameters.

    Raw amplitudes cannot: 250 is 6 A for adenylate kinase and 2 A for a ribosome.

    Attributes
    ----------
    amplitude
        Of a mode, A: the square root of the number of sites.
    rotation
        Radians: one over the radius of gyration.
    """

    amplitude: float
    rotation: float

    @property
    def gyration_radius(self) -> float:
        """Of the reference, A."""
        return 1 / self.rotation

    def to_vector(self, n_modes: int) -> Float[Tensor, "parameters"]:
        """Return the scale of each parameter, in the order amplitudes, rotation, shift."""
        return torch.tensor([self.amplitude] * n_modes + [self.rotation] * 3 + [1.0] * 2)

    def compute_distance(self, first: State, second: State) -> Float[Tensor, "states"]:
        """Return roughly how far apart, in A RMS, the sites of two states are."""
        angle = compute_geodesic_angle(first.rotations, second.rotations)
        bend = (first.amplitudes - second.amplitudes).norm(dim=-1)
        shift = (first.shifts - second.shifts).norm(dim=-1)
        return torch.sqrt((angle / self.rotation) ** 2 + (bend / self.amplitude) ** 2 + shift**2)


def compute_scales(model: GaussianModel) -> Scales:
    """Return the scales of `model`."""
    gyration = float(model.positions.square().sum(1).mean().sqrt())
    return Scales(amplitude=model.n_sites**0.5, rotation=1 / gyration)
