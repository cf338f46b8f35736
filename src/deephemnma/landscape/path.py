"""Paths through the space, as the amplitudes of animation frames."""

import torch
from jaxtyping import Float
from torch import Tensor

from deephemnma.core.error import InputError
from deephemnma.core.landscape import Landscape
from deephemnma.landscape.group import compute_centroids


def make_path(
    landscape: Landscape,
    *,
    axis: int = 1,
    n_frames: int,
    quantiles: tuple[float, float] = (0.05, 0.95),
    reach: float | None = None,
) -> Float[Tensor, "frames modes"]:
    """Return the amplitudes along a straight line through the mean, parallel to one axis.

    Parameters
    ----------
    landscape
        The space.
    axis
        Number of the axis, from 1.
    n_frames
        2 or more.
    quantiles
        Of the images along the axis, where the line starts and ends.
    reach
        Instead of quantiles: how far the line goes to either side of the mean, A of amplitude.
    """
    n_axes = landscape.coordinates.shape[1]
    if not 1 <= axis <= n_axes:
        raise InputError(f"The axis must lie between 1 and {n_axes}, but {axis} came.")
    along = landscape.coordinates[:, axis - 1]
    points = torch.zeros(2, n_axes, dtype=along.dtype)
    if reach is None:
        points[:, axis - 1] = torch.quantile(along, torch.tensor(quantiles, dtype=along.dtype))
    else:
        points[:, axis - 1] = torch.tensor((-reach, reach), dtype=along.dtype)
    return make_point_path(landscape, points, n_frames=n_frames)


def make_centroid_path(landscape: Landscape, *, n_frames: int) -> Float[Tensor, "frames modes"]:
    """Return the amplitudes along straight pieces from group to group, in the order of their numbers.

    With groups cut along an axis, the path follows a curved cloud of images, where a line would leave it.
    """
    return make_point_path(landscape, compute_centroids(landscape), n_frames=n_frames)


def make_point_path(
    landscape: Landscape, points: Float[Tensor, "points axes"], *, n_frames: int
) -> Float[Tensor, "frames modes"]:
    """Return the amplitudes along straight pieces through `points` of the space, in steps of equal length."""
    if n_frames < 2 or len(points) < 2:
        raise InputError(f"A path needs 2 or more points and frames, but {len(points)} and {n_frames} came.")
    lengths = points.diff(dim=0).norm(dim=1)
    stations = torch.cat((lengths.new_zeros(1), lengths.cumsum(0)))
    wanted = torch.linspace(0, 1, n_frames, dtype=stations.dtype) * stations[-1]
    piece = (torch.searchsorted(stations, wanted, right=True) - 1).clamp(0, len(lengths) - 1)
    share = ((wanted - stations[piece]) / lengths[piece].clamp(min=1e-12))[:, None]
    return landscape.to_amplitudes(points[piece] * (1 - share) + points[piece + 1] * share)
