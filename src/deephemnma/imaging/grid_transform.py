"""Point transforms that go over a grid of Fourier components: non-uniform fast Fourier transforms of type 1."""

from abc import abstractmethod

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from deephemnma.imaging.band import Band
from deephemnma.imaging.damping import factorize_damping
from deephemnma.imaging.point_transform import PointTransform


class GridTransform(PointTransform):
    """Turns Gaussians into a few sets of bare points, and takes the band out of the grid that comes of these.

    Where widths differ (beads), the damping is a sum of few products of a factor of the site and one of the frequency,
    so that all sites still share their transforms. Weights are real: two share one complex transform, for the grid
    holds ``-k`` beside ``k``, and the transform of the conjugate weights is there, conjugate.

    Parameters
    ----------
    band
        The components wanted.
    widths
        Standard deviations of the Gaussians, A.
    tolerance
        Relative error of the damping.
    """

    def __init__(self, band: Band, widths: Float[Tensor, "sites"], *, tolerance: float) -> None:
        self.band = band
        self.size = 2 * band.max_index + 1
        self._by_site, self._by_component = factorize_damping(widths, band, tolerance=tolerance)
        here = (band.rows + band.max_index) * self.size + band.columns + band.max_index
        self._here, self._both = here, torch.cat((here, self.size**2 - 1 - here))

    @property
    def n_terms(self) -> int:
        """Number of products of which the damping is the sum; 1 where all widths are equal."""
        return len(self._by_site)

    @abstractmethod
    def transform_grid(
        self,
        angles: Float[Tensor, "images 2 sites"],
        strengths: Complex[Tensor, "images channels sites"],
        places: Int[Tensor, "places"],
    ) -> Complex[Tensor, "images channels places"]:
        """Return ``sum_j c_j exp(-i (a_x m_x + a_y m_y))`` at some places of a grid.

        Parameters
        ----------
        angles
            Of the points, x and y.
        strengths
            The c_j.
        places
            Numbers of points (m_y, m_x) of a grid with `size` points a side, each m from -max_index.
        """

    def transform(
        self, points: Float[Tensor, "images 2 sites"], weights: Float[Tensor, "images sites"]
    ) -> Complex[Tensor, "images components"]:
        """See :meth:`PointTransform.transform`."""
        damped = weights[:, None] * self._by_site
        if self.n_terms == 1:
            bare = self.transform_grid(points * self.to_angles, damped.to(torch.complex64), self._here)
            return bare[:, 0] * self._by_component[0]
        padded = torch.nn.functional.pad(damped, (0, 0, 0, damped.shape[1] % 2))
        here, there = self._transform_both(points, padded[:, 0::2], padded[:, 1::2])
        # u and v of each pair: half the sum, half the difference over i.
        bare = torch.stack((here + there, -1j * (here - there)), dim=2).flatten(1, 2)[:, : self.n_terms]
        return (bare * (self._by_component / 2)).sum(1)

    def transform_pairs(
        self, points: Float[Tensor, "images 2 sites"], pairs: Float[Tensor, "images 2 pairs sites"]
    ) -> tuple[Complex[Tensor, "images pairs components"], Complex[Tensor, "images pairs components"]]:
        """See :meth:`PointTransform.transform_pairs`."""
        damped = (pairs[:, :, :, None] * self._by_site).flatten(2, 3)
        here, there = self._transform_both(points, *damped.unbind(1))
        return self._damp(here), self._damp(there)

    def _transform_both(
        self,
        points: Float[Tensor, "images 2 sites"],
        first: Float[Tensor, "images channels sites"],
        second: Float[Tensor, "images channels sites"],
    ) -> tuple[Complex[Tensor, "images channels components"], Complex[Tensor, "images channels components"]]:
        both = self.transform_grid(points * self.to_angles, torch.complex(first, second), self._both)
        here, mirror = both.unflatten(-1, (2, -1)).unbind(-2)
        torch.view_as_real(mirror)[..., 1].neg_()  # conjugate in place: half the passes of what follows
        return here, mirror

    def _damp(self, bare: Complex[Tensor, "images channels components"]) -> Complex[Tensor, "images pairs components"]:
        if self.n_terms == 1:
            return bare.mul_(self._by_component[0])
        return (bare.unflatten(1, (-1, self.n_terms)) * self._by_component).sum(2)
