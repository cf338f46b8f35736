"""Projections of a moving Gaussian model, with analytic derivatives."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.imaging.band import Band
from deephemnma.imaging.point_transform import PointTransform, make_point_transform
from deephemnma.imaging.projector import Projector

DAMPING_STEP = 0.05
"""Sites share a transform where their widths damp the band's edge alike within this factor."""


@dataclass(frozen=True)
class _WidthClass:
    """Sites of one width: their numbers and how the width damps each component."""

    sites: Int[Tensor, "sites"]
    damping: Float[Tensor, "components"]


class GaussianProjector(Projector):
    """Projects a sum of Gaussians displaced along modes.

    A projected Gaussian of weight w, width s at x has the transform
    ``w exp(-2 pi^2 s^2 k^2) exp(-2 pi i k . x)``: a point transform, damped. Derivatives for amplitudes and rotation
    are point transforms of the same points with other weights.

    Parameters
    ----------
    model, modes
        The reference, on the device of `band`.
    band
        The components wanted.
    tolerance
        Relative error of the point transform.
    """

    def __init__(self, model: GaussianModel, modes: Modes, band: Band, *, tolerance: float = 1e-4) -> None:
        self.band = band
        self.n_modes = modes.n_modes
        device = band.rows.device
        self._model, self._modes = model.to(device), modes.to(device)
        self._transform: PointTransform = make_point_transform(band, tolerance=tolerance)
        self._frequencies = band.frequencies
        self._classes = _make_width_classes(self._model, band)

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
        return self._transform_damped(points, weights)[:, 0] * self._compute_phases(shifts)

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
        transforms = self._transform_damped(view[..., :2], weights) * self._compute_phases(shifts)[:, None]
        value, (fx, fy, fz) = transforms[:, 0], transforms[:, 1:4].unbind(1)
        along = transforms[:, 4:].unflatten(1, (self.n_modes, 2))
        kx, ky = (-2j * math.pi * self._frequencies).unbind(-1)  # the factor of every derivative
        by_amplitude = kx * along[:, :, 0] + ky * along[:, :, 1]
        # A small rotation omega moves x by omega cross x.
        by_rotation = torch.stack((-ky * fz, kx * fz, ky * fx - kx * fy), dim=1)
        by_shift = torch.stack((-kx * value, -ky * value), dim=1)
        return value, torch.cat((by_amplitude, by_rotation, by_shift), dim=1)

    def _compute_phases(self, shifts: Float[Tensor, "images 2"]) -> Complex[Tensor, "images components"]:
        """Return the factor that moves the particle to minus the shift, in the orthonormal scale."""
        phase = 2 * math.pi * shifts @ self._frequencies.T
        return torch.polar(torch.full_like(phase, 1 / self.band.box_size), phase)

    def _transform_damped(
        self, points: Float[Tensor, "images sites 2"], weights: Float[Tensor, "images channels sites"]
    ) -> Complex[Tensor, "images channels components"]:
        if len(self._classes) == 1:
            return self._transform(points, weights) * self._classes[0].damping
        return sum(
            self._transform(points[:, each.sites], weights[:, :, each.sites]) * each.damping for each in self._classes
        )


def _make_width_classes(model: GaussianModel, band: Band) -> list[_WidthClass]:
    edge = band.max_index / (band.box_size * band.pixel_size)
    exponents = 2 * math.pi**2 * model.widths.square() * edge**2
    _, labels = (exponents / DAMPING_STEP).round().unique(return_inverse=True)
    square = band.frequencies.square().sum(-1)
    classes = []
    for label in range(int(labels.max()) + 1):
        sites = (labels == label).nonzero()[:, 0]
        # The weighted mean of the variances keeps the low-resolution end exact.
        share = model.weights[sites].abs()
        variance = (share * model.widths[sites].square()).sum() / share.sum()
        classes.append(_WidthClass(sites, (-2 * math.pi**2 * variance * square).exp()))
    return classes
