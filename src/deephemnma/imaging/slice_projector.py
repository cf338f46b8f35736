"""Projections of a density map as central slices of its transform."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.structure import DensityMap
from deephemnma.imaging.band import Band
from deephemnma.imaging.projector import Projector, compute_phases

SAME_SIZE = 1e-3
"""Voxel and pixel sizes that differ by less than this share are the same: files round them."""


class SliceProjector(Projector):
    """Projects a rigid map: by the projection-slice theorem a plane of its transform, read by interpolation.

    Shares no step with :class:`~deephemnma.imaging.gaussian_projector.GaussianProjector`. The map is padded, divided
    by the image of the trilinear kernel, and transformed; its gradient in Fourier space is the transform of
    ``-2 pi i x`` times the map, interpolated likewise, so that derivatives are as smooth as projections.

    Parameters
    ----------
    density
        A cube. Rotates about voxel ``box // 2``, which projects on pixel ``box // 2``; its values are a voxel's share
        of the grey values of the image.
    band
        The components wanted, at pixels of the size of the voxels.
    padding
        Oversampling of the transform.

    Raises
    ------
    InputError
        If the map is not a cube, or its voxels are not of the size of the band's pixels.
    """

    def __init__(self, density: DensityMap, band: Band, *, padding: int = 2) -> None:
        _check(density, band)
        self.band = band
        self.n_modes = 0
        device = band.rows.device
        box_size = density.values.shape[0]
        size = padding * max(box_size, band.box_size)
        # Only what the band can reach is kept.
        self._reach = math.ceil(band.max_index * size / band.box_size) + 1
        self._frequencies = band.frequencies
        self._channels = _transform_with_gradient(
            density.values.to(device, torch.float32), size=size, reach=self._reach, pixel_size=band.pixel_size
        )
        self._to_grid = size * band.pixel_size / self._reach

    def project(
        self,
        rotations: Float[Tensor, "images 3 3"],
        shifts: Float[Tensor, "images 2"],
        amplitudes: Float[Tensor, "images {self.n_modes}"],
    ) -> Complex[Tensor, "images {self.band.n_components}"]:
        """See :meth:`Projector.project`."""
        return self._slice(rotations, self._channels[:2])[:, 0] * compute_phases(self.band, shifts)

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
        channels = self._slice(rotations, self._channels) * compute_phases(self.band, shifts)[:, None]
        value, gradient = channels[:, 0], channels[:, 1:]
        gx, gy, gz = torch.einsum("ixy,iyc->ixc", rotations.to(gradient.dtype), gradient).unbind(1)
        kx, ky = self._frequencies.unbind(-1)
        # A small rotation omega of the particle moves the slice's k by minus R^T (omega cross k).
        by_rotation = torch.stack((-ky * gz, kx * gz, ky * gx - kx * gy), dim=1)
        by_shift = 2j * math.pi * torch.stack((kx * value, ky * value), dim=1)
        return value, torch.cat((by_rotation, by_shift), dim=1)

    def _slice(
        self, rotations: Float[Tensor, "images 3 3"], channels: Float[Tensor, "parts z y x"]
    ) -> Complex[Tensor, "images channels components"]:
        """Interpolate the plane of view of each image."""
        plane = torch.einsum("cv,ivx->icx", self._frequencies, rotations[:, :2]) * self._to_grid
        # One copy of the volume an image, in name only: grid_sample is parallel over those.
        volumes = channels.expand(len(rotations), -1, -1, -1, -1)
        parts = torch.nn.functional.grid_sample(volumes, plane[:, None, None], align_corners=True)[:, :, 0, 0]
        real, imaginary = parts.unflatten(1, (-1, 2)).unbind(2)
        return torch.complex(real, imaginary)


def _transform_with_gradient(
    values: Float[Tensor, "box box box"], *, size: int, reach: int, pixel_size: float
) -> Float[Tensor, "parts span span span"]:
    """Return the transform and its gradient for k (x, y, z), real and imaginary parts in turn, zero at the centre."""
    box_size = values.shape[0]
    axis = torch.arange(box_size, device=values.device) - box_size // 2
    kernel = torch.sinc(axis / size).square()
    values = values / (kernel[:, None, None] * kernel[:, None] * kernel)
    lever = axis * pixel_size
    index = axis % size
    kept = torch.arange(-reach, reach + 1, device=values.device) % size
    parts = []
    for factor in (torch.ones(1, device=values.device), lever, lever[:, None], lever[:, None, None]):
        padded = values.new_zeros(size, size, size)
        padded[index[:, None, None], index[:, None], index] = values * factor
        transform = torch.fft.fftn(padded)[kept[:, None, None], kept[:, None], kept]
        parts.append(torch.view_as_real(transform if not parts else -2j * math.pi * transform))
    return torch.cat(parts, dim=-1).movedim(-1, 0).contiguous()


def _check(density: DensityMap, band: Band) -> None:
    shape = tuple(density.values.shape)
    if len(set(shape)) > 1:
        raise InputError(f"A map that is projected must be a cube, but {density.source} is {shape}: pad or crop it.")
    if abs(density.voxel_size - band.pixel_size) > SAME_SIZE * band.pixel_size:
        raise InputError(
            f"The voxels of the map ({density.source}) must be as large as the pixels of the images, "
            f"{band.pixel_size:g} A, but are {density.voxel_size:g} A: resample the map."
        )
