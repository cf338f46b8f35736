import math

import pytest
import torch
from fit_scenes import make_molecule, make_scene_map, make_truth

from deephemnma.core.model import GaussianModel, Modes
from deephemnma.core.rotation import compute_geodesic_angle, rotation_from_vector
from deephemnma.core.structure import DensityMap
from deephemnma.reference.fit.agreement import compute_agreement
from deephemnma.reference.fit.box import FitBox, make_fit_box, select_components
from deephemnma.reference.fit.concentration import compute_concentration
from deephemnma.reference.fit.hierarchy import fit_map, make_levels
from deephemnma.reference.fit.likelihood import compare, evaluate
from deephemnma.reference.fit.placement import Placement, make_placement, place_sites
from deephemnma.reference.fit.result import FitStatus, MapFit
from deephemnma.reference.fit.search import search_dockings
from deephemnma.reference.fit.transform import DensityTransform

Molecule = tuple[GaussianModel, Modes]


@pytest.fixture(scope="module")
def molecule() -> Molecule:
    return make_molecule()


def cut(model: GaussianModel, density: DensityMap, weight: torch.Tensor | None = None) -> FitBox:
    return make_fit_box(density, center=model.center, edge=3 * model.radius + 20, weight=weight)


def fit(molecule: Molecule, box: FitBox, **options) -> MapFit:
    model, modes = molecule
    start = [make_placement(modes.n_modes)]
    return fit_map(model, modes, box, dockings=start, levels=make_levels(model, 8.0), **options)


def measure_error(molecule: Molecule, found: Placement, truth: Placement) -> float:
    model, modes = molecule
    return float((place_sites(model, modes, found) - place_sites(model, modes, truth)).square().sum(-1).mean().sqrt())


def test_transform_is_the_sum_of_gaussians(molecule: Molecule) -> None:
    model, modes = molecule
    widths = torch.linspace(1, 4, model.n_sites, dtype=torch.float64)
    model = GaussianModel(model.positions, model.weights, widths, model.center)
    truth = make_truth([10, -5, 3], degrees=20, shift=4)
    box = cut(model, make_scene_map(model, modes, truth))
    components = select_components(box, 8.0)
    found = DensityTransform(model, modes, box, components).transform(truth)
    k, x = components.frequencies.double(), place_sites(model, modes, truth) - box.center
    waves = torch.polar((-2 * math.pi**2 * k.square().sum(-1, keepdim=True) * widths**2).exp(), -2 * math.pi * k @ x.T)
    exact = (waves * (model.weights / model.weights.sum())).sum(-1)
    assert (found - exact).abs().max() < 3e-4 * exact.abs().max()


def test_map_has_the_transform_of_its_model(molecule: Molecule) -> None:
    """Whatever the origin, the box and the solvent's grey value."""
    model, modes = molecule
    truth = make_truth([10, -5, 3], degrees=20, shift=4)
    density = make_scene_map(model, modes, truth)
    box = cut(model, DensityMap(density.values + 7.0, density.voxel_size, density.origin, "grey.mrc"))
    components = select_components(box, 8.0)
    compared = compare(components, DensityTransform(model, modes, box, components).transform(truth))
    assert (compared.correlation > 0.999).all()


def test_derivatives_are_those_of_finite_differences(molecule: Molecule) -> None:
    model, modes = molecule
    box = cut(model, make_scene_map(model, modes, make_truth([20, 10, -8], degrees=8, shift=3), noise=0.05))
    components = select_components(box, 12.0)
    density = DensityTransform(model, modes, box, components)
    here = make_truth([5, -4, 2], degrees=3, shift=1)
    gradient = evaluate(components, density, here).gradient
    for number, size in enumerate([0.5, 0.5, 0.5, 0.02, 0.02, 0.02, 0.1, 0.1, 0.1]):
        step = torch.zeros(9, dtype=torch.float64)
        step[number] = size
        costs = [evaluate(components, density, here.move(sign * step)).cost for sign in (1, -1)]
        assert (costs[0] - costs[1]) / (2 * size) == pytest.approx(float(gradient[number]), rel=0.03, abs=0.3)


