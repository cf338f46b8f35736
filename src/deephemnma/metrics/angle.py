"""Differences between orientations."""

import roma
import torch
from jaxtyping import Float
from torch import Tensor


def compute_axis_angle(
    first: Float[Tensor, "*batch 3 3"], second: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """Return the mean angle (radians) between the three rotated axes x, y, z of `first` and `second`.

    The measure of the paper (section 3.1.1: "the average angular distance between the rotated coordinate-system
    axes") and of Xmipp, which takes the rows of the rotation matrix. Over random axes of rotation it is pi / 4 =
    0.785 of a small geodesic angle, the mean sine of the angle between an axis and the axis of rotation.
    """
    crossed = torch.linalg.cross(first, second, dim=-1).norm(dim=-1)
    return torch.atan2(crossed, (first * second).sum(-1)).mean(-1)  # acos would lose angles below 1e-4 in float32


def compute_rotation_vector(
    found: Float[Tensor, "*batch 3 3"], truth: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch 3"]:
    """Return the rotation about the view axes x y z (radians) that takes `truth` to `found`."""
    return roma.rotmat_to_rotvec(found @ truth.mT)
