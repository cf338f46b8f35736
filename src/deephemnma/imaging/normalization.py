"""The background of images made alike, as RELION does it: no slope, mean 0, standard deviation 1."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

FLAT = 1e-6
"""Standard deviation over mean of a background that single precision cannot tell from a flat one."""


def make_background(box_size: int, radius: float) -> Bool[Tensor, "box box"]:
    """Return which pixels lie beyond `radius` (pixels) of the centre."""
    axis = torch.arange(box_size, dtype=torch.float64) - box_size // 2
    return torch.hypot(axis[:, None], axis[None, :]) > radius


def subtract_ramp(
    images: Float[Tensor, "images box box"], background: Bool[Tensor, "box box"]
) -> Float[Tensor, "images box box"]:
    """Subtract from each image the plane that fits its background best (least squares)."""
    box = images.shape[-1]
    axis = (torch.arange(box, dtype=torch.float64) - box // 2) / box
    slope_y, slope_x = torch.meshgrid(axis, axis, indexing="ij")
    planes = torch.stack((torch.ones_like(slope_x), slope_x, slope_y)).flatten(1)
    behind = planes * background.flatten()
    solve = torch.linalg.solve(behind @ behind.T, behind)
    # The level first: on a high one single precision has no digits left for a slope.
    pixels, _ = _center(images, background)
    pixels = torch.addmm(pixels, pixels @ solve.T.float(), planes.float(), alpha=-1)
    return pixels.view_as(images)


def normalize_background(
    images: Float[Tensor, "images box box"], background: Bool[Tensor, "box box"]
) -> Float[Tensor, "images box box"]:
    """Make the background of each image mean 0 and standard deviation 1; a flat one is made 0 and stays flat."""
    pixels, mean = _center(images, background)
    weight = background.flatten().float() / background.sum()
    deviation = (pixels.square() @ weight).sqrt()[:, None]
    deviation = torch.where(deviation <= FLAT * mean.abs(), 1, deviation)
    return (pixels / deviation).view_as(images)


def _center(
    images: Float[Tensor, "images box box"], background: Bool[Tensor, "box box"]
) -> tuple[Float[Tensor, "images pixels"], Float[Tensor, "images 1"]]:
    """Return the pixels less the mean of the background, and that mean."""
    weight = background.flatten().float() / background.sum()
    pixels = images.flatten(1)
    mean = (pixels @ weight)[:, None]
    pixels = pixels - mean
    return pixels - (pixels @ weight)[:, None], mean  # twice: on a high level the mean itself lacks digits
