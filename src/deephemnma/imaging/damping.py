"""The envelope of Gaussians of many widths, as a few products of a factor of the site and one of the frequency."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.imaging.band import Band

WIDTH_SAMPLES = 64
"""Quantiles of the sites' widths from which the factors of the damping are found."""


def factorize_damping(
    widths: Float[Tensor, "sites"], band: Band, *, tolerance: float
) -> tuple[Float[Tensor, "terms sites"], Float[Tensor, "terms components"]]:
    """Return factors whose products sum to ``exp(-2 pi^2 s^2 k^2)``: its singular value decomposition, cut off.

    Parameters
    ----------
    widths
        Standard deviations s of the Gaussians, A.
    band
        Where the frequencies k lie.
    tolerance
        Relative error allowed.
    """
    edge = band.box_size * band.pixel_size
    squares, where = (band.columns**2 + band.rows**2).unique(return_inverse=True)
    exponents = -2 * math.pi**2 * squares.double() / edge**2
    variances = widths.double().square()
    samples = variances.quantile(torch.linspace(0, 1, WIDTH_SAMPLES, dtype=torch.float64, device=variances.device))
    _, strengths, terms = torch.linalg.svd((samples[:, None] * exponents).exp(), full_matrices=False)
    terms = terms[strengths > tolerance * strengths[0]]
    by_site = terms @ (exponents[:, None] * variances).exp()
    return by_site.float(), terms[:, where].float()
