"""The contract of every projector."""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.imaging.band import Band


class Projector(ABC):
    """Projections of one reference, and their derivatives, on the components of a band.

    The transforms are those of :mod:`deephemnma.core.fourier`: orthonormal, the origin at the centre pixel. A site of
    weight w adds w to the sum of grey values of the image.

    Attributes
    ----------
    band
        Where projections are evaluated.
    n_modes
        Number of amplitudes that the reference takes.
    held
        Numbers of the parameters whose derivatives are zero by intent, so that a descent leaves them where they are.
    n_sites
        Number of moving sites; 0 for a map.
    """

    band: Band
    n_modes: int
    held: tuple[int, ...] = ()
    n_sites: int = 0

    @abstractmethod
    def project(
        self,
        rotations: Float[Tensor, "images 3 3"],
        shifts: Float[Tensor, "images 2"],
        amplitudes: Float[Tensor, "images {self.n_modes}"],
    ) -> Complex[Tensor, "images {self.band.n_components}"]:
        """Return the transform of the projection of each conformation at each pose."""

    @abstractmethod
    def linearize(
        self,
        rotations: Float[Tensor, "images 3 3"],
        shifts: Float[Tensor, "images 2"],
        amplitudes: Float[Tensor, "images {self.n_modes}"],
    ) -> tuple[
        Complex[Tensor, "images {self.band.n_components}"],
        Complex[Tensor, "images parameters {self.band.n_components}"],
    ]:
        """Return the projections and their derivatives.

        The parameters are the amplitudes (A), three small rotations about the view axes x, y, z
        (``R -> exp(omega) R``, radians) and the shift x, y (A).
        """


def compute_phases(band: Band, shifts: Float[Tensor, "images 2"]) -> Complex[Tensor, "images components"]:
    """Return the factor that moves a particle from the centre to minus the shift (A), in the orthonormal scale."""
    phase = 2 * math.pi * shifts @ band.frequencies.T
    return torch.polar(torch.full_like(phase, 1 / band.box_size), phase)
