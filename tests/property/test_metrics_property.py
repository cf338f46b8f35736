import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deephemnma.core.error import InputError
from deephemnma.core.rotation import compute_geodesic_angle, make_random_rotations
from deephemnma.core.structure import DensityMap
from deephemnma.landscape.expression import evaluate_expression
from deephemnma.metrics.angle import compute_axis_angle
from deephemnma.metrics.fsc import compute_fsc
from deephemnma.metrics.symmetry import compute_symmetric_angle, make_point_group

seeds = st.integers(0, 2**31 - 1)
groups = st.sampled_from(["C1", "C3", "D2", "T", "O", "I"])


@settings(deadline=None, max_examples=25)
@given(seeds, groups)
def test_the_symmetric_angle_is_a_distance_between_views(seed, group):
    first, second, third = make_random_rotations(3, generator=torch.Generator().manual_seed(seed))[:, None]

    def distance(one: torch.Tensor, other: torch.Tensor) -> float:
        return float(compute_symmetric_angle(one, other, group))

    operation = make_point_group(group)[-1]
    assert distance(first, second) <= float(compute_geodesic_angle(first, second)) + 1e-9
    assert math.isclose(distance(first, second), distance(second, first), abs_tol=1e-7)
    assert math.isclose(distance(first, second), distance(first @ operation, second), abs_tol=1e-7)
    assert distance(first, third) <= distance(first, second) + distance(second, third) + 1e-7


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_the_axis_angle_hangs_on_neither_order_nor_frame_of_the_molecule(seed):
    first, second, frame = make_random_rotations(3, generator=torch.Generator().manual_seed(seed))
    wanted = compute_axis_angle(first, second)
    torch.testing.assert_close(compute_axis_angle(second, first), wanted)
    torch.testing.assert_close(compute_axis_angle(first @ frame, second @ frame), wanted)
    assert float(wanted) <= float(compute_geodesic_angle(first, second)) + 1e-9


@settings(deadline=None, max_examples=20)
@given(seeds, st.floats(0.1, 10), st.floats(-5, 5), st.integers(6, 13))
def test_a_correlation_is_bounded_symmetric_and_blind_to_grey_scale(seed, scale, offset, size):
    generator = torch.Generator().manual_seed(seed)
    first, second = (
        DensityMap(torch.randn(size, size, size, generator=generator), 1.5, torch.zeros(3), "noise") for _ in range(2)
    )
    curve = compute_fsc(first, second).correlation
    assert float(curve.abs().max()) <= 1 + 1e-6
    torch.testing.assert_close(compute_fsc(second, first).correlation, curve, atol=1e-6, rtol=0)
    scaled = DensityMap(scale * second.values + offset, 1.5, torch.zeros(3), "noise")
    torch.testing.assert_close(compute_fsc(first, scaled).correlation, curve, atol=1e-4, rtol=0)


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="pc12 ><=()+-*/.andortn_'[]{}:,!~@\n", max_size=40))
def test_any_text_is_a_condition_or_an_input_error(text):
    columns = {"pc1": torch.arange(3.0), "pc2": torch.zeros(3)}
    try:
        result = evaluate_expression(text, columns)
    except InputError:
        return
    assert result.dtype == torch.bool
    assert result.shape == (3,)