def test_map_of_the_reference_moves_nothing(molecule: Molecule) -> None:
    model, modes = molecule
    found = fit(molecule, cut(model, make_scene_map(model, modes, make_placement(3))))
    assert found.status == FitStatus.CONVERGED
    assert found.flexible.amplitudes.abs().max() < 0.1
    assert measure_error(molecule, found.flexible, make_placement(3)) < 0.02


def test_known_motion_is_recovered(molecule: Molecule) -> None:
    """3 to 6 A RMSD, 10 degrees, 5 A: what no linear estimate bridges."""
    model, modes = molecule
    truth = make_truth([-45, 30, 20], degrees=10, shift=5)
    found = fit(molecule, cut(model, make_scene_map(model, modes, truth)))
    assert found.status == FitStatus.CONVERGED
    assert torch.allclose(found.flexible.amplitudes, truth.amplitudes, atol=0.5)
    assert measure_error(molecule, found.flexible, truth) < 0.1
    assert measure_error(molecule, found.rigid, truth) > 2
    correlation = [level.flexible - level.rigid for level in found.levels]
    assert min(correlation[1:]) > 0


def test_turning_the_map_turns_the_answer(molecule: Molecule) -> None:
    """The same density turned and shifted: the same amplitudes, and the placement turned and shifted."""
    model, modes = molecule
    amplitudes = [-30.0, 20.0, 10.0]
    turn = rotation_from_vector(torch.tensor([0.2, -0.1, 0.15], dtype=torch.float64))
    first = make_truth(amplitudes)
    second = Placement(first.amplitudes, turn @ first.rotation, torch.tensor([3.0, 1.0, -2.0], dtype=torch.float64))
    here, there = (fit(molecule, cut(model, make_scene_map(model, modes, each))).flexible for each in (first, second))
    assert torch.allclose(here.amplitudes, there.amplitudes, atol=0.3)
    assert compute_geodesic_angle(turn @ here.rotation, there.rotation) < 2e-3
    assert torch.allclose(there.shift - here.shift, second.shift, atol=0.05)


def test_sharpening_and_contrast_do_not_matter(molecule: Molecule) -> None:
    model, modes = molecule
    truth = make_truth([-30, 20, 10], degrees=5, shift=2)
    density = make_scene_map(model, modes, truth)
    k = [torch.fft.fftfreq(side, density.voxel_size) for side in density.values.shape]
    squares = k[0][:, None, None] ** 2 + k[1][:, None] ** 2 + k[2] ** 2
    sharp = torch.fft.ifftn(torch.fft.fftn(density.values) * (150 * squares).exp()).real
    found = fit(molecule, cut(model, DensityMap(3e-3 * sharp - 5, density.voxel_size, density.origin, "sharp.mrc")))
    assert measure_error(molecule, found.flexible, truth) < 0.15


def test_error_bars_are_those_of_noise(molecule: Molecule) -> None:
    model, modes = molecule
    truth = make_truth([-30, 20, 10], degrees=5, shift=2)
    scores = []
    for seed in range(8):
        found = fit(molecule, cut(model, make_scene_map(model, modes, truth, noise=0.3, seed=seed)))
        scores.append((found.flexible.amplitudes - truth.amplitudes) / found.standard_deviations[:3])
    assert 0.6 < float(torch.stack(scores).square().mean().sqrt()) < 1.6


def test_noise_fills_the_box_and_misfit_the_molecule(molecule: Molecule) -> None:
    model, modes = molecule
    truth = make_truth([-30, 20, 10])
    figures = []
    for noise, placement in ((0.5, truth), (0.0, make_truth([0, 0, 0]))):
        box = cut(model, make_scene_map(model, modes, truth, shape=(40, 40, 40), noise=noise))
        components = select_components(box, 8.0)
        value = DensityTransform(model, modes, box, components).transform(placement)
        figures.append(compute_concentration(components, value))
    assert figures[0] < 1.6
    assert figures[1] > 4


