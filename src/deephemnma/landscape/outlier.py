"""Images far from all others."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def compute_mahalanobis(amplitudes: Float[Tensor, "images modes"]) -> Float[Tensor, "images"]:
    """Return each image's Mahalanobis distance from the mean of all; infinite where an amplitude is not finite."""
    amplitudes = amplitudes.double()
    kept = amplitudes.isfinite().all(1)
    distances = torch.full((len(amplitudes),), torch.inf, dtype=torch.float64, device=amplitudes.device)
    if kept.sum() < 2:
        distances[kept] = 0.0
        return distances
    offsets = amplitudes[kept] - amplitudes[kept].mean(0)
    covariance = (offsets.mT @ offsets) / (len(offsets) - 1)
    # The pseudo-inverse serves modes that do not vary or that go together.
    precision = torch.linalg.pinv(covariance, hermitian=True)
    distances[kept] = torch.einsum("im,mn,in->i", offsets, precision, offsets).clamp(min=0).sqrt()
    return distances


def find_outliers(amplitudes: Float[Tensor, "images modes"], *, threshold: float = 3.2) -> Bool[Tensor, "images"]:
    """Return which images are outliers: further than `threshold` from the mean by the plain Mahalanobis distance.

    So did the paper (section 3.1.3: 1,945 of 20,000 images at 3.2), with mean and covariance of all images, outliers
    included. Of normally distributed amplitudes of three modes 1.7 % lie beyond 3.2.
    """
    return compute_mahalanobis(amplitudes) > threshold
