"""Fourier transform of weighted points: the heart of the Gaussian projector, in two implementations.

``F_c(k) = sum_j w_cj exp(-2 pi i k . x_j)`` is a type-1 non-uniform FFT. Weights are real, so two channels share one
complex transform: ``F_1(k) = (F(k) + conj F(-k)) / 2`` and ``F_2(k) = (F(k) - conj F(-k)) / 2i``.
"""

import math
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor

import finufft
import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.imaging.band import Band


class PointTransform(ABC):
    """Transforms points on the components of one band."""

    def __init__(self, band: Band) -> None:
        self.band = band
        self.size = 2 * band.max_index + 1
        row, column = band.rows + band.max_index, band.columns + band.max_index
        self._here = row * self.size + column
        self._mirror = self.size**2 - 1 - self._here

    @abstractmethod
    def transform_pairs(
        self, angles: Float[Tensor, "images sites 2"], pairs: Complex[Tensor, "images pairs sites"]
    ) -> Complex[Tensor, "images pairs size size"]:
        """Return ``sum_j c_j exp(-i (a_x m_x + a_y m_y))`` for integer m from -max_index, axes m_y m_x."""

    def __call__(
        self, points: Float[Tensor, "images sites 2"], weights: Float[Tensor, "images channels sites"]
    ) -> Complex[Tensor, "images channels components"]:
        """Return ``F_c(k)`` on the band; `points` are x, y in A."""
        channels = weights.shape[1]
        if channels % 2:
            weights = torch.cat((weights, torch.zeros_like(weights[:, :1])), dim=1)
        pairs = torch.complex(weights[:, 0::2], weights[:, 1::2])
        angles = points * (2 * math.pi / (self.band.box_size * self.band.pixel_size))
        grid = self.transform_pairs(angles, pairs).flatten(-2)
        here, mirror = grid[..., self._here], grid[..., self._mirror].conj()
        both = torch.stack((here + mirror, -1j * (here - mirror)), dim=2) / 2
        return both.flatten(1, 2)[:, :channels]


class FinufftTransform(PointTransform):
    """On the CPU by FINUFFT (Barnett et al. 2019), one image a thread.

    Parameters
    ----------
    band
        The components wanted.
    tolerance
        Relative error asked of the transform.
    """

    def __init__(self, band: Band, *, tolerance: float) -> None:
        super().__init__(band)
        self.tolerance = tolerance

    def transform_pairs(
        self, angles: Float[Tensor, "images sites 2"], pairs: Complex[Tensor, "images pairs sites"]
    ) -> Complex[Tensor, "images pairs size size"]:
        """See :meth:`PointTransform.transform_pairs`."""
        points, strengths = angles.float().numpy(), pairs.to(torch.complex64).contiguous().numpy()
        n_images, n_pairs = strengths.shape[:2]
        grid = np.empty((n_images, n_pairs, self.size, self.size), dtype=np.complex64)
        x, y = np.ascontiguousarray(points[..., 0]), np.ascontiguousarray(points[..., 1])

        def transform(rows: range) -> None:
            options = {"eps": self.tolerance, "isign": -1, "dtype": "complex64", "nthreads": 1}
            # Sorting the points costs more than it saves on grids that fit the cache.
            plan = finufft.Plan(1, (self.size, self.size), n_pairs, spread_sort=0, **options)
            for row in rows:
                plan.setpts(y[row], x[row])
                plan.execute(strengths[row], out=grid[row])

        _run_in_threads(transform, n_images)
        return torch.from_numpy(grid)


class SplatTransform(PointTransform):
    """On any device in plain torch: Gaussian spreading on an oversampled grid, FFT, deconvolution.

    Greengard & Lee 2004 with oversampling 2 and `half_width` grid points on either side of a point.

    Parameters
    ----------
    band
        The components wanted.
    half_width
        Points of the fine grid on either side; 3 gives a relative error of about 1e-3, 6 about 1e-6.
    """

    def __init__(self, band: Band, *, half_width: int = 4) -> None:
        super().__init__(band)
        self.half_width = half_width
        self.fine = 2 * self.size + self.size % 2
        ratio = self.fine / self.size
        # Greengard & Lee, eq. 3.4: the width that balances truncation against aliasing.
        self._tau = math.pi * half_width / (self.size**2 * ratio * (ratio - 0.5))
        index = torch.arange(self.size, device=band.rows.device) - band.max_index
        self._index = index % self.fine
        self._correction = (index.square() * self._tau).exp() * (math.sqrt(math.pi / self._tau) / self.fine)

    def transform_pairs(
        self, angles: Float[Tensor, "images sites 2"], pairs: Complex[Tensor, "images pairs sites"]
    ) -> Complex[Tensor, "images pairs size size"]:
        """See :meth:`PointTransform.transform_pairs`."""
        (n_images, n_pairs), n, half = pairs.shape[:2], self.fine, self.half_width
        step = 2 * math.pi / n
        nearest = (angles / step).floor()
        offsets = torch.arange(1 - half, half + 1, device=angles.device)
        distance = (angles - nearest * step).unsqueeze(-1) - offsets * step
        kernel = (-distance.square() / (4 * self._tau)).exp()
        index = (nearest.unsqueeze(-1).long() + offsets) % n
        flat = index[:, :, 1, :, None] * n + index[:, :, 0, None, :]
        spread = kernel[:, :, 1, :, None] * kernel[:, :, 0, None, :]
        values = pairs[..., None, None] * spread.unsqueeze(1)
        grid = values.new_zeros(n_images, n_pairs, n * n)
        grid.scatter_add_(2, flat.flatten(1).unsqueeze(1).expand(-1, n_pairs, -1), values.flatten(2))
        modes = torch.fft.fft2(grid.unflatten(-1, (n, n)))[..., self._index, :][..., self._index]
        return modes * (self._correction[:, None] * self._correction)


def make_point_transform(band: Band, *, tolerance: float = 1e-4) -> PointTransform:
    """Return the fastest transform for the band's device."""
    if band.rows.device.type == "cpu":
        return FinufftTransform(band, tolerance=tolerance)
    return SplatTransform(band, half_width=4 if tolerance >= 1e-4 else 6)


def _run_in_threads(work, count: int) -> None:
    threads = min(torch.get_num_threads(), count)
    if threads <= 1:
        work(range(count))
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [range(first, count, threads) for first in range(threads)]))
