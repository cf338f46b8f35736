import math

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.estimates import Estimates, Status, make_estimates
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import make_random_rotations, rotation_from_vector
from deephemnma.metrics.displacement import compute_amplitude_rmsd, compute_rotation_rmsd
from deephemnma.metrics.summary import FailureRule, compare_estimates

N_SITES = 1656


def make_truth(count: int = 50, seed: int = 0) -> Estimates:
    generator = torch.Generator().manual_seed(seed)
    return make_estimates(
        names=tuple(f"{number:06d}@a.mrcs" for number in range(count)),
        poses=Poses(
            make_random_rotations(count, generator=generator),
            torch.randn(count, 2, generator=generator, dtype=torch.float64),
        ),
        amplitudes=100 * torch.randn(count, 3, generator=generator, dtype=torch.float64),
        mode_numbers=(7, 8, 9),
        status=Status.GIVEN,
    )


def disturb(truth: Estimates, *, amplitudes=0.0, turn=0.0, shift=0.0) -> Estimates:
    vector = torch.tensor([turn, 0.0, 0.0], dtype=torch.float64)
    return make_estimates(
        names=truth.names,
        poses=Poses(rotation_from_vector(vector) @ truth.poses.rotations, truth.poses.shifts + shift),
        amplitudes=truth.amplitudes + torch.as_tensor(amplitudes, dtype=torch.float64),
        mode_numbers=truth.mode_numbers,
        status=Status.PREDICTED,
    )


def test_known_errors_come_back():
    truth = make_truth()
    found = disturb(truth, amplitudes=[3.0, -4.0, 12.0], turn=0.03, shift=0.2)
    summary = compare_estimates(found, truth, n_sites=N_SITES)
    assert [spread.mean for spread in summary.amplitudes] == pytest.approx([3, 4, 12])
    assert summary.amplitude.mean == pytest.approx(19 / 3)
    assert summary.geodesic_angle.median == pytest.approx(0.03)
    assert summary.shift.percentile_90 == pytest.approx(0.2)
    assert summary.shift_rmsd.mean == pytest.approx(0.2 * math.sqrt(2))
    assert summary.amplitude_rmsd.mean == pytest.approx(13 / math.sqrt(N_SITES))
    assert summary.n_failed == 0


def test_images_are_matched_by_name_not_by_row():
    truth = make_truth()
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))[:30]
    summary = compare_estimates(disturb(truth, amplitudes=1.0).select(order), truth, n_sites=N_SITES)
    assert summary.n_images == 30
    assert summary.amplitude.mean == pytest.approx(1.0)


def test_rmsd_is_that_of_displaced_coordinates():
    generator = torch.Generator().manual_seed(2)
    positions = 15 * torch.randn(200, 3, generator=generator, dtype=torch.float64)
    positions -= positions.mean(0)
    modes = torch.linalg.qr(torch.randn(600, 3, generator=generator, dtype=torch.float64))[0].T.reshape(3, 200, 3)
    change = torch.tensor([[5.0, -2.0, 9.0]], dtype=torch.float64)
    moved = torch.einsum("im,msx->isx", change, modes)
    direct = moved.square().sum(-1).mean(-1).sqrt()
    torch.testing.assert_close(compute_amplitude_rmsd(change, n_sites=200), direct)

    first, second = (make_random_rotations(4, generator=generator) for _ in range(2))
    direct = (positions @ first.mT - positions @ second.mT).square().sum(-1).mean(-1).sqrt()
    torch.testing.assert_close(compute_rotation_rmsd(first, second, positions=positions), direct)


