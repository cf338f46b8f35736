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
from deephemnma.reference.pseudoatom import invert, low_pass, make_pseudoatoms, mark_molecule
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


def remake(model: GaussianModel, density: DensityMap) -> np.ndarray:
    """The density of whole Gaussians on the map's grid."""
    shape = tuple(density.values.shape)
    return make_map(model, shape=shape, voxel_size=density.voxel_size, origin=density.origin).values.numpy()


def measure_error(model: GaussianModel, density: DensityMap) -> float:
    """Xmipp's error over the molecule, by its definition, from whole Gaussians."""
    values = density.values.numpy()
    inside = mark_molecule(density) & (values > 0)
    low, high = np.percentile(values[mark_molecule(density)], (1, 99))
    return float(np.abs(remake(model, density) - values)[inside].mean() / (high - low))


@pytest.mark.parametrize("shape", [(44, 40, 42), (43, 41, 45)])
def test_known_gaussians_are_recovered(five: GaussianModel, shape: tuple[int, int, int]) -> None:
    density = make_map(five, shape=shape, voxel_size=1.5, origin=ORIGIN)
    molecule = mark_molecule(density, threshold=0.05)
    model = make_pseudoatoms(density, width=3.0, target_error=0.02, molecule=molecule).model
    middle = torch.tensor([shape[2] // 2, shape[1] // 2, shape[0] // 2], dtype=torch.float64)
    assert torch.allclose(model.center, ORIGIN + 1.5 * middle)
    found = model.positions + model.center
    distances = torch.cdist(five.positions + five.center, found)
    nearest = distances.argmin(dim=1)
    assert distances.amin(dim=1).max() < 0.15
    assert torch.allclose(model.weights[nearest], five.weights, rtol=0.1)
    assert model.weights.sum() == pytest.approx(float(five.weights.sum()), rel=0.03)
    assert (model.widths == 3.0).all()


@pytest.mark.parametrize("target_error", [0.1, 0.05, 0.02])
def test_the_error_wanted_is_reached(target_error: float) -> None:
    density = make_blob()
    found = make_pseudoatoms(density, target_error=target_error)
    assert measure_error(found.model, density) < target_error + 0.005  # patches end at three widths
    assert found.approximation.mean_error <= target_error
    assert (found.model.weights > 0).all()


def test_the_figures_are_what_they_say() -> None:
    density = make_blob()
    found = make_pseudoatoms(density, target_error=0.05, width=3.0)
    values, molecule = density.values.numpy(), mark_molecule(density)
    difference = (remake(found.model, density) - values)[molecule]
    relative = np.linalg.norm(difference) / np.linalg.norm(values[molecule])
    assert found.approximation.mean_error == pytest.approx(measure_error(found.model, density), rel=0.1)
    assert found.approximation.relative_error == pytest.approx(relative, rel=0.1)
    around = ndimage.distance_transform_edt(~molecule) <= 2
    correlation = np.corrcoef(remake(found.model, density)[around], values[around])[0, 1]
    assert found.approximation.correlation == pytest.approx(correlation, abs=0.002)


def test_a_lower_error_takes_more_gaussians() -> None:
    density = make_blob()
    counts = [make_pseudoatoms(density, target_error=error, width=3.0).model.n_sites for error in (0.1, 0.05, 0.02)]
    assert counts[0] < counts[1] < counts[2]


def test_widths_go_by_the_detail() -> None:
    """Gaussians as wide as those that made the map are found; where there is more detail, narrower ones."""
    smooth = make_blob()
    fine = DensityMap(smooth.values, smooth.voxel_size, ORIGIN, "fine.mrc")
    fine.values[10:30:2] *= 1.4
    widths = [float(make_pseudoatoms(each, target_error=0.04).model.widths[0]) for each in (make_blob(), fine)]
    assert 3.0 <= widths[0] <= 6.0
    assert widths[1] < widths[0]


def test_same_map_same_digits() -> None:
    density = make_blob()
    first, second = make_pseudoatoms(density).model, make_pseudoatoms(density).model
    assert torch.equal(first.positions, second.positions)
    assert torch.equal(first.weights, second.weights)


def test_wide_gaussians_are_fitted_on_a_thinner_grid() -> None:
    """At 5 voxels the grid keeps every fifth voxel; position and mass must not suffer."""
    generator = torch.Generator().manual_seed(2)
    truth = GaussianModel(
        positions=12 * torch.randn(6, 3, generator=generator, dtype=torch.float64),
        weights=torch.full((6,), 100.0, dtype=torch.float64),
        widths=torch.full((6,), 5.0, dtype=torch.float64),
        center=torch.tensor([36.0, 35.5, 37.2], dtype=torch.float64),
    )
    density = make_map(truth, shape=(72, 72, 72), voxel_size=1.0, origin=torch.zeros(3, dtype=torch.float64))
    molecule = mark_molecule(density, threshold=0.02 * float(density.values.max()))
    model = make_pseudoatoms(density, width=5.0, molecule=molecule, target_error=0.02).model
    mean = (model.weights[:, None] * (model.positions + model.center)).sum(dim=0) / model.weights.sum()
    assert torch.allclose(mean, truth.positions.mean(dim=0) + truth.center, atol=0.2)
    assert model.weights.sum() == pytest.approx(600, rel=0.05)
    difference = remake(model, density) - density.values.numpy()
    assert np.linalg.norm(difference) < 0.08 * float(density.values.norm())


def test_a_mask_says_what_the_molecule_is() -> None:
    density = make_blob()
    half = torch.zeros_like(density.values)
    half[:, :, :20] = 1
    mask = DensityMap(half, density.voxel_size, ORIGIN, "mask.mrc")
    model = make_pseudoatoms(density, molecule=mark_molecule(density, mask=mask)).model
    x = (model.positions + model.center - ORIGIN)[:, 0] / 3.0
    assert x.max() < 20 + 2 * float(model.widths[0]) / 3.0
    with pytest.raises(InputError, match=r"mask\.mrc has \(40, 40, 39\) voxels"):
        mark_molecule(density, mask=DensityMap(half[:, :, 1:], 3.0, ORIGIN, "mask.mrc"))


def test_low_pass_halves_the_amplitude_at_the_resolution() -> None:
    places = torch.arange(96) * 2.0
    wave = torch.cos(2 * math.pi * places / 16.0).expand(8, 8, 96).contiguous()
    density = DensityMap(wave, 2.0, ORIGIN, "wave.mrc")
    kept = low_pass(density, 16.0).values[4, 4, 24:72].abs().max()
    assert float(kept) == pytest.approx(0.5, abs=0.01)


def test_dark_molecules_are_made_bright() -> None:
    density = make_blob()
    dark = invert(DensityMap(7.0 - density.values, 3.0, ORIGIN, "dark.mrc"))
    assert torch.equal(torch.from_numpy(mark_molecule(dark)), torch.from_numpy(mark_molecule(density)))
    assert torch.allclose(dark.values, density.values, atol=0.02 * float(density.values.max()))


def test_noise_takes_fewer_gaussians_after_low_pass() -> None:
    density = make_blob()
    grain = 0.1 * density.values.max() * torch.randn(density.values.shape, generator=torch.Generator().manual_seed(1))
    noisy = DensityMap(density.values + grain, 3.0, ORIGIN, "noisy.mrc")
    many = make_pseudoatoms(noisy).model.n_sites
    assert make_pseudoatoms(low_pass(noisy, 15.0)).model.n_sites < 0.5 * many


def test_pseudoatoms_have_modes() -> None:
    model = make_pseudoatoms(make_blob()).model
    modes = compute_modes(model.positions, n_modes=9)
    assert (modes.eigenvalues[6:] > 0).all()


def make_noise() -> DensityMap:
    noise = torch.rand(24, 24, 24, generator=torch.Generator().manual_seed(0))
    return DensityMap(noise, 2.0, torch.zeros(3, dtype=torch.float64), "noise.mrc")


def test_an_error_out_of_reach_comes_with_the_one_that_was_reached() -> None:
    with pytest.raises(InputError, match=r"represent noise.mrc with an error of 0\.\d+ at best, not 0.01.*--target"):
        make_pseudoatoms(make_noise(), target_error=0.01, width=2.0)


def test_more_gaussians_than_allowed_are_foretold() -> None:
    with pytest.raises(InputError, match=r"of the 13824 voxels of noise.mrc.*--max-sites is 100.*--low-pass 16"):
        make_pseudoatoms(make_noise(), target_error=0.02, max_sites=100)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target_error": 0.0}, "--target-error"),
        ({"target_error": 1.5}, "--target-error"),
        ({"width": 0.3}, "half a voxel"),
        ({"max_sites": 1}, "--max-sites"),
    ],
)
def test_options_out_of_range_are_refused(five: GaussianModel, options: dict, words: str) -> None:
    density = make_map(five, shape=(40, 40, 40), voxel_size=1.5, origin=ORIGIN)
    with pytest.raises(InputError, match=words):
        make_pseudoatoms(density, **options)


