import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from deephemnma.core.error import InputError
from deephemnma.core.structure import AtomicModel
from deephemnma.io.form_factor import read_form_factors
from deephemnma.reference.atomic_density import make_atomic_density, make_model_density
from deephemnma.reference.gaussian import ATOM_WIDTH, make_gaussian_model
from deephemnma.reference.site import select_sites


def scatter(density, frequency: float) -> torch.Tensor:
    """Return the form factor of each centre at a frequency, 1/A."""
    return (density.weights * (-2 * math.pi**2 * frequency**2 * density.variances).exp()).sum(dim=1)


def test_carbon_falls_to_four_fifths_at_4_angstroms(atoms: AtomicModel) -> None:
    """Peng's table is in s = sin(theta) / lambda = k / 2: with k for s it would be 0.25."""
    carbon = make_atomic_density(atoms.take(np.array([1])))
    ratio = float(scatter(carbon, 1 / 4) / scatter(carbon, 0))
    assert ratio == pytest.approx(0.79, abs=0.005)
    assert float(scatter(carbon, 0)) == pytest.approx(2.51, abs=0.01)


def test_one_gaussian_has_the_curvature_of_five(atoms: AtomicModel) -> None:
    protein = make_atomic_density(select_sites(atoms, "heavy").take(np.arange(6)))
    curvature = (protein.weights * protein.variances).sum() / protein.weights.sum()
    assert float(curvature.sqrt()) == pytest.approx(ATOM_WIDTH, abs=0.02)


def test_elements_are_looked_up_in_any_case() -> None:
    upper, lower = (read_form_factors(np.array(elements))[0] for elements in (["MG", "ZN"], ["Mg", "zn"]))
    assert torch.equal(upper, lower)
    deuterium, hydrogen = read_form_factors(np.array(["D", "H"]))[1]
    assert torch.equal(deuterium, hydrogen)


def test_b_factors_damp_as_debye_and_waller_say(atoms: AtomicModel) -> None:
    """exp(-B s^2) = exp(-B k^2 / 4)."""
    warm = replace(atoms, b_factors=torch.full_like(atoms.b_factors, 40.0))
    cold, smeared = make_atomic_density(warm), make_atomic_density(warm, b_factors=True)
    assert torch.allclose(scatter(smeared, 0.2), scatter(cold, 0.2) * math.exp(-40 * 0.2**2 / 4))
    sites = select_sites(warm, "ca")
    narrow, wide = (make_gaussian_model(sites, b_factors=option) for option in (False, True))
    assert torch.allclose(wide.widths.square() - narrow.widths.square(), torch.tensor(40 / (8 * math.pi**2)).double())


@pytest.mark.parametrize("value", [-3.0, 9999.0, float("nan")])
def test_b_factors_that_are_none_are_refused(atoms: AtomicModel, value: float) -> None:
    odd = replace(atoms, b_factors=torch.where(torch.arange(len(atoms.elements)) == 3, value, 20.0).double())
    with pytest.raises(InputError, match=r"made_up.pdb has 1 sites.*A/ALA 1/C: --file-b-factors"):
        make_gaussian_model(odd, b_factors=True)


def test_a_model_is_one_gaussian_a_site_in_the_frame_of_the_file(atoms: AtomicModel) -> None:
    sites = select_sites(atoms, "ca-p")
    density = make_model_density(make_gaussian_model(sites))
    assert torch.allclose(density.positions, sites.positions)
    assert density.weights.sum() == pytest.approx(float(sites.scattering.sum()))
