"""Point transforms as matrix products: exact, and the fastest where sites or components are few."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.imaging.band import Band
from deephemnma.imaging.point_transform import PointTransform

PRODUCTS_AT_ONCE = {"cpu": 2**19, "cuda": 2**28}
"""Weighted waves (float32) held at once: a share of a core's cache, 1 GiB of a GPU."""


class SeparableTransform(PointTransform):
    """A Gaussian is a product of one along x and one along y, each width its own, and so is a wave.

    ``sum_j c_j e_j(k_x) e_j(k_y)`` is a product of two matrices over the sites. Weights are real, so that cosines and
    sines of non-negative frequencies are enough.

    Parameters
    ----------
    band
        The components wanted.
    widths
        Standard deviations of the Gaussians, A.
    """

    def __init__(self, band: Band, widths: Float[Tensor, "sites"]) -> None:
        self.band = band
        self._orders = torch.arange(band.max_index + 1.0, device=band.rows.device)
        frequencies = self._orders / (band.box_size * band.pixel_size)
        self._damping = (-2 * math.pi**2 * (widths.to(frequencies) * frequencies[:, None]).square()).exp()
        n = len(self._orders)
        # Products are numbered by (function of x, k_x, function of y, |k_y|); the functions are cosine and sine.
        cosines = band.columns * 2 * n + band.rows.abs()
        self._places = torch.cat((cosines, cosines + n, cosines + 2 * n * n, cosines + 2 * n * n + n))
        self._sign = torch.where(band.rows < 0, -1.0, 1.0)
        self.products_at_once = PRODUCTS_AT_ONCE.get(band.rows.device.type, PRODUCTS_AT_ONCE["cpu"])

    def transform(
        self, points: Float[Tensor, "images 2 sites"], weights: Float[Tensor, "images sites"]
    ) -> Complex[Tensor, "images components"]:
        """See :meth:`PointTransform.transform`."""
        return self._transform_channels(points, weights[:, None])[:, 0]

    def transform_pairs(
        self, points: Float[Tensor, "images 2 sites"], pairs: Float[Tensor, "images 2 pairs sites"]
    ) -> tuple[Complex[Tensor, "images pairs components"], Complex[Tensor, "images pairs components"]]:
        """See :meth:`PointTransform.transform_pairs`."""
        first, second = self._transform_channels(points, pairs.flatten(1, 2)).chunk(2, dim=1)
        second = second * 1j
        return first + second, first - second

    def _transform_channels(
        self, points: Float[Tensor, "images 2 sites"], weights: Float[Tensor, "images channels sites"]
    ) -> Complex[Tensor, "images channels components"]:
        an_image = 2 * len(self._orders) * weights[0].numel()
        images = max(1, self.products_at_once // max(1, an_image))
        parts = zip(points.split(images), weights.split(images), strict=True)
        return torch.cat([self._transform_some(few, some) for few, some in parts])

    def _transform_some(
        self, points: Float[Tensor, "images 2 sites"], weights: Float[Tensor, "images channels sites"]
    ) -> Complex[Tensor, "images channels components"]:
        angles = (points * self.to_angles)[:, :, None] * self._orders[:, None]
        waves = angles.new_empty(*angles.shape[:2], 2, *angles.shape[2:])
        torch.cos(angles, out=waves[:, :, 0])
        torch.sin(angles, out=waves[:, :, 1])
        along_x, along_y = waves.mul_(self._damping).flatten(2, 3).unbind(1)
        weighted = (weights[:, :, None] * along_x[:, None]).flatten(1, 2)
        products = (weighted @ along_y.mT).reshape(len(points) * weights.shape[1], -1)
        taken = products.index_select(1, self._places)
        cc, cs, sc, ss = taken.unflatten(0, weights.shape[:2]).chunk(4, dim=-1)
        # exp(-i (x + y)) with y of either sign
        return torch.complex(cc - self._sign * ss, -(sc + self._sign * cs))