@pytest.mark.parametrize(
    ("threshold", "words"), [(1e9, "No positive voxel of made_up.mrc.*1e.09"), (-1.0, "must be positive, not -1")]
)
def test_thresholds_without_a_molecule_are_refused(five: GaussianModel, threshold: float, words: str) -> None:
    density = make_map(five, shape=(40, 40, 40), voxel_size=1.5, origin=ORIGIN)
    with pytest.raises(InputError, match=words):
        mark_molecule(density, threshold=threshold)


@pytest.mark.parametrize("fill", [0.0, -3.0, 1.0])
def test_empty_maps_are_refused(fill: float) -> None:
    density = DensityMap(torch.full((9, 9, 9), fill), 1.0, ORIGIN, "flat.mrc")
    with pytest.raises(InputError, match=r"No positive voxel of flat\.mrc"):
        make_pseudoatoms(density)


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


def test_noise_around_the_molecule_is_not_taken_for_it() -> None:
    """Grains that touch over edges and corners are no part of it, nor do they make it ragged."""
    density = make_blob()
    generator = torch.Generator().manual_seed(3)
    noise = 0.12 * density.values.max() * torch.randn(density.values.shape, generator=generator)
    noisy = mark_molecule(DensityMap(density.values + noise, 3.0, ORIGIN, "noisy.mrc"))
    clean = mark_molecule(density)
    assert (noisy & clean).sum() > 0.93 * max(noisy.sum(), clean.sum())


