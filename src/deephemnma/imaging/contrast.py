"""Is protein white or dark: the sign of the contrast, seen in the images alone."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

INNER, RING = 0.5, (0.9, 1.0)
"""Where the particle is looked for, and its background, in units of half the box."""
CERTAIN = 4.0
"""Standard errors from which the sign is believed."""


@dataclass(frozen=True)
class Contrast:
    """How much brighter the middle of the images is than their rim.

    Attributes
    ----------
    difference
        Mean over the images, in units of the standard deviation of their pixels; above 0 for white protein.
    standard_error
        Of the mean.
    """

    difference: float
    standard_error: float

    @property
    def is_certain(self) -> bool:
        """Return whether the sign can be told."""
        return abs(self.difference) > CERTAIN * self.standard_error

    def describe(self) -> str:
        """Return what the images show, in words."""
        figure = f"middle minus rim {self.difference:+.3f} ± {self.standard_error:.3f} sd"
        if not self.is_certain:
            return f"not certain: {figure}"
        return f"protein is {'white' if self.difference > 0 else 'dark'}: {figure}"


def measure_contrast(images: Float[Tensor, "images box box"]) -> Contrast:
    """Measure the sign of the contrast of images of centred particles; those with NaN or of one grey do not count.

    Below the first zero of an underfocused CTF protein has one sign throughout, so that the mean over a particle has
    it too, however much the CTF spreads it.
    """
    box = images.shape[-1]
    axis = torch.arange(box) - box // 2
    radius = torch.hypot(axis[:, None].float(), axis[None, :].float()) / (box / 2)
    middle, ring = radius < INNER, (radius >= RING[0]) & (radius < RING[1])
    usable = images[images.flatten(1).isfinite().all(1)].double()
    deviation = usable.flatten(1).std(dim=1, correction=0)
    usable, deviation = usable[deviation > 0], deviation[deviation > 0]
    if len(usable) < 2:
        return Contrast(0.0, float("inf"))
    values = (usable[:, middle].mean(1) - usable[:, ring].mean(1)) / deviation
    return Contrast(float(values.mean()), float(values.std()) / len(values) ** 0.5)
