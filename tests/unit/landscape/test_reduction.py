import math

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status, concatenate_estimates, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.landscape.free_energy import compute_free_energy
from deephemnma.landscape.outlier import compute_mahalanobis, find_outliers
from deephemnma.landscape.reduction import find_origins, make_landscape, project_estimates


def make_set(amplitudes: torch.Tensor, prefix: str = "a") -> Estimates:
    count, modes = amplitudes.shape
    return make_estimates(
        names=tuple(f"{prefix}{number}" for number in range(count)),
        poses=Poses(torch.eye(3, dtype=torch.float64).repeat(count, 1, 1), torch.zeros(count, 2, dtype=torch.float64)),
        amplitudes=amplitudes.double(),
        mode_numbers=tuple(range(7, 7 + modes)),
        status=Status.GIVEN,
    )


def draw(count: int, scales: tuple[float, ...], seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, len(scales), generator=generator, dtype=torch.float64) * torch.tensor(scales).double()


def test_axes_find_the_directions_of_greatest_variance():
    turn = torch.tensor([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    landscape = make_landscape(make_set(draw(4000, (30.0, 10.0, 1.0)) @ turn + 5), n_axes=2)
    torch.testing.assert_close(landscape.axes, turn[:2] * torch.tensor([[1.0], [-1.0]]), atol=0.05, rtol=0)
    torch.testing.assert_close(landscape.explained, torch.tensor([900 / 1001, 100 / 1001]).double(), atol=0.01, rtol=0)


def test_the_way_back_to_amplitudes_is_exact_with_all_axes():
    estimates = make_set(draw(50, (3.0, 2.0, 1.0)))
    landscape = make_landscape(estimates, n_axes=3)
    torch.testing.assert_close(landscape.to_amplitudes(landscape.coordinates), estimates.amplitudes)
    assert (landscape.groups == -1).all()


def test_the_sign_of_axes_does_not_hang_on_the_order_of_images():
    estimates = make_set(draw(60, (3.0, 2.0, 1.0)))
    reverse = estimates.select(torch.arange(59, -1, -1))
    torch.testing.assert_close(make_landscape(estimates, n_axes=2).axes, make_landscape(reverse, n_axes=2).axes)


def test_two_sets_share_one_space_and_are_told_apart_by_name():
    sets = {
        "estimated": make_set(draw(30, (3.0, 2.0)), "set1/"),
        "predicted": make_set(draw(50, (3.0, 2.0), 1), "set2/"),
    }
    landscape = make_landscape(concatenate_estimates(list(sets.values())), n_axes=2)
    assert find_origins(landscape, sets) == ("estimated",) * 30 + ("predicted",) * 50
    with pytest.raises(InputError, match="set1/0"):
        find_origins(landscape, {"predicted": sets["predicted"]})
    with pytest.raises(InputError, match="once"):
        make_landscape(concatenate_estimates([sets["estimated"]] * 2), n_axes=2)


def test_another_set_goes_into_an_existing_space():
    first, second = make_set(draw(30, (3.0, 2.0))), make_set(draw(5, (3.0, 2.0), 1), "b")
    space = make_landscape(first, n_axes=2)
    projected = project_estimates(space, second)
    assert projected.names == second.names
    torch.testing.assert_close(projected.to_amplitudes(projected.coordinates), second.amplitudes)
    with pytest.raises(InputError, match="modes"):
        project_estimates(space, make_set(draw(5, (1.0, 1.0, 1.0))))


def test_images_without_a_result_are_left_out():
    amplitudes = draw(20, (3.0, 2.0))
    amplitudes[4] = torch.nan
    landscape = make_landscape(make_set(amplitudes), n_axes=2)
    assert "a4" not in landscape.names
    assert landscape.coordinates.isfinite().all()


@pytest.mark.parametrize("n_axes", [0, 4])
def test_more_axes_than_modes_are_refused(n_axes):
    with pytest.raises(InputError, match="1 to 3 axes"):
        make_landscape(make_set(draw(20, (1.0, 1.0, 1.0))), n_axes=n_axes)


def test_mahalanobis_of_normal_amplitudes_follows_chi():
    distances = compute_mahalanobis(draw(20_000, (100.0, 3.0, 0.1)) + 7)
    assert float(distances.square().mean()) == pytest.approx(3, rel=0.01)
    assert float((distances > 3.2).double().mean()) == pytest.approx(0.017, abs=0.004)


def test_outliers_are_found_whatever_the_units_and_correlation():
    amplitudes = draw(500, (100.0, 1.0))
    amplitudes[:, 1] += amplitudes[:, 0]
    amplitudes[7, 1] += 30  # small against the spread of mode 8, far off the line
    outliers = find_outliers(amplitudes)
    assert outliers[7]
    assert float(outliers.double().mean()) < 0.03


def test_outliers_survive_degenerate_modes_and_missing_values():
    amplitudes = draw(100, (10.0, 10.0))
    amplitudes[:, 1] = 2 * amplitudes[:, 0]
    amplitudes[3] = torch.nan
    distances = compute_mahalanobis(amplitudes)
    assert distances[3] == torch.inf
    assert distances[torch.arange(100) != 3].isfinite().all()
    assert not find_outliers(amplitudes[:1]).any()


def test_free_energy_of_a_normal_density_is_a_parabola():
    landscape = make_landscape(make_set(draw(20_000, (10.0, 5.0))), n_axes=2)
    free = compute_free_energy(landscape, n_points=41)
    grid = free.first[None, :] ** 2 / 100 + free.second[:, None] ** 2 / 25
    near = grid < 4
    assert float(free.energy.min()) == 0
    assert float((free.energy[near] - grid[near] / 2).abs().max()) < 0.35
    assert math.isclose(float(free.energy[near].max()), 2.0, abs_tol=0.35)


def test_free_energy_needs_two_axes():
    with pytest.raises(InputError, match="two axes"):
        compute_free_energy(make_landscape(make_set(draw(20, (1.0, 1.0))), n_axes=1))
