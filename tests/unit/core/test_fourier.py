import math

import pytest
import torch

from deephemnma.core.fourier import (
    choose_box_size,
    fourier_crop,
    fourier_transform,
    inverse_fourier_transform,
    make_frequencies,
    make_shell_indices,
)


@pytest.mark.parametrize("box_size", [8, 9])
def test_transform_is_inverted(box_size, generator):
    images = torch.randn(3, box_size, box_size, generator=generator)
    back = inverse_fourier_transform(fourier_transform(images), box_size=box_size)
    torch.testing.assert_close(back, images, atol=1e-5, rtol=0)


@pytest.mark.parametrize("box_size", [8, 9])
def test_a_point_at_the_centre_has_no_phase(box_size):
    image = torch.zeros(box_size, box_size)
    image[box_size // 2, box_size // 2] = 1
    transform = fourier_transform(image)
    torch.testing.assert_close(transform, torch.full_like(transform, 1 / box_size))


@pytest.mark.parametrize("box_size", [8, 9])
def test_a_move_along_x_turns_phases_by_the_frequency_along_x(box_size):
    pixel_size = 1.7
    image = torch.zeros(box_size, box_size)
    image[box_size // 2, box_size // 2 + 1] = 1
    frequencies = make_frequencies(box_size, pixel_size)
    wanted = torch.exp(-2j * math.pi * frequencies[..., 0] * pixel_size) / box_size
    torch.testing.assert_close(fourier_transform(image), wanted, atol=1e-6, rtol=0)


def test_white_noise_has_its_variance_as_power(generator):
    noise = 2 * torch.randn(64, 32, 32, generator=generator)
    assert float(fourier_transform(noise).abs().square().mean()) == pytest.approx(4, rel=0.03)


def test_frequencies_reach_nyquist():
    frequencies = make_frequencies(8, 2.0)
    assert frequencies.shape == (8, 5, 2)
    assert frequencies[0, :, 0].tolist() == pytest.approx([0, 1 / 16, 2 / 16, 3 / 16, 4 / 16])
    assert frequencies[:, 0, 1].abs().max() == 1 / 4


def test_shells_are_radii_in_fourier_pixels():
    shells = make_shell_indices(8)
    assert shells[0].tolist() == [0, 1, 2, 3, 4]
    assert shells[-1, 1] == 1
    assert shells[3, 4] == 5


@pytest.mark.parametrize(("source", "target"), [(32, 16), (32, 15), (31, 16), (31, 15), (33, 32)])
def test_cropping_keeps_grey_values_and_places(source, target):
    # A broad Gaussian off the centre: its samples must be the same, whatever the grid.
    def make_gaussian(box_size: int) -> torch.Tensor:
        at = (torch.arange(box_size, dtype=torch.float64) - box_size // 2) * (source / box_size)
        return torch.exp(-((at[:, None] - 1) ** 2 + (at[None] + 2) ** 2) / (2 * 3.0**2))

    cropped = fourier_crop(fourier_transform(make_gaussian(source)), box_size=target)
    found = inverse_fourier_transform(cropped, box_size=target)
    torch.testing.assert_close(found, make_gaussian(target), atol=2e-3, rtol=0)


def test_cropping_empties_the_nyquist_components_of_an_even_box(generator):
    cropped = fourier_crop(fourier_transform(torch.randn(16, 16, generator=generator)), box_size=8)
    assert cropped[4].abs().max() == 0
    assert cropped[:, 4].abs().max() == 0
    assert cropped[3, 3].abs() > 0


def test_cropping_to_the_same_size_changes_nothing(generator):
    transform = fourier_transform(torch.randn(8, 8, generator=generator))
    assert fourier_crop(transform, box_size=8) is transform


def test_cropping_cannot_enlarge(generator):
    with pytest.raises(ValueError, match="cannot crop"):
        fourier_crop(fourier_transform(torch.randn(8, 8, generator=generator)), box_size=9)


def test_box_sizes_are_even_and_quick_to_transform():
    found = [choose_box_size(least) for least in (2, 7, 13, 60, 61, 97, 200)]
    assert found == [2, 8, 16, 60, 64, 100, 200]
