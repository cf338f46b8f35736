"""A backbone that knows what an in-plane rotation does.

On a polar grid an in-plane rotation is a cyclic move along the angles, and convolutions along the angles move with
it. So the network learns views (two angles) instead of orientations (three): it needs about ten times fewer images.
Rotation-equivariant networks: Cohen & Welling 2016; polar ones: Esteves et al. 2018.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from deephemnma.core.fourier import fourier_transform
from deephemnma.network.backbone import Backbone
from deephemnma.network.resampling import sample_images


class PolarNetwork(Backbone):
    """Residual blocks of circular convolutions on a polar grid.

    Parameters
    ----------
    box_size
        Side of the images, pixels.
    n_features
        Channels.
    n_angles
        Angles at which features are given.
    n_blocks
        Residual blocks.
    """

    def __init__(self, box_size: int, *, n_features: int = 192, n_angles: int = 18, n_blocks: int = 3) -> None:
        super().__init__()
        self.n_features, self.n_angles = n_features, n_angles
        # Between two angles lie this many samples, for the outer rings are longer than n_angles pixels.
        self.oversampling = max(1, round(box_size * math.pi / (1.4 * n_angles)))
        n_radii = box_size // 2
        points = _make_polar_points(n_radii, n_angles * self.oversampling, (box_size - 2) / 2 / n_radii)
        self.register_buffer("points", points, persistent=False)
        # The first convolution sees the whole image in every turn: a bank of learned templates.
        template = n_angles - 1 + n_angles % 2
        self.stem = _CircularConvolution(n_radii * self.oversampling, n_features, template)
        self.blocks = nn.Sequential(*(_Block(n_features) for _ in range(n_blocks)))

    def forward(self, images: Float[Tensor, "images 1 box box"]) -> Float[Tensor, "images features angles"]:
        """See :meth:`Backbone.forward`."""
        points = self.points.expand(images.shape[0], -1, -1, -1)
        polar = sample_images(fourier_transform(images[:, 0]), points)
        polar = polar.unflatten(2, (self.n_angles, self.oversampling)).transpose(2, 3).flatten(1, 2)
        return self.blocks(F.relu(self.stem(polar)))


class _CircularConvolution(nn.Sequential):
    def __init__(self, n_in: int, n_out: int, size: int) -> None:
        convolution = nn.Conv1d(n_in, n_out, size, padding=size // 2, padding_mode="circular", bias=False)
        super().__init__(convolution, nn.BatchNorm1d(n_out))


class _Block(nn.Module):
    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.neighbours = _CircularConvolution(n_features, n_features, 3)
        self.pointwise = _CircularConvolution(n_features, n_features, 1)

    def forward(self, x: Float[Tensor, "images features angles"]) -> Float[Tensor, "images features angles"]:
        return F.relu(x + self.pointwise(F.relu(self.neighbours(x))))


def _make_polar_points(n_radii: int, n_angles: int, step: float) -> Float[Tensor, "radii angles 2"]:
    """Return points (x, y) in pixels from the centre; the image turns by minus psi (``Rz(psi)`` of core.rotation)."""
    radius = (torch.arange(n_radii) + 0.5) * step
    angle = -2 * math.pi * torch.arange(n_angles) / n_angles
    return torch.stack((radius[:, None] * angle.cos(), radius[:, None] * angle.sin()), dim=-1)
