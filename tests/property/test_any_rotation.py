"""What must hold for any rotation."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deephemnma.core.rotation import (
    compute_geodesic_angle,
    euler_to_rotation,
    rotation_from_quaternion,
    rotation_from_vector,
    rotation_to_euler,
    rotation_to_quaternion,
)

angle = st.floats(-4 * math.pi, 4 * math.pi)
euler_angles = st.tuples(angle, angle, angle).map(lambda values: torch.tensor(values, dtype=torch.float64))
relaxed = settings(deadline=None, max_examples=100, derandomize=True)


def _is_same(first: torch.Tensor, second: torch.Tensor, tolerance: float) -> bool:
    return bool((first - second).abs().max() < tolerance)


@relaxed
@given(euler_angles)
def test_euler_angles_describe_the_same_rotation_after_a_round_trip(euler):
    rotation = euler_to_rotation(euler)
    back = rotation_to_euler(rotation)
    assert _is_same(euler_to_rotation(back), rotation, 3e-6)
    assert 0 <= back[1] <= math.pi
    assert back[[0, 2]].abs().max() <= math.pi


@relaxed
@given(euler_angles)
def test_the_other_name_of_a_rotation_gives_it_too(euler):
    rot, tilt, psi = euler.unbind()
    other = torch.stack((rot + math.pi, -tilt, psi - math.pi))
    assert _is_same(euler_to_rotation(other), euler_to_rotation(euler), 1e-12)


@relaxed
@given(euler_angles)
def test_quaternions_describe_the_same_rotation(euler):
    rotation = euler_to_rotation(euler)
    assert _is_same(rotation_from_quaternion(rotation_to_quaternion(rotation)), rotation, 1e-9)


@relaxed
@given(euler_angles, euler_angles, euler_angles)
def test_angles_between_rotations_do_not_depend_on_the_frame(first, second, frame):
    a, b, f = euler_to_rotation(first), euler_to_rotation(second), euler_to_rotation(frame)
    assert abs(compute_geodesic_angle(a, b) - compute_geodesic_angle(f @ a, f @ b)) < 1e-6
    assert abs(compute_geodesic_angle(a, b) - compute_geodesic_angle(b, a)) < 1e-6


@relaxed
@given(euler_angles, st.floats(1e-4, math.pi - 1e-4))
def test_a_turn_is_as_far_as_its_angle(direction, turn):
    axis = euler_to_rotation(direction)[2]
    rotation = rotation_from_vector(axis * turn)
    identity = torch.eye(3, dtype=torch.float64)
    assert abs(compute_geodesic_angle(identity, rotation) - turn) < 1e-6
    assert _is_same(rotation @ axis, axis, 1e-9)
