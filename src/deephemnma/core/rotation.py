"""Rotations: the one place where the Euler convention is written.

A rotation matrix takes reference coordinates (x, y, z) to the view frame; the projection runs along view z.
Euler angles (rot, tilt, psi) are those of RELION and Xmipp (ZYZ): ``R = Rz(psi) Ry(tilt) Rz(rot)`` with the
elementary matrices of :func:`rotation_about_z` and :func:`rotation_about_y`. Angles are radians.
"""

import math

import roma
import torch
from jaxtyping import Float
from torch import Tensor

PSI_SUPER_FIBONACCI = 1.533751168755204288118041413  # root of psi^4 = psi + 4, Alexa 2022


def rotation_about_z(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Return ``[[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]``."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return _stack_rows((cos, sin, zero), (-sin, cos, zero), (zero, zero, one))


def rotation_about_y(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Return ``[[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]``."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return _stack_rows((cos, zero, -sin), (zero, one, zero), (sin, zero, cos))


def euler_to_rotation(euler: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation matrices of (rot, tilt, psi), radians, any range."""
    rot, tilt, psi = euler.unbind(-1)
    return rotation_about_z(psi) @ rotation_about_y(tilt) @ rotation_about_z(rot)


def rotation_to_euler(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Return (rot, tilt, psi) in radians: rot and psi in (-pi, pi], tilt in [0, pi]; psi is 0 at the poles."""
    sin_tilt = torch.hypot(rotation[..., 2, 0], rotation[..., 2, 1])
    tilt = torch.atan2(sin_tilt, rotation[..., 2, 2])
    at_pole = sin_tilt < 1e-6
    sign = torch.where(rotation[..., 2, 2] < 0, -1.0, 1.0).to(rotation.dtype)
    rot = torch.atan2(rotation[..., 2, 1], rotation[..., 2, 0])
    psi = torch.atan2(rotation[..., 1, 2], -rotation[..., 0, 2])
    rot_at_pole = torch.atan2(sign * rotation[..., 0, 1], rotation[..., 1, 1])
    rot = torch.where(at_pole, rot_at_pole, rot)
    return torch.stack((rot, tilt, torch.where(at_pole, torch.zeros_like(psi), psi)), dim=-1)


def rotation_from_vector(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation by ``|vector|`` radians about ``vector`` (right-handed)."""
    return roma.rotvec_to_rotmat(vector)


def rotation_to_vector(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Return the rotation vectors, of length 0 to pi, of :func:`rotation_from_vector`."""
    return roma.rotmat_to_rotvec(rotation)


def rotation_to_quaternion(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Return unit quaternions (x, y, z, w) on the hemisphere w >= 0."""
    quaternion = roma.rotmat_to_unitquat(rotation)
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)


def rotation_from_quaternion(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Return rotation matrices of quaternions (x, y, z, w) of any length but zero."""
    return roma.unitquat_to_rotmat(torch.nn.functional.normalize(quaternion, dim=-1))


def compute_geodesic_angle(
    first: Float[Tensor, "*batch 3 3"], second: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """Return the angle in radians, [0, pi], of the rotation that takes `first` to `second`."""
    return roma.rotmat_geodesic_distance(first, second)


def make_random_rotations(count: int, *, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
    """Draw `count` uniformly distributed rotations (float64)."""
    return roma.unitquat_to_rotmat(
        torch.nn.functional.normalize(torch.randn(count, 4, generator=generator, dtype=torch.float64), dim=-1)
    )


def make_rotation_grid(count: int) -> Float[Tensor, "count 3 3"]:
    """Return `count` rotations spread evenly over SO(3): the super-Fibonacci spiral (Alexa 2022, CVPR), float64."""
    s = torch.arange(count, dtype=torch.float64) + 0.5
    radius, co_radius = (s / count).sqrt(), (1 - s / count).sqrt()
    alpha, beta = 2 * math.pi * s / math.sqrt(2), 2 * math.pi * s / PSI_SUPER_FIBONACCI
    quaternion = torch.stack(
        (radius * alpha.sin(), radius * alpha.cos(), co_radius * beta.sin(), co_radius * beta.cos()), dim=-1
    )
    return roma.unitquat_to_rotmat(quaternion)


def _stack_rows(*rows: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
