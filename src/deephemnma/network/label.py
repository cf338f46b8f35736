"""What the network is to answer, and the scale it answers in."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deephemnma.core.estimates import Estimates


@dataclass(frozen=True)
class Labels:
    """Rotation, shift and amplitudes of each image (float32, on the device that trains).

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

    def select(self, rows: Int[Tensor, "rows"]) -> "Labels":
        """Return the labels of `rows`."""
        return Labels(self.rotations[rows], self.shifts[rows], self.amplitudes[rows])

    def to(self, device: torch.device | str) -> "Labels":
        """Return a copy on `device`."""
        return Labels(self.rotations.to(device), self.shifts.to(device), self.amplitudes.to(device))


def make_labels(estimates: Estimates, rows: Int[Tensor, "images"]) -> Labels:
    """Return the labels of `rows` of the estimates."""
    poses = estimates.poses.select(rows)
    return Labels(poses.rotations.float(), poses.shifts.float(), estimates.amplitudes[rows].float())


class Standardizer(nn.Module):
    """Puts shifts and amplitudes on one scale, mean 0 and standard deviation 1; kept with the weights.

    Both axes of the shift share one standard deviation, for an in-plane rotation mixes them.

    Parameters
    ----------
    n_modes
        Number of amplitudes.
    """

    def __init__(self, n_modes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 + n_modes))
        self.register_buffer("deviation", torch.ones(2 + n_modes))

    def fit(self, labels: Labels) -> None:
        """Take mean and standard deviation from a sample; a target that never varies keeps the scale 1."""
        values = torch.cat((labels.shifts, labels.amplitudes), dim=1)
        deviation = values.std(dim=0)
        deviation[:2] = deviation[:2].square().mean().sqrt()
        self.mean.copy_(values.mean(dim=0))
        # The origin of a shift is the image's centre, whatever way the image is turned.
        self.mean[:2] = 0
        self.deviation.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))

    def standardize(self, labels: Labels) -> Float[Tensor, "images targets"]:
        """Return (shift x, shift y, amplitudes) in standard deviations from the mean."""
        return (torch.cat((labels.shifts, labels.amplitudes), dim=1) - self.mean) / self.deviation

    def restore(
        self, values: Float[Tensor, "*batch targets"]
    ) -> tuple[Float[Tensor, "*batch 2"], Float[Tensor, "*batch modes"]]:
        """Return shifts and amplitudes, A: the inverse of :meth:`standardize`."""
        restored = values * self.deviation + self.mean
        return restored[..., :2], restored[..., 2:]
