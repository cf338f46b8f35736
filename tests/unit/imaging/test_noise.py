"""Noise: drawn, resampled, estimated behind a particle."""

from dataclasses import replace

import pytest
import torch

from deephemnma.core.fourier import fourier_crop, fourier_transform, inverse_fourier_transform, make_shell_indices
from deephemnma.core.particle import ImageSource, Optics
from deephemnma.imaging.noise import NoiseModel, compute_radial_mean, make_white_noise
from deephemnma.imaging.noise_estimation import estimate_noise

BOX, PIXEL = 32, 2.0


class Stack(ImageSource):
    """Images in memory."""

    def __init__(self, images: torch.Tensor, optics: Optics | None = None) -> None:
        self.images, self._optics = images, optics

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{number:06d}@a.mrcs" for number in range(len(self.images)))

    @property
    def box_size(self) -> int:
        return self.images.shape[-1]

    @property
    def pixel_size(self) -> float:
        return PIXEL

    @property
    def optics(self) -> Optics | None:
        return self._optics

    def __getitem__(self, ids):
        return self.images[ids]


def make_coloured_noise(box_size: int = BOX) -> NoiseModel:
    shells = torch.arange(int(make_shell_indices(box_size).max()) + 1)
    return NoiseModel(0.5 + 2.0 * (-shells / 8.0).exp(), box_size, PIXEL)


def make_optics(group: torch.Tensor) -> Optics:
    ones = torch.ones(len(group), dtype=torch.float64)
    return Optics(300 * ones, 2.7 * ones, 0.1 * ones, 9000 * ones, 8000 * ones, 0 * ones, 0 * ones, group=group)


def measure_power(images: torch.Tensor) -> torch.Tensor:
    return compute_radial_mean(fourier_transform(images).abs().square().mean(0))


def make_particle(radius_pixels: float) -> torch.Tensor:
    axis = torch.arange(BOX) - BOX // 2
    return 5.0 * (torch.hypot(axis[:, None].float(), axis.float()) < radius_pixels)


@pytest.mark.parametrize("box_size", [31, 32])
def test_drawn_noise_has_the_power_asked_for(box_size, generator):
    noise = make_coloured_noise(box_size)
    images = noise.draw(3000, generator=generator)
    ratio = measure_power(images) / noise.power
    # Shell 0 is one real number: it scatters by sqrt(2 / 3000) = 0.026.
    torch.testing.assert_close(ratio, torch.ones_like(ratio), atol=0.08, rtol=0)
    assert images.dtype == torch.float32