def test_wrong_docking_is_not_silent(molecule: Molecule) -> None:
    model, modes = molecule
    box = cut(model, make_scene_map(model, modes, make_truth([0, 0, 0], degrees=120)))
    assert fit(molecule, box).status == FitStatus.POOR


def test_leaving_the_box_is_not_silent(molecule: Molecule) -> None:
    model, modes = molecule
    density = make_scene_map(model, modes, make_placement(3))
    box = make_fit_box(density, center=model.center, edge=1.6 * model.radius)
    assert fit(molecule, box).status == FitStatus.OUTSIDE


def test_search_finds_what_is_turned_around(molecule: Molecule) -> None:
    model, modes = molecule
    truth = make_truth([-20, 15, 0], degrees=120, shift=12)
    box = cut(model, make_scene_map(model, modes, truth, shape=(40, 40, 40)))
    levels = make_levels(model, 8.0)
    dockings = search_dockings(model, modes, box, resolution=levels[0], keep=12)
    found = fit_map(model, modes, box, dockings=dockings, levels=levels)
    assert found.status == FitStatus.CONVERGED
    assert measure_error(molecule, found.flexible, truth) < 0.2


def test_mask_hides_a_neighbour(molecule: Molecule) -> None:
    model, modes = molecule
    truth = make_truth([-30, 20, 10], degrees=5, shift=2)
    density = make_scene_map(model, modes, truth)
    disturbed = density.values.clone()
    disturbed[:, :, :4] += 2 * density.values.max()
    weight = torch.ones(density.values.shape, dtype=torch.float64)
    weight[:, :, :5] = 0
    both = DensityMap(disturbed, density.voxel_size, density.origin, "neighbour.mrc")
    masked, bare = (fit(molecule, cut(model, both, each)) for each in (weight, None))
    assert measure_error(molecule, masked.flexible, truth) < 0.3
    assert measure_error(molecule, masked.flexible, truth) < measure_error(molecule, bare.flexible, truth)


def test_agreement_beyond_the_fit_is_looked_at_apart(molecule: Molecule) -> None:
    model, modes = molecule
    truth = make_truth([-30, 20, 10])
    box = cut(model, make_scene_map(model, modes, truth))
    placements = {"start": make_placement(3), "true": truth}
    found, frequencies = compute_agreement(model, modes, box, placements, resolution=10.0)
    assert frequencies[-1] == pytest.approx(1 / 7.5, abs=1 / box.edge)
    assert found["true"].overall > 0.999
    assert found["true"].masked > 0.999
    assert found["true"].free > 0.999
    assert found["start"].free < 0.6
    assert compute_agreement(model, modes, box, placements, resolution=6.0)[0]["true"].free is None


def test_no_modes_is_rigid_docking(molecule: Molecule) -> None:
    model, modes = molecule
    truth = make_truth([], degrees=10, shift=5)
    rigid = (model, modes.select(()))
    found = fit(rigid, cut(model, make_scene_map(*rigid, truth)))
    assert found.status == FitStatus.CONVERGED
    assert measure_error(rigid, found.flexible, truth) < 0.05


@pytest.mark.parametrize("seed", [0, 4])
def test_noise_is_told_from_a_wrong_docking(seed: int) -> None:
    """In the same noise the right fit is trusted, and neither the mirrored molecule nor a wrong docking."""
    model, modes = make_molecule()
    box = cut(model, make_scene_map(model, modes, make_truth([-30, 20, 10], degrees=5, shift=2), noise=0.3, seed=seed))
    mirror = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    other = GaussianModel(model.positions * mirror, model.weights, model.widths, model.center)
    turned = make_truth([0, 0, 0], degrees=120)
    levels = make_levels(model, 8.0)
    assert fit((model, modes), box).status == FitStatus.CONVERGED
    assert fit((other, modes), box).status == FitStatus.POOR
    assert fit_map(model, modes, box, dockings=[turned], levels=levels).status == FitStatus.POOR
