"""Grey values between the pixels of band-limited images, and the turns and moves that are made of them."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F

from deephemnma.core.fourier import fourier_transform
from deephemnma.core.rotation import rotation_about_z
from deephemnma.network.label import Labels

OVERSAMPLING = 2
"""Images are first interpolated exactly (by Fourier padding) this finely; cubic interpolation does the rest."""


def sample_images(
    transforms: Complex[Tensor, "images box half"], points: Float[Tensor, "images rows columns 2"]
) -> Float[Tensor, "images rows columns"]:
    """Return the grey values at `points` (x, y in pixels from the centre pixel) of images given by their transforms.

    The Nyquist components must be zero (see ``fourier_crop``). Beyond the border the image is mirrored.
    """
    box_size = transforms.shape[-2]
    fine = OVERSAMPLING * box_size
    half = box_size // 2
    padded = transforms.new_zeros(transforms.shape[0], fine, fine // 2 + 1)
    padded[:, :half, :half] = transforms[:, :half, :half]
    padded[:, fine - half + 1 :, :half] = transforms[:, half + 1 :, :half]
    images = torch.fft.irfft2(padded, s=(fine, fine), norm="ortho") * OVERSAMPLING
    images = torch.fft.fftshift(images, dim=(-2, -1))
    # Pixel i of the fine image lies at (2 i + 1) / fine - 1 of grid_sample, and the centre pixel is fine // 2.
    grid = (points * OVERSAMPLING * 2 + 1) / fine
    sampled = F.grid_sample(images.unsqueeze(1), grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return sampled[:, 0]


def turn_and_move(
    images: Float[Tensor, "images box box"],
    labels: Labels,
    *,
    angles: Float[Tensor, "images"],
    moves: Float[Tensor, "images 2"],
    pixel_size: float,
) -> tuple[Float[Tensor, "images box box"], Labels]:
    """Turn images by ``Rz(angles)``, then add `moves` (A) to their shifts; the labels follow exactly.

    The particle lies at minus the shift, so the new image is at v what the old one is at ``Rz^T (v + move)``.
    """
    box_size = images.shape[-1]
    rotation = rotation_about_z(angles)
    axis = torch.arange(box_size, device=images.device, dtype=images.dtype) - box_size // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    new = torch.stack((x, y), dim=-1) + (moves / pixel_size)[:, None, None]
    old = new @ rotation[:, None, :2, :2]  # row vectors: v^T Rz is (Rz^T v)^T
    turned = sample_images(fourier_transform(images), old)
    shifts = torch.einsum("iyx,ix->iy", rotation[:, :2, :2], labels.shifts) + moves
    return turned, Labels(rotation @ labels.rotations, shifts, labels.amplitudes)
