import math
from pathlib import Path

import numpy as np
import pytest
import torch
from reference_maps import make_map
from scipy import ndimage

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.core.structure import DensityMap
from deephemnma.io.density import read_map
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.reference.pseudoatom import BLUR, make_pseudoatoms
from deephemnma.reference.region import compute_threshold, find_molecule

ORIGIN = torch.tensor([-5.0, 1.0, 2.0], dtype=torch.float64)


def make_blob(*, n_sites: int = 60, shape: tuple[int, int, int] = (40, 40, 40)) -> DensityMap:
    """A lump of protein-like density of 4 A Gaussians, 3 A voxels."""
    generator = torch.Generator().manual_seed(11)
    model = GaussianModel(
        positions=11 * torch.randn(n_sites, 3, generator=generator, dtype=torch.float64),
        weights=torch.full((n_sites,), 500.0, dtype=torch.float64),
        widths=torch.full((n_sites,), 4.0, dtype=torch.float64),
        center=torch.tensor([55.0, 57.0, 59.0], dtype=torch.float64),
    )
    return make_map(model, shape=shape, voxel_size=3.0, origin=ORIGIN)


def measure_error(model: GaussianModel, density: DensityMap) -> float:
    """Relative error over the whole box through the same blur, from whole Gaussians."""
    remade = make_map(
        model, shape=tuple(density.values.shape), voxel_size=density.voxel_size, origin=density.origin
    ).values.numpy()
    values = density.values.numpy().clip(min=0)
    blur = BLUR * float(model.widths[0]) / density.voxel_size
    difference, blurred = ndimage.gaussian_filter(remade - values, blur), ndimage.gaussian_filter(values, blur)
    return float(np.linalg.norm(difference) / np.linalg.norm(blurred))


