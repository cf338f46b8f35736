"""What is known of the amplitudes before an image is seen."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.alignment.scale import Scales
from deephemnma.core.error import InputError


@dataclass(frozen=True)
class AmplitudePrior:
    """A Gaussian about zero, independent from mode to mode.

    Attributes
    ----------
    precision
        One over the variance of each mode, 1/A^2.
    """

    precision: Float[Tensor, "modes"]

    def compute_cost(self, amplitudes: Float[Tensor, "states modes"]) -> Float[Tensor, "states"]:
        """Return minus the log density, less a constant."""
        return (amplitudes.square() * self.precision.to(amplitudes)).sum(-1) / 2

    def combine(self, other: "AmplitudePrior | None") -> "AmplitudePrior":
        """Return the product of both; this if there is no other."""
        return self if other is None else AmplitudePrior(self.precision + other.precision.to(self.precision))


def make_prior(rmsd: tuple[float, ...], *, scales: Scales, n_modes: int) -> AmplitudePrior | None:
    """Make the prior whose standard deviations are `rmsd` (A RMSD; one for all modes or one for each); none of none.

    Raises
    ------
    InputError
        If there is neither one value nor one for each mode.
    """
    if not rmsd or not n_modes:
        return None
    if len(rmsd) not in (1, n_modes):
        raise InputError(f"--prior-rmsd has {len(rmsd)} values for {n_modes} modes: give one, or one for each mode.")
    deviations = torch.tensor(rmsd, dtype=torch.float64).expand(n_modes) * scales.amplitude
    return AmplitudePrior(deviations.square().reciprocal())


def compute_shift_by_prior(
    amplitudes: Float[Tensor, "images modes"],
    covariance: Float[Tensor, "images parameters parameters"],
    prior: AmplitudePrior,
) -> Float[Tensor, "images modes"]:
    """Return how far the prior has moved each amplitude, in units of its standard deviation without the prior.

    One Gauss-Newton step leads from the posterior's optimum q, where the slope of the likelihood is minus that of the
    prior, to the likelihood's: ``(C^-1 - P)^-1 P q``. C need but be the block of the amplitudes: its inverse is the
    Schur complement of the others, and the prior is added to that.

    Parameters
    ----------
    amplitudes, covariance
        Of the posterior, contrast and prior counted in; the covariance begins with the amplitudes.
    prior
        Whose precision is P.

    Returns
    -------
    shift
        Infinite where the images alone do not tell the amplitude.
    """
    n_modes = amplitudes.shape[1]
    posterior, precision = covariance[:, :n_modes, :n_modes].double(), prior.precision.double().cpu()
    # (C^-1 - P)^-1 = (1 - C P)^-1 C needs no inverse of C
    identity = torch.eye(n_modes, dtype=torch.float64)
    alone, failed = torch.linalg.solve_ex(identity - posterior * precision, posterior)
    variance = alone.diagonal(dim1=-2, dim2=-1)
    shift = (alone @ (precision * amplitudes.double())[:, :, None])[:, :, 0] / variance.clamp_min(1e-300).sqrt()
    return torch.where((failed == 0)[:, None] & (variance > 0), shift, torch.inf)
