import pytest
import torch

from deephemnma.core.model import Basis, Modes
from deephemnma.modes.fluctuation import compute_b_factor_agreement, compute_fluctuations, compute_variances
from deephemnma.modes.normal_modes import compute_modes


def test_b_factors_made_of_the_modes_agree_with_them(cloud: torch.Tensor) -> None:
    modes = compute_modes(cloud)
    b_factors = 20 + 3 * compute_fluctuations(modes).sum(dim=0)
    agreement = compute_b_factor_agreement(modes, b_factors)
    assert agreement.together[-1] == pytest.approx(1)
    assert (agreement.together[6:-1] < 1).all()
    assert agreement.single[:6].isnan().all()
    assert agreement.together[:6].isnan().all()
    assert agreement.single[6] == pytest.approx(float(agreement.together[6]))
    assert torch.allclose(compute_b_factor_agreement(modes, -b_factors).together[6:], -agreement.together[6:])


@pytest.mark.parametrize("value", [0.0, 20.0, float("nan")])
def test_a_file_without_b_factors_has_no_agreement(cloud: torch.Tensor, value: float) -> None:
    assert compute_b_factor_agreement(compute_modes(cloud), torch.full((60,), value)) is None


def test_soft_modes_move_most(cloud: torch.Tensor) -> None:
    modes = compute_modes(cloud)
    variances = compute_variances(modes)
    assert (variances[:6] == 0).all()
    assert (variances[6:].diff() <= 0).all()
    assert variances[7] / variances[6] == pytest.approx(float(modes.eigenvalues[6] / modes.eigenvalues[7]))


def test_eigenvalues_of_principal_components_are_variances() -> None:
    vectors = torch.eye(6, dtype=torch.float64).reshape(6, 2, 3)[:3]
    values = torch.tensor([9.0, 4.0, 1.0], dtype=torch.float64)
    modes = Modes(vectors, values, (1, 2, 3), Basis.PRINCIPAL_COMPONENTS)
    assert torch.allclose(compute_variances(modes), values)
    unknown = Modes(vectors, torch.full((3,), torch.nan), (7, 8, 9), Basis.IMPORTED)
    assert torch.allclose(compute_variances(unknown), torch.ones(3, dtype=torch.float64))
