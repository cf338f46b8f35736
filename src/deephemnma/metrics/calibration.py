"""Whether error bars are true, and how far a method is from the bound that none can beat."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.metrics.error import ImageErrors


@dataclass(frozen=True)
class Calibration:
    """Errors in units of the claimed standard deviations; parameters as in the covariance of the estimates.

    Attributes
    ----------
    z_scores
        Error / claimed standard deviation.
    coverage_68, coverage_95
        Share of images within 1 and within 1.96 standard deviations; true error bars give 0.683 and 0.950.
    scale
        Root mean square of the z-scores; above 1 the error bars are too short.
    """

    z_scores: Float[Tensor, "images parameters"]
    coverage_68: Float[Tensor, "parameters"]
    coverage_95: Float[Tensor, "parameters"]
    scale: Float[Tensor, "parameters"]


def compute_calibration(errors: ImageErrors) -> Calibration:
    """Hold the claimed error bars of the images that have them against their errors.

    Failed images belong here too: an error bar that does not tell of them is wrong. Without any error bar every share
    is NaN.
    """
    scores = errors.parameters / errors.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    scores = scores[scores.isfinite().all(1)]
    return Calibration(
        z_scores=scores,
        coverage_68=(scores.abs() < 1).double().mean(0),
        coverage_95=(scores.abs() < 1.96).double().mean(0),
        scale=scores.square().mean(0).sqrt(),
    )


def compute_ratio_to_bound(
    errors: ImageErrors, bound: Float[Tensor, "images parameters parameters"]
) -> Float[Tensor, "images"]:
    """Return each image's error in units of the bound: ``sqrt(d^T C^-1 d / p)`` over its p parameters.

    Its root mean square over images is 1 for a method that reaches the Cramer-Rao covariance C, whatever the units
    and correlations of the parameters. The chance alone spreads single images: with 8 parameters at the bound, 99 %
    lie below 1.58.

    Parameters
    ----------
    errors
        Errors of the images.
    bound
        Cramer-Rao covariance of the same images.
    """
    # Scaled to a unit diagonal first: squares of radians and of A differ by many powers of ten.
    scale = bound.double().diagonal(dim1=-2, dim2=-1).sqrt()
    correlation = bound.double() / (scale[:, :, None] * scale[:, None, :])
    white = torch.full_like(errors.parameters, torch.inf)
    usable = errors.present & correlation.isfinite().all(-1).all(-1)
    factor = torch.linalg.cholesky(correlation[usable])
    scaled = (errors.parameters / scale)[usable]
    white[usable] = torch.linalg.solve_triangular(factor, scaled[..., None], upper=False)[..., 0]
    return white.square().mean(1).sqrt()


def compute_trimmed_ratio(ratios: Float[Tensor, "images"], *, share: float = 0.99) -> float:
    """Return the root mean square of the smallest `share` (0-1] of `ratios`: how close the others come to the bound."""
    kept = ratios.sort().values[: max(1, round(share * len(ratios)))]
    return float(kept.square().mean().sqrt())