def test_noise_before_the_ctf_has_passed_through_it(generator):
    """Each image through a CTF of its own; cropping keeps both parts."""
    noise = replace(make_coloured_noise(), structural=torch.linspace(4.0, 1.0, len(make_coloured_noise().power)))
    ctf = torch.stack((torch.zeros(BOX, BOX // 2 + 1), torch.full((BOX, BOX // 2 + 1), -0.5)))
    rows = torch.arange(6000) % 2
    images = noise.draw(6000, generator=generator, ctf=ctf[rows])
    for row, share in ((0, 0.0), (1, 0.25)):
        wanted = noise.power + share * noise.structural
        ratio = (measure_power(images[rows == row]) / wanted)[1:]  # shell 0 is one number: it scatters most
        torch.testing.assert_close(ratio, torch.ones_like(ratio), atol=0.08, rtol=0)
    small = noise.resample(16)
    torch.testing.assert_close(small.structural / small.power, (noise.structural / noise.power)[: len(small.power)])


def test_without_a_ctf_there_is_no_noise_before_it():
    noise = make_coloured_noise()
    structured = replace(noise, structural=noise.power)
    first, second = (each.draw(2, generator=torch.Generator().manual_seed(1)) for each in (noise, structured))
    assert torch.equal(first, second)


def test_white_noise_has_its_variance(generator):
    images = make_white_noise(3.0, box_size=BOX, pixel_size=PIXEL).draw(100, generator=generator)
    assert float(images.var()) == pytest.approx(3.0, rel=0.02)


def test_the_same_seed_draws_the_same_noise():
    noise = make_coloured_noise()
    first, second = (noise.draw(2, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("box_size", [16, 20, 21])
def test_resampled_noise_is_that_of_cropped_images(box_size, generator):
    noise = make_coloured_noise()
    cropped = fourier_crop(fourier_transform(noise.draw(1000, generator=generator)), box_size=box_size)
    small = noise.resample(box_size)
    inside = slice(1, (box_size - 1) // 2)
    measured = compute_radial_mean(cropped.abs().square().mean(0))
    ratio = measured[inside] / small.power[inside]
    torch.testing.assert_close(ratio, torch.ones_like(ratio), atol=0.1, rtol=0)
    assert small.box_size * small.pixel_size == pytest.approx(BOX * PIXEL)
    assert len(small.power) == int(make_shell_indices(box_size).max()) + 1


@pytest.mark.parametrize("coloured", [False, True], ids=["white", "coloured"])
def test_estimated_noise_is_that_behind_the_particle(coloured, generator):
    noise = make_coloured_noise() if coloured else make_white_noise(1.5, box_size=BOX, pixel_size=PIXEL)
    images = noise.draw(600, generator=generator) + make_particle(9)
    found = estimate_noise(Stack(images), radius=9 * PIXEL, n_images=600)
    ratio = found.power[2:] / noise.power[2:]
    assert float((ratio - 1).abs().max()) < (0.25 if coloured else 0.12)
    assert float(ratio[3:].mean()) == pytest.approx(1.0, abs=0.03)
    assert found.box_size == BOX
    assert found.pixel_size == PIXEL


def test_noise_is_told_apart_between_optics_groups(generator):
    """One group four times as strong, one of another colour, one too small to be measured."""
    white = make_white_noise(1.0, box_size=BOX, pixel_size=PIXEL)
    coloured = make_coloured_noise()
    drawn = [
        2 * white.draw(60, generator=generator),
        coloured.draw(60, generator=generator),
        white.draw(2, generator=generator),
    ]
    group = torch.repeat_interleave(torch.arange(3), torch.tensor([60, 60, 2]))
    found = estimate_noise(Stack(torch.cat(drawn) + make_particle(9), make_optics(group)), radius=9 * PIXEL)
    shells = torch.arange(len(white.power))
    measured = found.compute_power(shells, None, group=torch.tensor([0, 1, 2, 7]))
    assert float((measured[0, 2:] / 4 - 1).abs().max()) < 0.25
    assert float((measured[1, 2:] / coloured.power[2:] - 1).abs().max()) < 0.3
    for unmeasured in measured[2:]:
        torch.testing.assert_close(unmeasured, found.power.float())
    whitened = drawn[0].var() / measured[0, 3:].mean()
    assert float(whitened) == pytest.approx(1.0, rel=0.04)


def test_a_particle_inside_the_radius_does_not_count(generator):
    noise = make_white_noise(1.0, box_size=BOX, pixel_size=PIXEL).draw(200, generator=generator)
    empty = estimate_noise(Stack(noise), radius=20.0)
    full = estimate_noise(Stack(noise + 100 * make_particle(9)), radius=20.0)
    torch.testing.assert_close(full.power, empty.power, rtol=1e-3, atol=0)
    spoilt = estimate_noise(Stack(noise + 100 * make_particle(9)), radius=8.0)
    assert float(spoilt.power[3]) > 10 * float(empty.power[3])


def test_images_with_nan_do_not_count(generator):
    noise = make_white_noise(1.0, box_size=BOX, pixel_size=PIXEL).draw(64, generator=generator)
    # The last block holds nothing else.
    holed = torch.cat((noise, torch.full((3, BOX, BOX), torch.nan)))
    first, second = (estimate_noise(Stack(images), radius=20.0, block_size=32) for images in (noise, holed))
    torch.testing.assert_close(first.power, second.power)


def test_a_particle_larger_than_the_box_leaves_the_corners(generator):
    noise = make_white_noise(1.0, box_size=BOX, pixel_size=PIXEL).draw(400, generator=generator)
    found = estimate_noise(Stack(noise), radius=1000.0, n_images=400)
    assert float(found.power[3:].mean()) == pytest.approx(1.0, abs=0.05)


def test_a_drawn_image_has_power_in_every_shell():
    """The transform back of coloured noise is real: its own transform gives the same power."""
    noise = make_coloured_noise()
    image = noise.draw(1, generator=torch.Generator().manual_seed(1))
    again = inverse_fourier_transform(fourier_transform(image), box_size=BOX)
    torch.testing.assert_close(image, again, atol=1e-5, rtol=0)
    assert float(measure_power(image).min()) > 0
