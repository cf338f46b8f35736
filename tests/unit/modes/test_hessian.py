import numpy as np
import pytest
import torch

from deephemnma.modes.elastic_network import compute_distances, find_pairs
from deephemnma.modes.force_field import ForceField
from deephemnma.modes.hessian import compute_energy, compute_hessian
from deephemnma.modes.inverse_square import InverseSquare
from deephemnma.modes.rigid import make_rigid_modes
from deephemnma.modes.uniform_cutoff import UniformCutoff

FORCE_FIELDS = [UniformCutoff(), UniformCutoff(stiffness=3.0), InverseSquare(stiffness=50.0)]


def differentiate_twice(energy, positions: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Second derivative by central differences."""
    flat = positions.ravel()
    n = len(flat)
    steps = step * np.eye(n)
    result = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            corners = [
                sign_i * sign_j * energy((flat + sign_i * steps[i] + sign_j * steps[j]).reshape(-1, 3))
                for sign_i in (1, -1)
                for sign_j in (1, -1)
            ]
            result[i, j] = result[j, i] = sum(corners) / (4 * step**2)
    return result


@pytest.mark.parametrize("force_field", FORCE_FIELDS, ids=repr)
def test_is_the_second_derivative_of_the_energy(cloud: torch.Tensor, force_field: ForceField) -> None:
    positions = cloud[:9].numpy()
    pairs = find_pairs(positions, cutoff=8.0)
    lengths = compute_distances(positions, pairs)
    stiffness = force_field.compute_stiffness(lengths)
    expected = differentiate_twice(
        lambda moved: compute_energy(moved, pairs, lengths=lengths, stiffness=stiffness), positions
    )
    hessian = compute_hessian(positions, pairs, stiffness=stiffness).toarray()
    np.testing.assert_allclose(hessian, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("force_field", FORCE_FIELDS, ids=repr)
def test_every_force_field_is_stable_and_knows_no_place_or_direction(
    cloud: torch.Tensor, force_field: ForceField
) -> None:
    positions = cloud.numpy()
    pairs = find_pairs(positions, cutoff=8.0)
    stiffness = force_field.compute_stiffness(compute_distances(positions, pairs))
    assert stiffness.shape == (len(pairs),)
    assert (stiffness > 0).all()
    hessian = compute_hessian(positions, pairs, stiffness=stiffness).toarray()
    np.testing.assert_array_equal(hessian, hessian.T)
    assert np.abs(hessian @ make_rigid_modes(positions)).max() < 1e-12 * np.abs(hessian).max()
    assert np.linalg.eigvalsh(hessian).min() > -1e-12 * np.abs(hessian).max()


def test_trace_counts_the_springs(cloud: torch.Tensor) -> None:
    positions = cloud.numpy()
    pairs = find_pairs(positions, cutoff=5.0)
    hessian = compute_hessian(positions, pairs, stiffness=np.full(len(pairs), 10.0))
    assert hessian.trace() == pytest.approx(2 * 10.0 * len(pairs))
