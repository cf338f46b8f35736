import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.model import GaussianModel
from deephemnma.core.rotation import make_random_rotations
from deephemnma.core.structure import AtomicModel
from deephemnma.io.structure import read_structure
from deephemnma.reference import gaussian_fit
from deephemnma.reference.atomic_density import AtomicDensity, make_atomic_density, make_model_density
from deephemnma.reference.gaussian import ATOM_WIDTH, make_gaussian_model
from deephemnma.reference.gaussian_fit import LOW_PASS, fit_gaussians, fit_to_atoms
from deephemnma.reference.projection_correlation import compute_projection_correlation
from deephemnma.reference.site import select_sites


@pytest.fixture(scope="module")
def kinase() -> AtomicModel:
    """A piece of adenylate kinase: the first 40 residues."""
    path = Path(gaussian_fit.__file__).parents[1] / "data" / "4ake_chain_a.pdb"
    atoms = read_structure(path)
    return atoms.take(atoms.residue_numbers <= 40)


def multiply(first: AtomicDensity, second: AtomicDensity, *, resolution: float) -> float:
    """Return the scalar product of two densities, both seen through the low-pass."""
    square = torch.cdist(first.positions, second.positions).square()[:, None, :, None]
    total = first.variances[:, :, None, None] + second.variances + 2 * (LOW_PASS * resolution) ** 2
    weights = first.weights[:, :, None, None] * second.weights
    return float((weights * (2 * math.pi * total) ** -1.5 * (-0.5 * square / total).exp()).sum())


def measure_distance(model: GaussianModel, density: AtomicDensity, *, resolution: float, norm: float) -> float:
    """Return |model - density|^2 through the low-pass, over |density|^2 = `norm`, from all pairs, nothing clever."""
    own = make_model_density(model)
    mixed = multiply(own, density, resolution=resolution)
    return 1 - mixed**2 / multiply(own, own, resolution=resolution) / norm  # at the best contrast


@pytest.mark.parametrize("resolution", [2.0, 5.0, 20.0])
def test_one_gaussian_for_a_carbon(atoms: AtomicModel, monkeypatch: pytest.MonkeyPatch, resolution: float) -> None:
    """At low resolution its width is that of the curvature at zero; the finer, the more the sharp core counts."""
    monkeypatch.setattr(gaussian_fit, "STIFFNESS", 0.0)
    monkeypatch.setattr(gaussian_fit, "GAIN", 1e-14)
    carbon = atoms.take(np.array([1]))
    density = make_atomic_density(carbon)
    start = make_gaussian_model(carbon, width=0.5)
    fitted = fit_gaussians(start, density, resolution=resolution)
    widths = torch.linspace(0.25, 0.6, 351, dtype=torch.float64)
    norm = multiply(density, density, resolution=resolution)
    tried = [
        measure_distance(replace(start, widths=w[None]), density, resolution=resolution, norm=norm) for w in widths
    ]
    assert float(fitted.widths) == pytest.approx(float(widths[int(np.argmin(tried))]), abs=0.02)
    assert float(fitted.weights) == pytest.approx(float(density.weights.sum()))
    if resolution == 20:
        assert float(fitted.widths) == pytest.approx(ATOM_WIDTH, abs=0.04)


@pytest.mark.parametrize("resolution", [3.0, 5.0, 12.0])
@pytest.mark.parametrize("sites", ["heavy", "ca", "residue"])
def test_a_fit_never_correlates_worse(kinase: AtomicModel, sites: str, resolution: float) -> None:
    model = make_gaussian_model(select_sites(kinase, sites))
    fitted, likeness = fit_to_atoms(model, kinase, resolution=resolution)
    assert likeness.before <= likeness.after <= 1 + 1e-6
    if sites != "heavy":
        assert 1 - likeness.after < 0.98 * (1 - likeness.before)
    else:
        assert likeness.before > 0.9998
    density = make_atomic_density(kinase)
    told = compute_projection_correlation(make_model_density(fitted), density, resolution=resolution)
    assert told == pytest.approx(likeness.after, abs=1e-6)
    assert (fitted.weights >= 0).all()
    assert float(fitted.weights.sum()) == pytest.approx(float(density.weights.sum()), rel=1e-6)
    assert torch.equal(fitted.positions, model.positions)


