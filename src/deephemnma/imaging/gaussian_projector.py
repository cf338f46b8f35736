"""Projections of a moving Gaussian model, with analytic derivatives."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.imaging.band import Band
from deephemnma.imaging.projector import Projector
from deephemnma.imaging.transform_choice import make_point_transform


class GaussianProjector(Projector):
    """Projects a sum of Gaussians displaced along modes.

    Every derivative is a transform of the same points with other weights. An amplitude, or a turn about the view axis,
    moves a site by ``(u, v)`` in the plane of the image, and its derivative is ``-2 pi i (k_x U + k_y V)`` with the
    transforms U and V of u and v. Both are had at once from those of ``u + i v`` and of its conjugate.

    Parameters
    ----------
    model, modes
        The reference.
    band
        The components wanted, on the device that computes.
    tolerance
        Relative error of the point transform, and of the damping.
    """

    def __init__(self, model: GaussianModel, modes: Modes, band: Band, *, tolerance: float = 1e-4) -> None:
        self.band = band
        self.n_modes, self.n_sites = modes.n_modes, model.n_sites
        device = band.rows.device
        self._model, self._modes = model.to(device), modes.to(device)
        self._weights = self._model.weights / band.box_size  # transforms are orthonormal
        # x, y, z by modes and sites
        self._vectors = (self._modes.vectors * self._weights[:, None]).permute(2, 0, 1).flatten(1)
        self._transform = make_point_transform(band, self._model.widths, tolerance=tolerance)
        kx, ky = (-2j * math.pi * band.frequencies).unbind(-1)  # the factors of every derivative
        self._kx, self._ky = kx, ky
        self._here, self._there = (kx - 1j * ky) / 2, (kx + 1j * ky) / 2

    def project(
        self,
        rotations: Float[Tensor, "images 3 3"],
        shifts: Float[Tensor, "images 2"],
        amplitudes: Float[Tensor, "images {self.n_modes}"],
    ) -> Complex[Tensor, "images {self.band.n_components}"]:
        """See :meth:`Projector.project`."""
        sites = self._modes.displace(self._model.positions, amplitudes)
        points = rotations[:, :2] @ sites.mT - shifts[:, :, None]
        return self._transform.transform(points, self._weights.expand(len(rotations), -1))

    def linearize(
        self,
        rotations: Float[Tensor, "images 3 3"],
        shifts: Float[Tensor, "images 2"],
        amplitudes: Float[Tensor, "images {self.n_modes}"],
    ) -> tuple[
        Complex[Tensor, "images {self.band.n_components}"],
        Complex[Tensor, "images parameters {self.band.n_components}"],
    ]:
        """See :meth:`Projector.linearize`."""
        view = rotations @ self._modes.displace(self._model.positions, amplitudes).mT
        pairs = self._make_pairs(view, rotations)
        here, there = self._transform.transform_pairs(view[:, :2] - shifts[:, :, None], pairs)
        m = self.n_modes
        value = (here[:, 0] + there[:, 0]) / 2
        depth = (here[:, 0] - there[:, 0]) / 2j
        slopes = value.new_empty(len(value), m + 5, self.band.n_components)
        for place, pair in ((slice(m), slice(1, m + 1)), (m + 2, m + 1)):
            torch.mul(here[:, pair], self._here, out=slopes[:, place]).addcmul_(there[:, pair], self._there)
        torch.mul(depth, -self._ky, out=slopes[:, m])
        torch.mul(depth, self._kx, out=slopes[:, m + 1])
        torch.mul(value, -self._kx, out=slopes[:, m + 3])
        torch.mul(value, -self._ky, out=slopes[:, m + 4])
        return value, slopes

    def _make_pairs(
        self, view: Float[Tensor, "images 3 sites"], rotations: Float[Tensor, "images 3 3"]
    ) -> Float[Tensor, "images 2 pairs sites"]:
        """Return the weights of all transforms: 1 and z; the displacement along each mode; that of a turn about z.

        A small rotation omega moves x by omega cross x: turns about x and y need z alone.
        """
        x, y, z = (view * self._weights).unbind(1)
        along = (rotations[:, :2] @ self._vectors).unflatten(-1, (self.n_modes, self.n_sites))
        pairs = view.new_empty(len(view), 2, self.n_modes + 2, view.shape[-1])
        pairs[:, 0, 0], pairs[:, 1, 0] = self._weights, z
        pairs[:, :, 1:-1] = along
        torch.neg(y, out=pairs[:, 0, -1])
        pairs[:, 1, -1] = x
        return pairs
