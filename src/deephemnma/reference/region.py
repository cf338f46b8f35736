"""Which voxels of a map are the molecule."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

HISTOGRAM_BINS = 1024
SMALLEST_PIECE = 0.05  # of the largest; what is smaller is dust of the noise


def compute_threshold(values: Float[np.ndarray, "z y x"]) -> float:
    """Return Otsu's threshold (1979), which best parts the histogram of `values` in two."""
    counts, edges = np.histogram(values, HISTOGRAM_BINS)
    centers = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    sum_below = np.cumsum(counts * centers)
    total, sum_total = below[-1], sum_below[-1]
    between = (sum_total * below / total - sum_below) ** 2 / np.maximum(below * (total - below), 1)
    return float(centers[between.argmax()])


def find_molecule(values: Float[np.ndarray, "z y x"], *, threshold: float) -> Bool[np.ndarray, "z y x"]:
    """Mark the voxels above `threshold`, without connected pieces of less than 5 % of the largest."""
    pieces, _ = ndimage.label(values > threshold, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return (sizes >= max(1, SMALLEST_PIECE * sizes.max()))[pieces]
