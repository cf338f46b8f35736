"""A grid over all rotations on which the network gives a probability."""

import math

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from deephemnma.core.rotation import rotation_about_y, rotation_about_z

CONCENTRATION = 60.0
"""Of the labels' kernel ``exp(k trace(R^T G))``: 5.2 degrees about each axis, near half the step of the grid."""
PEAK_RADIUS = math.radians(25)
"""Cells within this angle of a peak belong to its hypothesis."""
PEAK_DISTANCE = math.radians(35)
"""Two hypotheses differ by this angle or more."""


class RotationGrid(nn.Module):
    """Rotations ``Rz(psi) V``: `n_angles` in-plane angles times `n_views` views spread evenly over the sphere.

    Parameters
    ----------
    n_angles, n_views
        36 and 300 are steps of 10 and about 12 degrees.
    """

    def __init__(self, *, n_angles: int = 36, n_views: int = 300) -> None:
        super().__init__()
        self.n_angles, self.n_views = n_angles, n_views
        psi = 2 * math.pi * torch.arange(n_angles, dtype=torch.float64) / n_angles
        cells = rotation_about_z(psi)[:, None] @ _make_views(n_views)
        self.register_buffer("cells", cells.reshape(-1, 9).float(), persistent=False)

    @property
    def n_cells(self) -> int:
        """Number of rotations."""
        return self.cells.shape[0]

    def compute_targets(self, rotations: Float[Tensor, "images 3 3"]) -> Float[Tensor, "images cells"]:
        """Return the probability of each cell that a true rotation stands for."""
        return torch.softmax(CONCENTRATION * rotations.flatten(1) @ self.cells.T, dim=1)

    def compute_angle_weights(
        self, probabilities: Float[Tensor, "*batch cells"], n_angles: int
    ) -> Float[Tensor, "*batch angles"]:
        """Return the probability of each of `n_angles` equal sectors of the in-plane angle."""
        return probabilities.unflatten(-1, (n_angles, -1)).sum(-1)

    def find_hypotheses(
        self, probabilities: Float[Tensor, "images cells"], count: int
    ) -> tuple[Float[Tensor, "images hypotheses 3 3"], Float[Tensor, "images hypotheses cells"]]:
        """Return the mean rotations of the `count` highest peaks, and the probabilities that each peak gathers."""
        remaining, rotations, shares = probabilities.clone(), [], []
        for _ in range(count):
            peak = self.cells[remaining.argmax(dim=1)]
            cos_angle = (peak @ self.cells.T - 1) / 2
            share = probabilities * (cos_angle > math.cos(PEAK_RADIUS))
            # Where all is zero the peak itself stands in for the mean.
            mean = share @ self.cells + 1e-6 * peak
            rotations.append(roma.special_procrustes(mean.unflatten(1, (3, 3))))
            shares.append(share)
            remaining = remaining.masked_fill(cos_angle > math.cos(PEAK_DISTANCE), -1)
        return torch.stack(rotations, dim=1), torch.stack(shares, dim=1)


def _make_views(count: int) -> Float[Tensor, "views 3 3"]:
    """Return rotations that bring `count` directions of a Fibonacci spiral to view z (Gonzalez 2010)."""
    step = torch.arange(count, dtype=torch.float64) + 0.5
    tilt = torch.acos(1 - 2 * step / count)
    rot = math.pi * (1 + math.sqrt(5)) * step
    return rotation_about_y(tilt) @ rotation_about_z(rot)
