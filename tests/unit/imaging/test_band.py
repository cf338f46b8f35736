"""Bands: which components take part, and that each counts once."""

import pytest
import torch

from deephemnma.core.fourier import fourier_transform, inverse_fourier_transform
from deephemnma.imaging.band import make_band

BOXES = pytest.mark.parametrize("box_size", [16, 17])


def draw_components(n_components: int, generator: torch.Generator, count: int = 3) -> torch.Tensor:
    return torch.complex(
        torch.randn(count, n_components, generator=generator), torch.randn(count, n_components, generator=generator)
    )


@BOXES
def test_what_is_embedded_comes_back(box_size, generator):
    """Through a real image, so the embedded transform is that of one, and no component aliases another."""
    band = make_band(box_size, 2.0)
    components = draw_components(band.n_components, generator)
    images = inverse_fourier_transform(band.embed(components), box_size=box_size)
    torch.testing.assert_close(band.extract(fourier_transform(images)), components, atol=1e-5, rtol=0)
    assert float(images.mean((1, 2)).abs().max()) < 1e-6


@BOXES
def test_components_are_half_of_the_power_of_the_image(box_size, generator):
    band = make_band(box_size, 2.0)
    components = draw_components(band.n_components, generator)
    images = inverse_fourier_transform(band.embed(components), box_size=box_size)
    torch.testing.assert_close(images.square().sum((1, 2)), 2 * components.abs().square().sum(1))


@BOXES
def test_embedding_is_the_adjoint_of_extracting(box_size, generator):
    """Up to the factor 2 of a half plane: <image, embed c> = 2 Re <extract image, c>."""
    band = make_band(box_size, 2.0)
    components = draw_components(band.n_components, generator)
    images = torch.randn(3, box_size, box_size, generator=generator)
    left = (images * inverse_fourier_transform(band.embed(components), box_size=box_size)).sum((1, 2))
    right = 2 * (band.extract(fourier_transform(images)).conj() * components).real.sum(1)
    torch.testing.assert_close(left, right, atol=1e-4, rtol=1e-4)


@BOXES
def test_components_of_white_noise_are_independent(box_size, generator):
    """Real and imaginary parts of all components are uncorrelated and of equal variance: none is counted twice."""
    band = make_band(box_size, 2.0, resolution=8.0)
    noise = torch.randn(20_000, box_size, box_size, generator=generator)
    parts = torch.view_as_real(band.extract(fourier_transform(noise))).flatten(1)
    covariance = parts.T @ parts / len(parts)
    torch.testing.assert_close(covariance, 0.5 * torch.eye(len(covariance)), atol=0.03, rtol=0)


@BOXES
def test_a_band_is_the_disc_below_its_resolution(box_size):
    band = make_band(box_size, 2.0, resolution=7.0)
    k = band.frequencies.norm(dim=-1)
    assert float(k.max()) <= 1 / 7
    everywhere = make_band(box_size, 2.0)
    disc = everywhere.frequencies.norm(dim=-1) * box_size * 2.0 <= band.max_index + 1e-4
    assert band.n_components == int(disc.sum())
    assert float(k.min()) > 0


def test_a_band_stays_below_nyquist():
    assert make_band(16, 2.0, resolution=0.1).max_index == 7
    assert make_band(17, 2.0, resolution=0.1).max_index == 8
    assert make_band(16, 2.0, resolution=1e6).max_index == 1


def test_shells_and_frequencies_tell_the_same_radius():
    band = make_band(20, 1.5)
    radius = band.frequencies.norm(dim=-1) * 20 * 1.5
    torch.testing.assert_close(band.shells.float(), radius, atol=0.501, rtol=0)