@pytest.mark.parametrize("shape", [(44, 40, 42), (43, 41, 45)])
def test_known_gaussians_are_recovered(five: GaussianModel, shape: tuple[int, int, int]) -> None:
    density = make_map(five, shape=shape, voxel_size=1.5, origin=ORIGIN)
    model = make_pseudoatoms(density, width=3.0, target_error=0.03, threshold=0.05)
    middle = torch.tensor([shape[2] // 2, shape[1] // 2, shape[0] // 2], dtype=torch.float64)
    assert torch.allclose(model.center, ORIGIN + 1.5 * middle)
    found = model.positions + model.center
    distances = torch.cdist(five.positions + five.center, found)
    nearest = distances.argmin(dim=1)
    assert distances.amin(dim=1).max() < 0.15
    assert torch.allclose(model.weights[nearest], five.weights, rtol=0.1)
    assert model.weights.sum() == pytest.approx(float(five.weights.sum()), rel=0.03)
    assert (model.widths == 3.0).all()


@pytest.mark.parametrize("target_error", [0.15, 0.05, 0.03])
def test_the_error_wanted_is_reached_and_costs_gaussians(target_error: float) -> None:
    density = make_blob()
    model = make_pseudoatoms(density, target_error=target_error, threshold=0.03 * float(density.values.max()))
    assert measure_error(model, density) < target_error + 0.01  # the molecule ends where the density sinks to 3 %
    assert (model.weights > 0).all()
    if target_error == 0.15:
        finer = make_pseudoatoms(density, target_error=0.04, threshold=0.03 * float(density.values.max()))
        assert finer.n_sites > model.n_sites


def test_same_map_same_digits() -> None:
    density = make_blob()
    first, second = make_pseudoatoms(density), make_pseudoatoms(density)
    assert torch.equal(first.positions, second.positions)
    assert torch.equal(first.weights, second.weights)


def test_wide_gaussians_are_fitted_on_a_thinner_grid() -> None:
    """At 5 voxels the grid keeps every sixth voxel; position and mass must not suffer."""
    generator = torch.Generator().manual_seed(2)
    truth = GaussianModel(
        positions=12 * torch.randn(6, 3, generator=generator, dtype=torch.float64),
        weights=torch.full((6,), 100.0, dtype=torch.float64),
        widths=torch.full((6,), 5.0, dtype=torch.float64),
        center=torch.tensor([36.0, 35.5, 37.2], dtype=torch.float64),
    )
    density = make_map(truth, shape=(72, 72, 72), voxel_size=1.0, origin=torch.zeros(3, dtype=torch.float64))
    model = make_pseudoatoms(density, width=5.0, threshold=0.02 * float(density.values.max()), target_error=0.04)
    mean = (model.weights[:, None] * (model.positions + model.center)).sum(dim=0) / model.weights.sum()
    assert torch.allclose(mean, truth.positions.mean(dim=0) + truth.center, atol=0.2)
    assert model.weights.sum() == pytest.approx(600, rel=0.05)
    assert measure_error(model, density) < 0.06


def test_too_many_sites_make_them_wider() -> None:
    density = make_blob()
    few = make_pseudoatoms(density, max_sites=60, target_error=0.1)
    assert few.n_sites <= 60
    assert few.widths[0] > 3.0


def test_pseudoatoms_have_modes() -> None:
    model = make_pseudoatoms(make_blob())
    modes = compute_modes(model.positions, n_modes=9)
    assert (modes.eigenvalues[6:] > 0).all()


def test_noise_is_told_from_a_map() -> None:
    """An error that cannot be reached comes with the one that was."""
    noise = torch.rand(24, 24, 24, generator=torch.Generator().manual_seed(0))
    density = DensityMap(noise, 2.0, torch.zeros(3, dtype=torch.float64), "noise.mrc")
    with pytest.raises(InputError, match=r"represent noise.mrc with an error of 0\.\d+ at best, not 0.01.*--target"):
        make_pseudoatoms(density, target_error=0.01)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target_error": 0.0}, "--target-error"),
        ({"target_error": 1.5}, "--target-error"),
        ({"width": 0.3}, "half a voxel"),
        ({"max_sites": 1}, "max_sites"),
        ({"threshold": 1e9}, "No voxel of made_up.mrc"),
        ({"threshold": -1.0}, "positive threshold"),
    ],
)
def test_options_out_of_range_are_refused(five: GaussianModel, options: dict, words: str) -> None:
    density = make_map(five, shape=(40, 40, 40), voxel_size=1.5, origin=ORIGIN)
    with pytest.raises(InputError, match=words):
        make_pseudoatoms(density, **options)


def test_otsu_parts_two_populations() -> None:
    generator = np.random.default_rng(0)
    values = np.concatenate((generator.normal(0, 1, 9000), generator.normal(10, 1, 1000))).reshape(10, 10, 100)
    assert 3 < compute_threshold(values) < 7


def test_dust_is_left_out() -> None:
    values = np.zeros((20, 20, 20), dtype=np.float32)
    values[5:12, 5:12, 5:12] = 1
    values[16, 16, 16] = 1
    molecule = find_molecule(values, threshold=0.5)
    assert molecule.sum() == 7**3
    assert not molecule[16, 16, 16]


@pytest.mark.shared_data
def test_beta_galactosidase(shared_data: Path) -> None:
    density = read_map(shared_data / "maps" / "beta_galactosidase_3.54A.mrc")
    model = make_pseudoatoms(density)
    assert 500 < model.n_sites < 2000
    assert torch.allclose(model.center, density.origin + 50 * density.voxel_size)
    values = density.values.numpy()
    molecule = find_molecule(values, threshold=compute_threshold(values))
    spots = ((model.positions + model.center - density.origin) / density.voxel_size).round().long()
    near = ndimage.distance_transform_edt(~molecule)[spots[:, 2], spots[:, 1], spots[:, 0]]
    assert np.quantile(near, 0.99) < 3
    mean_density = float((values * molecule).sum()) * density.voxel_size**3
    assert math.isclose(float(model.weights.sum()), mean_density, rel_tol=0.15)