def test_the_optimum_is_stationary(kinase: AtomicModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without springs no small change of a weight or a width brings the model nearer to the density."""
    monkeypatch.setattr(gaussian_fit, "STIFFNESS", 0.0)
    monkeypatch.setattr(gaussian_fit, "GAIN", 1e-12)
    monkeypatch.setattr(gaussian_fit, "STEPS", 2000)
    model, density = make_gaussian_model(select_sites(kinase, "ca")), make_atomic_density(kinase)
    fitted = fit_gaussians(model, density, resolution=5.0)
    norm = multiply(density, density, resolution=5.0)
    before = measure_distance(model, density, resolution=5.0, norm=norm)
    least = measure_distance(fitted, density, resolution=5.0, norm=norm)
    assert least < 0.9 * before
    ratio = fitted.widths / model.widths
    inside = ((ratio > 0.31) & (ratio < 1.59) & (fitted.weights > 0)).nonzero().reshape(-1)[::7]
    assert len(inside) > 3
    for site in inside.tolist():
        for name in ("weights", "widths"):
            for factor in (0.9, 1.1):
                value = getattr(fitted, name).clone()
                value[site] *= factor
                changed = measure_distance(replace(fitted, **{name: value}), density, resolution=5.0, norm=norm)
                assert changed > least - 1e-7, (site, name, factor)


def test_derivatives_are_those_of_the_value(kinase: AtomicModel, generator: torch.Generator) -> None:
    model, density = make_gaussian_model(select_sites(kinase, "ca")), make_atomic_density(kinase)
    problem = gaussian_fit._pose(model, density, blur=2.0)
    n = model.n_sites
    at = np.concatenate((np.ones(n), np.zeros(n))) + 0.1 * torch.randn(2 * n, generator=generator).numpy()
    _, slopes = problem.compute(at)
    for place in (0, 7, n, n + 7, 2 * n - 1):
        step = np.zeros(2 * n)
        step[place] = 1e-2
        numeric = (problem.compute(at + step)[0] - problem.compute(at - step)[0]) / 2e-2
        assert numeric == pytest.approx(slopes[place], rel=2e-3, abs=2e-3)


def test_a_turned_molecule_has_the_same_beads(kinase: AtomicModel, generator: torch.Generator) -> None:
    turn = make_random_rotations(1, generator=generator)[0].double()
    turned = replace(kinase, positions=kinase.positions @ turn.T + 100)
    fits = [
        fit_gaussians(make_gaussian_model(select_sites(each, "ca")), make_atomic_density(each), resolution=5.0)
        for each in (kinase, turned)
    ]
    assert torch.allclose(fits[0].weights, fits[1].weights, rtol=0.02, atol=0.02 * float(fits[0].weights.mean()))
    assert torch.allclose(fits[0].widths, fits[1].widths, rtol=0.02)


def test_hydrogens_of_the_file_are_part_of_the_density(kinase: AtomicModel) -> None:
    """Heavy atoms take them over in the fit, and only then."""
    rows = np.flatnonzero(kinase.elements == "C")
    bare = kinase.take(rows)
    hydrogens = replace(
        bare,
        positions=bare.positions + torch.tensor([0.9, 0.5, 0.2], dtype=torch.float64),
        elements=np.full(len(rows), "H"),
        atom_names=np.char.add("H", bare.atom_names),
    )
    both = replace(
        bare,
        **{
            name: np.concatenate((getattr(bare, name), getattr(hydrogens, name)))
            for name in ("elements", "atom_names", "residue_names", "chains", "residue_numbers", "insertion_codes")
        },
        **{
            name: torch.cat((getattr(bare, name), getattr(hydrogens, name)))
            for name in ("positions", "scattering", "b_factors")
        },
        occupancies=None,
    )
    model = make_gaussian_model(select_sites(both, "heavy"))
    fitted, likeness = fit_to_atoms(model, both, resolution=3.0)
    assert likeness.after > likeness.before
    expected = model.weights.sum() * (1 + 0.529 / 2.509)
    assert float(fitted.weights.sum()) == pytest.approx(float(expected), rel=1e-3)


def test_what_cannot_be_fitted_is_told(kinase: AtomicModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_gaussian_model(select_sites(kinase, "heavy"))
    with pytest.raises(InputError, match="--bead-resolution"):
        fit_to_atoms(model, kinase, resolution=-1.0)
    monkeypatch.setattr("deephemnma.reference.overlap.MAX_PAIRS", 100)
    with pytest.raises(InputError, match=r"overlap at this --bead-resolution.*--sites"):
        fit_to_atoms(model, kinase, resolution=5.0)


def test_progress_adds_up_to_all(kinase: AtomicModel) -> None:
    told = []
    model = make_gaussian_model(select_sites(kinase, "ca"))
    fit_to_atoms(model, kinase, resolution=5.0, advance=told.append)
    assert sum(told) == pytest.approx(1)
    assert min(told) >= 0