@pytest.mark.shared_data
def test_beta_galactosidase(shared_data: Path) -> None:
    density = read_map(shared_data / "maps" / "beta_galactosidase_3.54A.mrc")
    found = make_pseudoatoms(density)
    model = found.model
    assert 500 < model.n_sites < 2000
    assert found.approximation.correlation > 0.98
    assert torch.allclose(model.center, density.origin + 50 * density.voxel_size)
    molecule = mark_molecule(density)
    spots = ((model.positions + model.center - density.origin) / density.voxel_size).round().long()
    near = ndimage.distance_transform_edt(~molecule)[spots[:, 2], spots[:, 1], spots[:, 0]]
    assert np.quantile(near, 0.99) < 3
    mean_density = float((density.values.numpy() * molecule).sum()) * density.voxel_size**3
    assert math.isclose(float(model.weights.sum()), mean_density, rel_tol=0.15)


def test_low_pass_beyond_the_voxels_is_refused() -> None:
    density = DensityMap(torch.zeros(8, 8, 8), 11.4, torch.zeros(3, dtype=torch.float64), "coarse.mrc")
    with pytest.raises(InputError, match=r"--low-pass 3 .*coarse\.mrc.* 11\.4 A end at 22\.8 A"):
        low_pass(density, 3.0)
