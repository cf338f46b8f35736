"""Resampling is exact for band-limited images, whatever the boxes and the ratio of the pixels."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deephemnma.core.fourier import fourier_crop, fourier_transform, inverse_fourier_transform
from deephemnma.imaging.resampling import make_resampling_matrix, resample_images

WIDTH = 60.0


def sample_waves(box: int, pixel: float, *, highest: int, width: float, seed: int) -> torch.Tensor:
    """Sample a sum of waves of period `width` with up to `highest` turns along each axis, about the centre."""
    generator = torch.Generator().manual_seed(seed)
    turns = torch.arange(-highest, highest + 1, dtype=torch.float64)
    amplitudes = torch.randn(2, 2 * highest + 1, 2 * highest + 1, generator=generator, dtype=torch.float64)
    axis = (torch.arange(box, dtype=torch.float64) - box // 2) * pixel
    phases = torch.exp(2j * math.pi * axis[:, None] * turns / width)
    return (phases @ torch.complex(*amplitudes) @ phases.T).real.float() / (2 * highest + 1)


def resample(image: torch.Tensor, pixel: float, new_box: int, new_pixel: float) -> torch.Tensor:
    matrix = make_resampling_matrix(image.shape[-1], pixel, new_box_size=new_box, new_pixel_size=new_pixel)
    return resample_images(image[None], matrix)[0]


@settings(deadline=None, max_examples=40)
@given(
    box=st.integers(16, 49),
    new_box=st.integers(8, 60),
    ratio=st.floats(0.4, 3.0),
    fill=st.floats(0.1, 1.0),
    seed=st.integers(0, 99),
)
def test_what_both_grids_can_hold_is_sampled_exactly(box, new_box, ratio, fill, seed) -> None:
    pixel, new_pixel = WIDTH / box, WIDTH / box * ratio
    highest = min((box - 1) // 2, math.ceil(WIDTH / (2 * new_pixel) - 1e-6) - 1)
    waves = {"highest": max(0, int(fill * highest)), "width": WIDTH, "seed": seed}
    found = resample(sample_waves(box, pixel, **waves), pixel, new_box, new_pixel)
    torch.testing.assert_close(found, sample_waves(new_box, new_pixel, **waves), atol=2e-4, rtol=0)


@settings(deadline=None, max_examples=40)
@given(box=st.integers(16, 49), ratio=st.floats(1.05, 3.0), seed=st.integers(0, 99))
def test_what_the_new_grid_cannot_hold_is_gone(box, ratio, seed) -> None:
    pixel, new_box = WIDTH / box, max(4, int(box / ratio))
    limit = WIDTH / (2 * pixel * ratio)
    image = sample_waves(box, pixel, highest=(box - 1) // 2, width=WIDTH, seed=seed)
    transforms = torch.fft.fft2(image.double())
    turns = torch.fft.fftfreq(box, 1 / box).abs()
    inside = (turns[:, None] < limit - 1e-6) & (turns[None] < limit - 1e-6)
    kept = torch.fft.ifft2(transforms * inside).real.float()
    found, wanted = (resample(each, pixel, new_box, pixel * ratio) for each in (image, kept))
    torch.testing.assert_close(found, wanted, atol=2e-4, rtol=0)


@settings(deadline=None, max_examples=40)
@given(box=st.integers(16, 49), data=st.data())
def test_it_is_a_fourier_crop_where_the_field_of_view_stays(box, data) -> None:
    new_box = data.draw(st.integers(8, box - 1))
    image = torch.randn(1, box, box, generator=torch.Generator().manual_seed(box))
    cropped = inverse_fourier_transform(fourier_crop(fourier_transform(image), box_size=new_box), box_size=new_box)
    found = resample(image[0], 1.3, new_box, 1.3 * box / new_box)
    torch.testing.assert_close(found, cropped[0], atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=40)
@given(box=st.integers(20, 49), new_box=st.integers(12, 20), shift=st.floats(-3, 3), widen=st.floats(1.0, 1.1))
def test_the_centre_stays_at_half_the_box(box, new_box, shift, widen) -> None:
    new_pixel = widen * max(1.0, 0.6 * box / new_box)

    def draw_spot(size: int, pixel: float) -> torch.Tensor:
        axis = (torch.arange(size) - size // 2) * pixel
        return (-(axis[:, None] ** 2 + (axis[None] - shift) ** 2) / (2 * (1.1 * new_pixel) ** 2)).exp()

    found = resample(draw_spot(box, 1.0), 1.0, new_box, new_pixel)
    torch.testing.assert_close(found, draw_spot(new_box, new_pixel), atol=0.01, rtol=0)


@pytest.mark.parametrize(("box", "new_box"), [(16, 12), (17, 12), (16, 11), (17, 11)])
def test_pixels_that_stay_are_taken_as_they_are(box, new_box) -> None:
    image = torch.randn(box, box)
    first = box // 2 - new_box // 2
    found = resample(image, 1.3, new_box, 1.3 + 1e-7)
    assert torch.equal(found, image[first : first + new_box, first : first + new_box])


def test_grey_values_keep_their_scale_and_holes_stay_in_their_image() -> None:
    images = torch.full((3, 30, 30), 2.5)
    images[1, 4, 5] = torch.nan
    found = resample_images(images, make_resampling_matrix(30, 1.0, new_box_size=13, new_pixel_size=2.2))
    assert torch.allclose(found[[0, 2]], torch.tensor(2.5), atol=1e-5)
    assert found[1].isnan().any()
