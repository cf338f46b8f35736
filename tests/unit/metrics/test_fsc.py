import math

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.structure import DensityMap
from deephemnma.metrics.fsc import ShellCurve, compute_fsc, find_crossing
from deephemnma.metrics.mask import make_envelope_mask, make_spherical_mask


def make_map(values: torch.Tensor, voxel_size: float = 1.5) -> DensityMap:
    return DensityMap(values, voxel_size, torch.zeros(3), "a test")


def make_noise(seed: int, size: int = 32) -> torch.Tensor:
    return torch.randn(size, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [32, 33])
def test_a_map_correlates_with_itself_up_to_nyquist(size):
    curve = compute_fsc(make_map(make_noise(1, size)), make_map(3 * make_noise(1, size) + 1))
    assert len(curve.frequencies) == size // 2
    torch.testing.assert_close(curve.correlation, torch.ones_like(curve.correlation), atol=1e-5, rtol=0)
    assert find_crossing(curve, 0.5) == pytest.approx(1.5 * size / (size // 2))


def test_the_curve_is_that_of_the_full_transform():
    """The half transform must count mirrored components: against a plain sum over the whole of Fourier space."""
    first, second = make_noise(2), make_noise(2) + make_noise(3)
    one, two = torch.fft.fftn(first.double()), torch.fft.fftn(second.double())
    axis = torch.fft.fftfreq(32, 1 / 32)
    shells = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt().round()
    shell = shells == 9
    wanted = (one * two.conj())[shell].real.sum() / (
        one[shell].abs().square().sum() * two[shell].abs().square().sum()
    ).sqrt()
    curve = compute_fsc(make_map(first), make_map(second))
    assert float(curve.frequencies[8]) == pytest.approx(9 / (32 * 1.5))
    assert float(curve.correlation[8]) == pytest.approx(float(wanted), abs=1e-5)


def test_signal_to_noise_gives_the_correlation_it_should():
    signal = make_noise(4, 48)
    noisy = [make_map(signal + make_noise(seed, 48)) for seed in (5, 6)]
    assert float(compute_fsc(*noisy).correlation[5:].mean()) == pytest.approx(0.5, abs=0.03)


def test_crossings_are_interpolated():
    curve = ShellCurve(torch.tensor([0.1, 0.2, 0.3]).double(), torch.tensor([0.9, 0.6, 0.2]).double())
    assert find_crossing(curve, 0.5) == pytest.approx(1 / 0.225)
    assert find_crossing(curve, 0.143) == pytest.approx(1 / 0.3)
    assert find_crossing(curve, 0.95) == math.inf


def test_a_mask_hides_what_differs_outside():
    inside = make_spherical_mask(32, radius=8.0, edge=4.0)
    first, second = (
        make_noise(7),
        make_noise(7) + 5 * (make_noise(8) * (make_spherical_mask(32, radius=12.0, edge=1.0) == 0)),
    )
    assert float(compute_fsc(make_map(first), make_map(second)).correlation.mean()) < 0.5
    assert float(compute_fsc(make_map(first), make_map(second), mask=inside).correlation.mean()) > 0.999


def test_masks_are_soft_and_as_wide_as_asked():
    sphere = make_spherical_mask(32, radius=8.0, edge=4.0)[16, 16, 16:]
    assert (sphere[:9] == 1).all()
    assert (sphere[12:] < 1e-6).all()
    assert (sphere.diff() <= 0).all()
    ball = make_map(make_spherical_mask(32, radius=5.0, edge=1e-3))
    envelope = make_envelope_mask(ball, threshold=0.5, padding=3.0, edge=3.0)[16, 16, 16:]
    assert (envelope[:8] == 1).all()
    assert (envelope[10:] < 1e-6).all()


def test_maps_on_other_grids_are_refused_with_both_sizes():
    with pytest.raises(InputError, match=r"1\.5 A.*1\.6 A"):
        compute_fsc(make_map(make_noise(1)), make_map(make_noise(1), 1.6))
    with pytest.raises(InputError, match=r"mask"):
        compute_fsc(make_map(make_noise(1)), make_map(make_noise(1)), mask=torch.ones(8, 8, 8))
