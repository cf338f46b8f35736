"""Projections of a moving Gaussian model, with analytic derivatives."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.imaging.band import Band
from deephemnma.imaging.point_transform import PointTransform, make_point_transform
from deephemnma.imaging.projector import Projector, compute_phases

WIDTH_SAMPLES = 64
"""Quantiles of the sites' widths from which the factors of the damping are found."""


class GaussianProjector(Projector):
    """Projects a sum of Gaussians displaced along modes.

    A projected Gaussian of weight w, width s at x has the transform
    ``w exp(-2 pi^2 s^2 k^2) exp(-2 pi i k . x)``: a point transform, damped. Derivatives for amplitudes and rotation
    are point transforms of the same points with other weights. Where widths differ (beads), the damping is a sum of
    few products of a factor of the site and one of the frequency, so that all sites still share their transforms.

    Parameters
    ----------
    model, modes
        The reference, on the device of `band`.
    band
        The components wanted.
    tolerance
        Relative error of the point transform, and of the damping.
    """

    def __init__(self, model: GaussianModel, modes: Modes, band: Band, *, tolerance: float = 1e-4) -> None:
        self.band = band
        self.n_modes = modes.n_modes
        device = band.rows.device
        self._model, self._modes = model.to(device), modes.to(device)
        self._transform: PointTransform = make_point_transform(band, tolerance=tolerance)
        self._frequencies = band.frequencies
        self._by_site, self._by_component = _factorize_damping(self._model, band, tolerance=tolerance)

    def project(
        self,
        rotations: Float[Tensor, "images 3 3"],
        shifts: Float[Tensor, "images 2"],
        amplitudes: Float[Tensor, "images {self.n_modes}"],
    ) -> Complex[Tensor, "images {self.band.n_components}"]:
        """See :meth:`Projector.project`."""
        positions = self._modes.displace(self._model.positions, amplitudes)
        points = positions @ rotations[:, :2].mT
        weights = self._model.weights.expand(len(rotations), 1, -1)
        return self._transform_damped(points, weights)[:, 0] * compute_phases(self.band, shifts)

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
        view = self._modes.displace(self._model.positions, amplitudes) @ rotations.mT
        directions = torch.einsum("msx,iyx->imys", self._modes.vectors, rotations[:, :2])
        weights = self._model.weights * torch.cat(
            (torch.ones_like(view[:, None, :, 0]), view.mT, directions.flatten(1, 2)), dim=1
        )
        transforms = self._transform_damped(view[..., :2], weights) * compute_phases(self.band, shifts)[:, None]
        value, (fx, fy, fz) = transforms[:, 0], transforms[:, 1:4].unbind(1)
        along = transforms[:, 4:].unflatten(1, (self.n_modes, 2))
        kx, ky = (-2j * math.pi * self._frequencies).unbind(-1)  # the factor of every derivative
        by_amplitude = kx * along[:, :, 0] + ky * along[:, :, 1]
        # A small rotation omega moves x by omega cross x.
        by_rotation = torch.stack((-ky * fz, kx * fz, ky * fx - kx * fy), dim=1)
        by_shift = torch.stack((-kx * value, -ky * value), dim=1)
        return value, torch.cat((by_amplitude, by_rotation, by_shift), dim=1)

    def _transform_damped(
        self, points: Float[Tensor, "images sites 2"], weights: Float[Tensor, "images channels sites"]
    ) -> Complex[Tensor, "images channels components"]:
        shared = (weights[:, :, None] * self._by_site).flatten(1, 2)
        transforms = self._transform(points, shared).unflatten(1, (weights.shape[1], -1))
        return (transforms * self._by_component).sum(2)


def _factorize_damping(
    model: GaussianModel, band: Band, *, tolerance: float
) -> tuple[Float[Tensor, "terms sites"], Float[Tensor, "terms components"]]:
    """Return factors whose products sum to ``exp(-2 pi^2 s^2 k^2)``: its singular value decomposition, cut off."""
    edge = band.box_size * band.pixel_size
    squares, where = (band.columns**2 + band.rows**2).unique(return_inverse=True)
    exponents = -2 * math.pi**2 * squares.double() / edge**2
    variances = model.widths.double().square()
    samples = variances.quantile(torch.linspace(0, 1, WIDTH_SAMPLES, dtype=torch.float64, device=variances.device))
    _, strengths, terms = torch.linalg.svd((samples[:, None] * exponents).exp(), full_matrices=False)
    terms = terms[strengths > tolerance * strengths[0]]
    by_site = terms @ (exponents[:, None] * variances).exp()
    return by_site.float(), terms[:, where].float()
