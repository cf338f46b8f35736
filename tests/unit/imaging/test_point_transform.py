"""Every way to transform points gives the sum by its definition, and what it costs in memory is bounded."""

import math

import pytest
import torch
from torch import Tensor

from deephemnma.imaging.band import Band, make_band
from deephemnma.imaging.finufft_transform import FinufftTransform
from deephemnma.imaging.point_transform import PointTransform
from deephemnma.imaging.separable_transform import SeparableTransform
from deephemnma.imaging.splat_transform import SplatTransform
from deephemnma.imaging.transform_choice import are_matrices_faster, make_point_transform

SITES, IMAGES, PAIRS = 37, 3, 2
BAND = make_band(24, 1.8)
ONE_WIDTH, MANY_WIDTHS = torch.full((SITES,), 1.2), torch.linspace(0.5, 2.5, SITES)


def make(kind: str, band: Band, widths: Tensor) -> PointTransform:
    if kind == "separable":
        return SeparableTransform(band, widths)
    return {"finufft": FinufftTransform, "splat": SplatTransform}[kind](band, widths, tolerance=1e-4)


@pytest.fixture
def points(generator) -> Tensor:
    """Some of them outside the box, as sites may be."""
    return 15 * torch.randn(IMAGES, 2, SITES, generator=generator)


@pytest.fixture
def pairs(generator) -> Tensor:
    return torch.randn(IMAGES, 2, PAIRS, SITES, generator=generator)


def sum_directly(points: Tensor, weights: Tensor, widths: Tensor) -> Tensor:
    k = BAND.frequencies.double()
    waves = torch.exp(-2j * math.pi * (points.double().mT @ k.T))
    damping = (-2 * math.pi**2 * widths.double().square()[:, None] * k.square().sum(-1)).exp()
    return weights.to(torch.complex128) @ (waves * damping)


def error(found: Tensor, wanted: Tensor) -> float:
    return float(((found - wanted).abs().square().sum(-1) / wanted.abs().square().sum(-1)).sqrt().max())


@pytest.mark.parametrize("widths", [ONE_WIDTH, MANY_WIDTHS], ids=["one width", "many widths"])
@pytest.mark.parametrize(("kind", "tolerance"), [("finufft", 5e-4), ("splat", 1e-3), ("separable", 1e-5)])
def test_a_transform_is_the_sum_over_its_points(kind, tolerance, widths, points, pairs):
    transform = make(kind, BAND, widths)
    here, there = transform.transform_pairs(points, pairs)
    weights = torch.complex(pairs[:, 0], pairs[:, 1])
    assert error(here, sum_directly(points, weights, widths)) < tolerance
    assert error(there, sum_directly(points, weights.conj(), widths)) < tolerance
    real = pairs[:, 0, 0]
    assert error(transform.transform(points, real), sum_directly(points, real[:, None], widths)[:, 0]) < tolerance


@pytest.mark.parametrize(("kind", "bound"), [("splat", "spread_at_once"), ("separable", "products_at_once")])
def test_pieces_make_the_whole(kind, bound, points, pairs):
    """However little is held at once: images one by one, and the sites of an image in parts."""
    transform = make(kind, BAND, MANY_WIDTHS)
    wanted, _ = transform.transform_pairs(points, pairs)
    for at_once in (1, 20_000, 300_000):
        setattr(transform, bound, at_once)
        found, _ = transform.transform_pairs(points, pairs)
        assert error(found, wanted) < 2e-6


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_share_the_images(threads, points, pairs):
    transform = make("finufft", BAND, ONE_WIDTH)
    wanted, _ = transform.transform_pairs(points, pairs)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found, _ = transform.transform_pairs(points, pairs)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found, wanted)


def test_the_fastest_transform_depends_on_sites_and_band():
    """Beads at low resolution are matrix products, atoms at full resolution Fourier transforms."""
    assert are_matrices_faster(n_sites=214, max_index=8, n_terms=1)
    assert are_matrices_faster(n_sites=214, max_index=63, n_terms=6)
    assert not are_matrices_faster(n_sites=1656, max_index=63, n_terms=1)
    assert not are_matrices_faster(n_sites=14_219, max_index=40, n_terms=3)
    assert isinstance(make_point_transform(make_band(128, 0.65, resolution=10.0), MANY_WIDTHS), SeparableTransform)
    atoms = torch.full((1656,), 0.44)
    assert isinstance(make_point_transform(make_band(128, 0.65), atoms), FinufftTransform)