@pytest.mark.shared_data
def test_the_papers_table_2_follows_from_its_table_1(shared_data):
    """2.5 deg between the axes are 0.9 A for adenylate kinase (radius of gyration 19 A)."""
    lines = (shared_data / "structures" / "4ake_chainA.pdb").read_text().splitlines()
    atoms = [line for line in lines if line.startswith("ATOM") and line[76:78].strip() != "H"]
    positions = torch.tensor([[float(atom[30 + 8 * a : 38 + 8 * a]) for a in range(3)] for atom in atoms]).double()
    positions -= positions.mean(0)
    generator = torch.Generator().manual_seed(3)
    axes = torch.nn.functional.normalize(torch.randn(2000, 3, generator=generator, dtype=torch.float64), dim=-1)
    turned = rotation_from_vector(axes * math.radians(2.5) * 4 / math.pi)
    rmsd = compute_rotation_rmsd(turned, torch.eye(3, dtype=torch.float64).expand(2000, 3, 3), positions=positions)
    assert float(rmsd.mean()) == pytest.approx(0.9, abs=0.05)


def test_without_a_bound_failures_go_by_angle_and_displacement():
    truth = make_truth()
    assert compare_estimates(disturb(truth, turn=math.radians(2.9)), truth, n_sites=N_SITES).n_failed == 0
    assert compare_estimates(disturb(truth, turn=math.radians(3.1)), truth, n_sites=N_SITES).failure_rate == 1
    assert compare_estimates(disturb(truth, amplitudes=[42.0, 0, 0]), truth, n_sites=N_SITES).failure_rate == 1
    lax = FailureRule(displacement=2.0)
    assert compare_estimates(disturb(truth, amplitudes=[42.0, 0, 0]), truth, n_sites=N_SITES, rule=lax).n_failed == 0


def test_with_a_bound_failures_are_five_standard_deviations_off():
    truth = make_truth()
    bound = torch.tensor([1.0, 1.0, 1.0, 0.002, 0.002, 0.002, 0.02, 0.02]).double().expand(50, 8).clone()
    bound[0] *= 2
    found = disturb(truth, amplitudes=[6.0, 0.0, 0.0])
    order = torch.arange(49, -1, -1)
    summary = compare_estimates(found.select(order), truth, n_sites=N_SITES, bound_sd=bound)
    assert summary.n_failed == 49


def test_an_image_without_a_result_is_a_failure_and_not_in_the_means():
    truth = make_truth()
    found = disturb(truth, amplitudes=2.0)
    found.amplitudes[3] = torch.nan
    summary = compare_estimates(found, truth, n_sites=N_SITES)
    assert summary.n_images == 50
    assert summary.n_failed == summary.n_unnoticed == 1
    assert summary.amplitude.mean == pytest.approx(2.0)


def test_a_failure_with_a_status_is_noticed():
    truth = make_truth(2)
    found = disturb(truth, turn=1.0)
    found = Estimates(**{**vars(found), "status": (Status.REJECTED, Status.CONVERGED)})
    summary = compare_estimates(found, truth, n_sites=N_SITES)
    assert (summary.n_failed, summary.n_unnoticed) == (2, 1)


def test_other_modes_other_images_and_doubles_are_refused():
    truth = make_truth()
    other = Estimates(**{**vars(truth), "mode_numbers": (7, 8, 10)})
    with pytest.raises(InputError, match=r"same modes.*10"):
        compare_estimates(other, truth, n_sites=N_SITES)
    renamed = Estimates(**{**vars(truth), "names": tuple(f"b{name}" for name in truth.names)})
    with pytest.raises(InputError, match="no image in common"):
        compare_estimates(renamed, truth, n_sites=N_SITES)
    with pytest.raises(InputError, match="more than once"):
        compare_estimates(truth.select(torch.tensor([1, 1])), truth, n_sites=N_SITES)


def test_a_symmetric_body_is_compared_modulo_its_group():
    truth = make_truth()
    flipped = Estimates(
        **{
            **vars(truth),
            "poses": Poses(
                truth.poses.rotations @ torch.diag(torch.tensor([-1.0, -1, 1])).double(), truth.poses.shifts
            ),
        }
    )
    assert compare_estimates(flipped, truth, n_sites=N_SITES).failure_rate == 1
    assert compare_estimates(flipped, truth, n_sites=N_SITES, symmetry="D2").n_failed == 0
