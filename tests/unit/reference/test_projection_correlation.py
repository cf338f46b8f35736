import math

import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.reference.atomic_density import AtomicDensity
from deephemnma.reference.projection_correlation import compute_projection_correlation


def make_density(positions: list[list[float]], widths: list[float]) -> AtomicDensity:
    places = torch.tensor(positions, dtype=torch.float64)
    variances = torch.tensor(widths, dtype=torch.float64).square()[:, None]
    return AtomicDensity(places, torch.ones_like(variances), variances)


@pytest.mark.parametrize("resolution", [3.0, 8.0])
def test_two_gaussians_of_one_centre(resolution: float) -> None:
    """Their projections are Gaussians; over the disc to 1/D the product of two transforms has a closed integral."""

    def integrate(variance: float) -> float:
        return (1 - math.exp(-2 * math.pi**2 * variance / resolution**2)) / variance

    narrow, wide = 1.0, 4.0
    expected = integrate(narrow + wide) / math.sqrt(integrate(2 * narrow) * integrate(2 * wide))
    first, second = make_density([[3.1, -2.2, 7.7]], [1.0]), make_density([[3.1, -2.2, 7.7]], [2.0])
    found = compute_projection_correlation(first, second, resolution=resolution)
    # 1 - correlation is what counts; the periods of so small a lattice overlap a little
    assert 1 - found == pytest.approx(1 - expected, rel=0.05)


def test_a_density_is_like_itself_whatever_its_contrast(generator: torch.Generator) -> None:
    places = 20 * torch.rand(50, 3, generator=generator, dtype=torch.float64)
    density = make_density(places.tolist(), [0.8] * 50)
    louder = AtomicDensity(density.positions, 7 * density.weights, density.variances)
    assert compute_projection_correlation(density, louder, resolution=4.0) == pytest.approx(1, abs=1e-6)


def test_the_finer_one_looks_the_less_alike(generator: torch.Generator) -> None:
    places = 20 * torch.rand(50, 3, generator=generator, dtype=torch.float64)
    moved = places + torch.randn(50, 3, generator=generator, dtype=torch.float64)
    first, second = (make_density(each.tolist(), [0.8] * 50) for each in (places, moved))
    found = [compute_projection_correlation(first, second, resolution=d) for d in (3.0, 6.0, 12.0)]
    assert 0.5 < found[0] < found[1] < found[2] < 1


def test_a_resolution_is_a_length(generator: torch.Generator) -> None:
    density = make_density([[0.0, 0, 0]], [1.0])
    with pytest.raises(InputError, match="--bead-resolution"):
        compute_projection_correlation(density, density, resolution=0.0)
