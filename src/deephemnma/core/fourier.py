"""Fourier grids and centred transforms: the one place where their convention is written.

Images are real, square, axes y x, with the origin at pixel ``box // 2``. Transforms are orthonormal
(``norm="ortho"``: white noise of variance v has power v in every component), frequencies in 1/A in FFT order
(zero first), the half plane of ``rfft2`` for images.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def make_frequencies(
    box_size: int, pixel_size: float, *, device: torch.device | str = "cpu"
) -> Float[Tensor, "box half 2"]:
    """Return the frequencies (x, y), 1/A, of every component of the half-plane transform."""
    ky = torch.fft.fftfreq(box_size, d=pixel_size, device=device)
    kx = torch.fft.rfftfreq(box_size, d=pixel_size, device=device)
    grid_y, grid_x = torch.meshgrid(ky, kx, indexing="ij")
    return torch.stack((grid_x, grid_y), dim=-1)


def choose_box_size(least: int) -> int:
    """Return the next even number without prime factors above 5, of which transforms are fast."""
    size = least + least % 2
    while not _is_smooth(size):
        size += 2
    return size


def _is_smooth(size: int) -> bool:
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    return size == 1


def make_shell_indices(box_size: int, *, device: torch.device | str = "cpu") -> Tensor:
    """Return the radial shell (nearest integer radius, in Fourier pixels) of every half-plane component."""
    return make_frequencies(box_size, 1 / box_size, device=device).norm(dim=-1).round().long()


def fourier_transform(images: Float[Tensor, "*batch box box"]) -> Complex[Tensor, "*batch box half"]:
    """Return the centred orthonormal half-plane transform."""
    return torch.fft.rfft2(torch.fft.ifftshift(images, dim=(-2, -1)), norm="ortho")


def inverse_fourier_transform(
    transforms: Complex[Tensor, "*batch box half"], *, box_size: int
) -> Float[Tensor, "*batch box box"]:
    """Invert :func:`fourier_transform`."""
    images = torch.fft.irfft2(transforms, s=(box_size, box_size), norm="ortho")
    return torch.fft.fftshift(images, dim=(-2, -1))


def fourier_crop(
    transforms: Complex[Tensor, "*batch box half"], *, box_size: int
) -> Complex[Tensor, "*batch cropped cropped_half"]:
    """Keep the components of a `box_size` image of the same field of view; grey values keep their scale.

    The result is band-limited: the Nyquist row and column of an even box are set to zero, for they cannot hold
    one half of what they alias.
    """
    source = transforms.shape[-2]
    if box_size > source:
        raise ValueError(f"cannot crop a box of {source} to {box_size}")
    if box_size == source:
        return transforms
    positive, negative = (box_size + 1) // 2, (box_size - 1) // 2
    half = box_size // 2 + 1
    cropped = transforms.new_zeros(*transforms.shape[:-2], box_size, half)
    cropped[..., :positive, :positive] = transforms[..., :positive, :positive]
    cropped[..., box_size - negative :, :positive] = transforms[..., source - negative :, :positive]
    return cropped * (box_size / source)
