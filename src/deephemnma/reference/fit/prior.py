"""What an elastic network says of amplitudes before any map is seen: stiff modes move little."""

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.model import Basis, Modes

FIRST_RMSD, LEAST_RMSD = 3.0, 1.0
"""A, of all modes together: of the first guess, and the least that is thought possible."""


def make_stiffness(modes: Modes) -> Float[Tensor, "modes"]:
    """Return the stiffness of each mode, up to a factor: amplitudes have the variance temperature / stiffness."""
    if modes.basis == Basis.PRINCIPAL_COMPONENTS:
        stiffness = 1 / modes.eigenvalues.double().clamp_min(1e-12)
    elif modes.basis == Basis.IMPORTED:  # of which the eigenvalues may mean anything
        stiffness = torch.ones(modes.n_modes, dtype=torch.float64)
    else:
        stiffness = modes.eigenvalues.double()
    return stiffness.clamp_min(1e-12)


def compute_temperature(stiffness: Float[Tensor, "modes"], *, rmsd: float, n_sites: int) -> float:
    """Return the temperature at which all modes together move the sites by `rmsd` (A, root mean square)."""
    return rmsd**2 * n_sites / float((1 / stiffness).sum())


def estimate_temperature(
    stiffness: Float[Tensor, "modes"],
    amplitudes: Float[Tensor, "modes"],
    variances: Float[Tensor, "modes"],
    *,
    n_sites: int,
) -> float:
    """Return the temperature at which amplitudes known to `variances` are most likely (one step of EM)."""
    likeliest = float((stiffness * (amplitudes.square() + variances)).mean())
    return max(likeliest, compute_temperature(stiffness, rmsd=LEAST_RMSD, n_sites=n_sites))
