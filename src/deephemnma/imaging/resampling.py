"""Images on another grid: band-limited interpolation about the centre, exact for any ratio and any boxes."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SAME = 1e-6
"""Relative difference of pixel sizes below which grids are one: files hold single precision."""


def make_resampling_matrix(
    box_size: int, pixel_size: float, *, new_box_size: int, new_pixel_size: float
) -> Float[Tensor, "new_box box"]:
    """Return the matrix A that brings an image X onto another grid as ``A X A^T``; see :func:`resample_images`.

    An image is one period of a trigonometric polynomial. Its frequencies below the Nyquist frequency of the new grid
    are summed at the new pixels (float64; returned as float32), so that each row is a periodic sinc

        A[j, i] = sin((2K + 1) pi u) / (box sin(pi u)),    u = (x_j - y_i) / (box pixel),

    x and y being the places of the new and old pixels from their centres ``box // 2``, and K the highest frequency
    kept. A new field of view that is smaller cuts in real space, one that is larger sees the period again. Grey values
    keep their scale. The Nyquist frequency itself is left out (see :func:`~deephemnma.core.fourier.fourier_crop`),
    but where the pixels stay, for then the old ones are taken as they are.
    """
    places = (torch.arange(new_box_size, dtype=torch.float64) - new_box_size // 2) * (new_pixel_size / pixel_size)
    if abs(new_pixel_size / pixel_size - 1) < SAME:
        rows = (places.round().long() + box_size // 2) % box_size
        return torch.eye(box_size)[rows]
    nyquist = box_size * pixel_size / (2 * new_pixel_size)
    highest = min(math.ceil(nyquist - SAME) - 1, (box_size - 1) // 2)
    own = torch.arange(box_size, dtype=torch.float64) - box_size // 2
    turns = (places[:, None] - own) / box_size
    turns = turns - turns.round()
    below = torch.where(turns == 0, 1.0, box_size * (math.pi * turns).sin())
    above = torch.where(turns == 0, (2 * highest + 1) / box_size, ((2 * highest + 1) * math.pi * turns).sin())
    return (above / below).float()


def resample_images(
    images: Float[Tensor, "images box box"], matrix: Float[Tensor, "new_box box"]
) -> Float[Tensor, "images new_box new_box"]:
    """Return the images on the grid of `matrix` (:func:`make_resampling_matrix`); each depends on itself alone."""
    rows = images @ matrix.T
    return torch.bmm(matrix.expand(len(images), *matrix.shape), rows)
