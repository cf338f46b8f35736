from dataclasses import replace

import pytest
import torch
from fit_scenes import make_molecule

from deephemnma.core.model import Basis
from deephemnma.reference.fit.prior import LEAST_RMSD, compute_temperature, estimate_temperature, make_stiffness

STIFFNESS = torch.tensor([0.01, 0.03, 0.2], dtype=torch.float64)


def test_amplitudes_at_a_temperature_move_the_sites_by_its_rmsd() -> None:
    """Modes have unit norm: the sum of squared amplitudes is the sum of squared displacements."""
    temperature = compute_temperature(STIFFNESS, rmsd=3.0, n_sites=60)
    generator = torch.Generator().manual_seed(0)
    amplitudes = torch.randn(20_000, 3, generator=generator, dtype=torch.float64) * (temperature / STIFFNESS).sqrt()
    assert float(amplitudes.square().sum(1).mean() / 60) == pytest.approx(9.0, rel=0.03)


def test_temperature_is_found_from_amplitudes() -> None:
    """Error bars count as what is not seen of the motion, and no motion at all leaves the least."""
    true = compute_temperature(STIFFNESS, rmsd=3.0, n_sites=60)
    root = (true / STIFFNESS).sqrt()
    half, none = root.square() / 2, torch.zeros_like(root)
    assert estimate_temperature(STIFFNESS, root, none, n_sites=60) == pytest.approx(true)
    assert estimate_temperature(STIFFNESS, half.sqrt(), half, n_sites=60) == pytest.approx(true)
    least = compute_temperature(STIFFNESS, rmsd=LEAST_RMSD, n_sites=60)
    assert estimate_temperature(STIFFNESS, none, none, n_sites=60) == pytest.approx(least)


def test_stiffness_is_what_the_basis_says() -> None:
    _, modes = make_molecule()
    components = replace(modes, basis=Basis.PRINCIPAL_COMPONENTS)
    assert torch.allclose(make_stiffness(modes), modes.eigenvalues)
    assert torch.allclose(make_stiffness(components), 1 / modes.eigenvalues)
    assert torch.equal(make_stiffness(replace(modes, basis=Basis.IMPORTED)), torch.ones(3, dtype=torch.float64))
