"""Images in which nothing can be found."""

from jaxtyping import Bool, Float
from torch import Tensor


def find_bad_images(images: Float[Tensor, "images box box"]) -> Bool[Tensor, "images"]:
    """Return which images hold a value that is not finite, or are flat."""
    pixels = images.flatten(1)
    high, low = pixels.amax(dim=1), pixels.amin(dim=1)
    return (high == low) | ~(high.isfinite() & low.isfinite())  # NaN is above and below all
