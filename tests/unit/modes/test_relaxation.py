"""A relaxation leaves little of the stiff part of a force, and is an operator that LOBPCG may use."""

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.sparse import csr_array

from deephemnma.modes.elastic_network import compute_distances, find_pairs
from deephemnma.modes.hessian import compute_hessian
from deephemnma.modes.hinsen import Hinsen
from deephemnma.modes.inverse_square import InverseSquare
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.modes.relaxation import Relaxation, choose_steps, make_relaxation
from deephemnma.modes.uniform_cutoff import UniformCutoff


def make_matrix() -> tuple[csr_array, np.ndarray, float]:
    """Return a chain of springs held at its ends, its diagonal, and its greatest eigenvalue over the diagonal."""
    matrix = csr_array(np.diag(np.full(60, 2.0)) - np.diag(np.ones(59), 1) - np.diag(np.ones(59), -1))
    return matrix, matrix.diagonal(), 2.0


def make(steps: int) -> Relaxation:
    matrix, diagonal, greatest = make_matrix()
    return make_relaxation(matrix, diagonal=diagonal, greatest=greatest, steps=steps)


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_it_is_symmetric_and_positive(steps: int) -> None:
    operator = make(steps)(np.eye(60))
    np.testing.assert_allclose(operator, operator.T, atol=1e-12)
    assert np.linalg.eigvalsh(operator).min() > 0


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_more_steps_undo_more_of_the_spectrum(steps: int) -> None:
    matrix, _, greatest = make_matrix()
    values, vectors = np.linalg.eigh(matrix.toarray() / 2)
    left = 1 - np.diag(vectors.T @ make(steps)(vectors) * 2 @ np.diag(values))
    stiff = values > greatest / (2 + 1.5 * steps**2)
    assert stiff.sum() > 60 * (1 - 2 / steps)
    assert np.abs(left[stiff]).max() < 0.5
    assert np.abs(left).max() < 1


def test_uneven_springs_take_more_steps() -> None:
    distances = np.concatenate((np.full(10, 3.8), np.linspace(5, 15, 400)))
    assert choose_steps(UniformCutoff().compute_stiffness(distances)) == 1
    assert choose_steps(InverseSquare().compute_stiffness(distances)) == 1
    assert choose_steps(Hinsen().compute_stiffness(distances)) > 1


def test_modes_of_stiff_strands_are_those_of_the_dense_solver() -> None:
    """81 strands of 12 sites 3.8 A apart, in a bundle: bonds are thirty times stiffer than contacts."""
    lattice = np.stack(np.meshgrid(3.8 * np.arange(12), 5.5 * np.arange(9), 5.5 * np.arange(9), indexing="ij"), axis=-1)
    positions = lattice.reshape(-1, 3) + 0.1 * np.random.default_rng(0).standard_normal((972, 3))
    pairs = find_pairs(positions, cutoff=15.0)
    stiffness = Hinsen().compute_stiffness(compute_distances(positions, pairs))
    assert choose_steps(stiffness) > 1
    modes = compute_modes(torch.from_numpy(positions), n_modes=10, cutoff=15.0, force_field=Hinsen())
    hessian = compute_hessian(positions, pairs, stiffness=stiffness).toarray()
    expected = scipy.linalg.eigvalsh(hessian, subset_by_index=(6, 9))
    np.testing.assert_allclose(modes.eigenvalues[6:].numpy(), expected, rtol=1e-6)
