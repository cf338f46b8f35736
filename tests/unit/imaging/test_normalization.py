"""Backgrounds without a slope, of mean 0 and standard deviation 1."""

import torch

from deephemnma.imaging.normalization import make_background, normalize_background, subtract_ramp

BOX = 24


def make_images(generator: torch.Generator, *, level: float = 0.0) -> torch.Tensor:
    return level + torch.randn(3, BOX, BOX, generator=generator)


def make_planes() -> torch.Tensor:
    axis = torch.arange(BOX) - BOX // 2
    slopes = torch.tensor([[0.3, -0.2], [0, 0.5], [-1, 0.1]])
    return slopes[:, :1, None] * axis[:, None] + slopes[:, 1:, None] * axis + 4


def test_backgrounds_come_out_normal(generator) -> None:
    background = make_background(BOX, 9.0)
    for level in (0.0, 1e4):
        outside = normalize_background(make_images(generator, level=level), background)[:, background]
        assert torch.allclose(outside.mean(1), torch.zeros(3), atol=1e-4)
        assert torch.allclose(outside.std(1, correction=0), torch.ones(3), atol=1e-4)


def test_planes_are_taken_away_whatever_the_particle(generator) -> None:
    background = make_background(BOX, 9.0)
    images = make_images(generator)
    images[:, ~background] += 50
    flat = subtract_ramp(images, background)
    assert torch.allclose(subtract_ramp(images + make_planes(), background), flat, atol=1e-4)
    axis = (torch.arange(BOX) - BOX // 2).float()
    for plane in (torch.ones(BOX, BOX), axis[:, None].expand(BOX, BOX), axis.expand(BOX, BOX)):
        assert (flat * plane)[:, background].mean(1).abs().max() < 1e-4


def test_a_flat_background_stays_flat() -> None:
    background = make_background(BOX, 9.0)
    images = torch.full((2, BOX, BOX), 3.1)
    images[1, BOX // 2, BOX // 2] = 5.1
    found = normalize_background(images, background)
    assert found[0].abs().max() < 1e-5
    assert found[1].abs().max() < 2.1


def test_holes_stay_in_their_image(generator) -> None:
    background = make_background(BOX, 9.0)
    images = make_images(generator)
    whole = normalize_background(subtract_ramp(images, background), background)
    images[1, 0, 0] = torch.nan
    holed = normalize_background(subtract_ramp(images, background), background)
    assert torch.equal(holed[[0, 2]], whole[[0, 2]])
    assert holed[1].isnan().any()
