"""Point transforms on any device in plain torch, by Gaussian spreading."""

import math

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from deephemnma.imaging.band import Band
from deephemnma.imaging.grid_transform import GridTransform

SPREAD_AT_ONCE = {"cpu": 2**22, "cuda": 2**27}
"""Grey values (float32) spread at once: a bound on memory, for every site touches ``4 half_width^2`` points."""


class SplatTransform(GridTransform):
    """Gaussian spreading on an oversampled grid, FFT, deconvolution: Greengard & Lee 2004 with oversampling 2.

    Parameters
    ----------
    band, widths
        As in :class:`GridTransform`.
    tolerance
        Relative error of the damping.
    half_width
        Points of the fine grid on either side of a site; 3 gives a relative error of about 1e-3, 6 about 1e-6.
    """

    def __init__(
        self, band: Band, widths: Float[Tensor, "sites"], *, tolerance: float = 1e-4, half_width: int = 4
    ) -> None:
        super().__init__(band, widths, tolerance=tolerance)
        self.half_width = half_width
        self.fine = 2 * self.size + self.size % 2
        ratio = self.fine / self.size
        # Greengard & Lee, eq. 3.4: the width that balances truncation against aliasing.
        self._tau = math.pi * half_width / (self.size**2 * ratio * (ratio - 0.5))
        index = torch.arange(self.size, device=band.rows.device) - band.max_index
        self._index = index % self.fine
        self._correction = (index.square() * self._tau).exp() * (math.sqrt(math.pi / self._tau) / self.fine)
        self.spread_at_once = SPREAD_AT_ONCE.get(band.rows.device.type, SPREAD_AT_ONCE["cpu"])

    def transform_grid(
        self,
        angles: Float[Tensor, "images 2 sites"],
        strengths: Complex[Tensor, "images channels sites"],
        places: Int[Tensor, "places"],
    ) -> Complex[Tensor, "images channels places"]:
        """See :meth:`GridTransform.transform_grid`."""
        real = torch.cat((strengths.real, strengths.imag), dim=1)
        n_channels, n_sites = real.shape[1:]
        touched = n_channels * 4 * self.half_width**2
        images = max(1, self.spread_at_once // (touched * n_sites))
        sites = max(1, self.spread_at_once // (touched * images))
        parts = [
            self._transform_some(few, weights, sites)[..., places]
            for few, weights in zip(angles.mT.split(images), real.split(images), strict=True)
        ]
        return torch.cat(parts)

    def _transform_some(
        self, angles: Float[Tensor, "images sites 2"], weights: Float[Tensor, "images parts sites"], sites: int
    ) -> Complex[Tensor, "images channels points"]:
        """Return the whole grid of a few images; real and imaginary parts of `weights` are spread side by side."""
        n = self.fine
        grid = weights.new_zeros(*weights.shape[:2], n * n)
        for few, some in zip(angles.split(sites, 1), weights.split(sites, 2), strict=True):
            index, spread = self._spread(few)
            values = (some[..., None] * spread[:, None]).flatten(2)
            grid.scatter_add_(2, index.flatten(1)[:, None].expand(-1, grid.shape[1], -1), values)
        fine = torch.complex(*grid.unflatten(-1, (n, n)).chunk(2, dim=1))
        modes = torch.fft.fft2(fine)[..., self._index, :][..., self._index]
        return (modes * (self._correction[:, None] * self._correction)).flatten(-2)

    def _spread(
        self, angles: Float[Tensor, "images sites 2"]
    ) -> tuple[Int[Tensor, "images sites touched"], Float[Tensor, "images sites touched"]]:
        """Return the points of the fine grid that each site touches, and its share there."""
        n, half = self.fine, self.half_width
        step = 2 * math.pi / n
        nearest = (angles / step).floor()
        offsets = torch.arange(1 - half, half + 1, device=angles.device)
        distance = (angles - nearest * step).unsqueeze(-1) - offsets * step
        kernel = (-distance.square() / (4 * self._tau)).exp()
        index = (nearest.unsqueeze(-1).long() + offsets) % n
        flat = index[:, :, 1, :, None] * n + index[:, :, 0, None, :]
        return flat.flatten(2), (kernel[:, :, 1, :, None] * kernel[:, :, 0, None, :]).flatten(2)
