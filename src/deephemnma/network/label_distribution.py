"""Where the labels of simulated images come from."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.estimates import Estimates
from deephemnma.core.rotation import make_random_rotations
from deephemnma.network.label import Labels

N_UNIFORM_POINTS = 4096


@dataclass(frozen=True)
class LabelDistribution:
    """Clouds of amplitudes and shifts, each point blurred by a Gaussian; rotations are uniform.

    Attributes
    ----------
    amplitudes, amplitude_jitter
        Points, A, and the blur's standard deviation for each mode.
    shifts, shift_jitter
        Points, A, and the blur's standard deviation.
    """

    amplitudes: Float[Tensor, "points modes"]
    amplitude_jitter: Float[Tensor, "modes"]
    shifts: Float[Tensor, "points 2"]
    shift_jitter: float

    def draw(self, count: int, *, generator: torch.Generator) -> Labels:
        """Draw `count` labels."""
        rows = torch.randint(len(self.amplitudes), (count,), generator=generator)
        jitter = torch.randn(count, self.amplitudes.shape[1], generator=generator) * self.amplitude_jitter
        moves = torch.randn(count, 2, generator=generator) * self.shift_jitter
        rotations = make_random_rotations(count, generator=generator).float()
        return Labels(rotations, self.shifts[rows] + moves, self.amplitudes[rows] + jitter)


def smooth_estimates(estimates: Estimates, *, jitter: float) -> LabelDistribution:
    """Return the distribution of the estimates, blurred by `jitter` of their standard deviations."""
    amplitudes, shifts = estimates.amplitudes.float(), estimates.poses.shifts.float()
    return LabelDistribution(
        amplitudes=amplitudes,
        amplitude_jitter=jitter * amplitudes.std(dim=0, correction=0),
        shifts=shifts,
        shift_jitter=jitter * float(shifts.std(dim=0, correction=0).mean()),
    )


def make_uniform_distribution(n_modes: int, *, amplitude_range: float, shift_range: float) -> LabelDistribution:
    """Return an even distribution over plus or minus both ranges (A), on a scrambled Sobol sequence."""
    points = torch.quasirandom.SobolEngine(n_modes + 2, scramble=True, seed=0).draw(N_UNIFORM_POINTS) * 2 - 1
    spacing = N_UNIFORM_POINTS ** (-1 / (n_modes + 2))
    return LabelDistribution(
        amplitudes=points[:, 2:] * amplitude_range,
        amplitude_jitter=torch.full((n_modes,), amplitude_range * spacing),
        shifts=points[:, :2] * shift_range,
        shift_jitter=shift_range * spacing,
    )
