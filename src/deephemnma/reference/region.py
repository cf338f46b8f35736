"""Which voxels of a map are the molecule."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

HISTOGRAM_BINS = 1024
SMALLEST_PIECE = 0.05  # of the largest; what is smaller is dust of the noise
SMOOTHING = 2.0  # voxels; takes the grain out of noise, and fills the moats that sharpening digs


def compute_threshold(values: Float[np.ndarray, "z y x"]) -> float:
    """Return Otsu's threshold (1979), which best parts the histogram of `values` in two."""
    counts, edges = np.histogram(values, HISTOGRAM_BINS)
    centers = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    sum_below = np.cumsum(counts * centers)
    total, sum_total = below[-1], sum_below[-1]
    between = (sum_total * below / total - sum_below) ** 2 / np.maximum(below * (total - below), 1)
    return float(centers[between.argmax()])


def find_molecule_automatically(values: Float[np.ndarray, "z y x"]) -> Bool[np.ndarray, "z y x"]:
    """Mark what is above Otsu's threshold of the map seen through a blur, without dust; nothing if it is negative."""
    smooth = ndimage.gaussian_filter(values, SMOOTHING)
    threshold = compute_threshold(smooth)
    return find_molecule(smooth, threshold=threshold) if threshold > 0 else np.zeros(values.shape, dtype=bool)


def find_molecule(values: Float[np.ndarray, "z y x"], *, threshold: float) -> Bool[np.ndarray, "z y x"]:
    """Mark the voxels above `threshold`, without connected pieces of less than 5 % of the largest.

    Voxels are connected through faces: over corners, grains of noise chain up to strings that reach the molecule.
    """
    pieces, _ = ndimage.label(values > threshold)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return (sizes >= max(1, SMALLEST_PIECE * sizes.max()))[pieces]


def compute_range(inside: Float[np.ndarray, "voxels"]) -> float:
    """Return the range of densities that Xmipp relates errors to: 1st to 99th percentile of the molecule's voxels.

    As there, the 1st percentile is replaced by 1/500 of the maximum where it is not positive.
    """
    low, high = np.percentile(inside, (1, 99))
    return float(high - (low if low > 0 else inside.max() / 500))
