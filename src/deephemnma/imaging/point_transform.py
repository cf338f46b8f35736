"""The contract of Fourier transforms of Gaussians at points: the heart of the Gaussian projector.

A Gaussian of weight c, width s at x has the transform ``c exp(-2 pi^2 s^2 k^2) exp(-2 pi i k . x)``.
"""

import math
from abc import ABC, abstractmethod

from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.imaging.band import Band


class PointTransform(ABC):
    """Sums the transforms of Gaussians at points, on the components of one band.

    Attributes
    ----------
    band
        The components.
    """

    band: Band

    @property
    def to_angles(self) -> float:
        """What takes a coordinate (A) to its angle at the first frequency."""
        return 2 * math.pi / (self.band.box_size * self.band.pixel_size)

    @abstractmethod
    def transform(
        self, points: Float[Tensor, "images 2 sites"], weights: Float[Tensor, "images sites"]
    ) -> Complex[Tensor, "images components"]:
        """Return the transform of real `weights`; `points` are x, y in A."""

    @abstractmethod
    def transform_pairs(
        self, points: Float[Tensor, "images 2 sites"], pairs: Float[Tensor, "images 2 pairs sites"]
    ) -> tuple[Complex[Tensor, "images pairs components"], Complex[Tensor, "images pairs components"]]:
        """Return the transforms of complex weights ``u + i v``, given as u and v, and of their conjugates.

        The transforms of u and v alone are half the sum of the two and half their difference over i.
        """
