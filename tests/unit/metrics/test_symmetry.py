import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.rotation import make_random_rotations, rotation_from_vector
from deephemnma.metrics.symmetry import compute_symmetric_angle, find_equivalent, make_point_group


@pytest.mark.parametrize(
    ("name", "order"), [("C1", 1), ("C7", 7), ("D2", 4), ("d7", 14), ("T", 12), ("O", 24), ("I", 60)]
)
def test_groups_have_their_order_and_are_closed(name, order):
    operations = make_point_group(name)
    assert len(operations) == order
    assert torch.equal(operations[0], torch.eye(3, dtype=torch.float64))
    products = (operations[:, None] @ operations[None]).flatten(0, 1)
    distance = (products[:, None] - operations[None]).abs().amax((-1, -2)).min(1).values
    assert float(distance.max()) < 1e-9


@pytest.mark.parametrize("name", ["C0", "X2", "D", "C1.5", "Oh"])
def test_an_unknown_group_is_named(name):
    with pytest.raises(InputError, match="point group"):
        make_point_group(name)


def test_equivalent_views_are_no_error():
    rotations = make_random_rotations(20, generator=torch.Generator().manual_seed(3))
    for operation in make_point_group("D2"):
        assert float(compute_symmetric_angle(rotations @ operation, rotations, "D2").max()) < 1e-6


def test_symmetry_acts_in_the_reference_frame_only():
    rotations = make_random_rotations(20, generator=torch.Generator().manual_seed(4))
    flipped = make_point_group("C2")[1] @ rotations
    assert float(compute_symmetric_angle(flipped, rotations, "C2").median()) > 0.5


def test_the_closest_equivalent_keeps_the_small_error():
    rotations = make_random_rotations(20, generator=torch.Generator().manual_seed(5))
    nudged = rotation_from_vector(torch.tensor([0.02, 0.0, 0.01], dtype=torch.float64)) @ rotations
    closest = find_equivalent(nudged @ make_point_group("D2")[3], rotations, "D2")
    torch.testing.assert_close(closest, nudged)


def test_random_views_of_a_d2_body_are_closer_than_of_an_asymmetric_one():
    first = make_random_rotations(4000, generator=torch.Generator().manual_seed(6))
    second = make_random_rotations(4000, generator=torch.Generator().manual_seed(7))
    asymmetric = compute_symmetric_angle(first, second, "C1").rad2deg().mean()
    assert float(asymmetric) == pytest.approx(126.5, abs=2.0)  # 90 + 2 / pi rad: Haar measure
    assert float(compute_symmetric_angle(first, second, "D2").rad2deg().mean()) < 80
