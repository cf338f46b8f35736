import pytest
import torch

from deephemnma.core.estimates import Estimates, Status
from deephemnma.core.particle import Poses
from deephemnma.core.rotation import make_random_rotations, rotation_from_vector
from deephemnma.metrics.calibration import compute_calibration, compute_ratio_to_bound, compute_trimmed_ratio
from deephemnma.metrics.error import compute_errors

COUNT = 4000


@pytest.fixture(scope="module")
def drawn() -> tuple[Estimates, Estimates, torch.Tensor]:
    """Truth, and estimates whose errors are drawn from the covariance they claim (8 parameters, correlated)."""
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(8, 8, generator=generator, dtype=torch.float64) / 4 + torch.eye(8, dtype=torch.float64)
    scale = torch.tensor([3.0, 3, 3, 2e-3, 2e-3, 2e-3, 0.02, 0.02], dtype=torch.float64)
    covariance = scale[:, None] * (mixing @ mixing.T) * scale
    error = torch.randn(COUNT, 8, generator=generator, dtype=torch.float64) @ torch.linalg.cholesky(covariance).T
    rotations = make_random_rotations(COUNT, generator=generator)
    common = {
        "names": tuple(str(number) for number in range(COUNT)),
        "covariance": covariance.expand(COUNT, 8, 8),
        "score": torch.zeros(COUNT, dtype=torch.float64),
        "status": (Status.CONVERGED,) * COUNT,
        "mode_numbers": (7, 8, 9),
    }
    zeros = torch.zeros(COUNT, 3, dtype=torch.float64)
    truth = Estimates(poses=Poses(rotations, zeros[:, :2]), amplitudes=zeros, **common)
    poses = Poses(rotation_from_vector(error[:, 3:6]) @ rotations, error[:, 6:])
    return Estimates(poses=poses, amplitudes=error[:, :3], **common), truth, covariance


def test_true_error_bars_cover_68_and_95_percent(drawn):
    found, truth, _ = drawn
    calibration = compute_calibration(compute_errors(found, truth))
    torch.testing.assert_close(calibration.coverage_68, torch.full((8,), 0.683).double(), atol=0.03, rtol=0)
    torch.testing.assert_close(calibration.coverage_95, torch.full((8,), 0.95).double(), atol=0.015, rtol=0)
    torch.testing.assert_close(calibration.scale, torch.ones(8).double(), atol=0.04, rtol=0)


def test_error_bars_half_as_long_show(drawn):
    found, truth, covariance = drawn
    short = Estimates(**{**vars(found), "covariance": (covariance / 4).expand(COUNT, 8, 8)})
    calibration = compute_calibration(compute_errors(short, truth))
    assert float(calibration.coverage_68.max()) < 0.45
    assert float(calibration.scale.min()) > 1.9


def test_images_without_error_bars_are_left_out(drawn):
    found, truth, covariance = drawn
    bars = covariance.repeat(COUNT, 1, 1)
    bars[10:] = torch.nan
    calibration = compute_calibration(compute_errors(Estimates(**{**vars(found), "covariance": bars}), truth))
    assert len(calibration.z_scores) == 10


def test_a_method_at_the_bound_has_ratio_one(drawn):
    found, truth, covariance = drawn
    ratios = compute_ratio_to_bound(compute_errors(found, truth), covariance.expand(COUNT, 8, 8))
    assert compute_trimmed_ratio(ratios, share=1.0) == pytest.approx(1.0, abs=0.02)
    assert float((ratios < 1.58).double().mean()) == pytest.approx(0.99, abs=0.005)


def test_the_ratio_is_in_units_of_the_bound_and_failures_can_be_trimmed(drawn):
    found, truth, covariance = drawn
    bound = (covariance / 9).repeat(COUNT, 1, 1)
    amplitudes = found.amplitudes.clone()
    amplitudes[:20] += 1e4
    errors = compute_errors(Estimates(**{**vars(found), "amplitudes": amplitudes}), truth)
    ratios = compute_ratio_to_bound(errors, bound)
    assert compute_trimmed_ratio(ratios, share=0.99) == pytest.approx(3.0, abs=0.06)
    assert compute_trimmed_ratio(ratios, share=1.0) > 30


def test_an_image_without_a_result_is_infinitely_far(drawn):
    found, truth, covariance = drawn
    amplitudes = found.amplitudes.clone()
    amplitudes[0] = torch.nan
    errors = compute_errors(Estimates(**{**vars(found), "amplitudes": amplitudes}), truth)
    ratios = compute_ratio_to_bound(errors, covariance.expand(COUNT, 8, 8))
    assert ratios[0] == torch.inf
    assert ratios[1:].isfinite().all()
