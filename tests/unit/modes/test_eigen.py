"""Matrices with known eigenvalues, large enough for the iterative solver."""

import numpy as np
import pytest
from scipy.sparse import csr_array, diags_array, eye_array

from deephemnma.core.error import InputError
from deephemnma.modes import eigen
from deephemnma.modes.eigen import compute_soft_modes, find_lost_modes
from deephemnma.modes.lobpcg import EigenBlock, iterate_block

N, PIECES = 1800, 45


def make_chain() -> tuple[csr_array, np.ndarray, np.ndarray, csr_array]:
    """Free chain of N springs: one zero mode, the constant; eigenvalues ``4 sin^2(pi k / 2 N)``."""
    ends = np.ones(N)
    ends[1:-1] = 2
    matrix = csr_array(diags_array([-np.ones(N - 1), ends, -np.ones(N - 1)], offsets=[-1, 0, 1]))
    rigid = np.full((N, 1), N**-0.5)
    piece = np.arange(N) // (N // PIECES)
    coarse = csr_array((np.full(N, (N // PIECES) ** -0.5), (np.arange(N), piece)))
    expected = 4 * np.sin(np.pi * np.arange(1, 40) / (2 * N)) ** 2
    return matrix, rigid, expected, coarse


@pytest.mark.parametrize("dense_below", [0, 5000])
def test_eigenvalues_of_a_chain(monkeypatch: pytest.MonkeyPatch, dense_below: int) -> None:
    monkeypatch.setattr(eigen, "DENSE_BELOW", dense_below)
    matrix, rigid, expected, coarse = make_chain()
    values, vectors = compute_soft_modes(matrix, rigid=rigid, count=12, coarse=coarse)
    np.testing.assert_allclose(values, expected[:12], rtol=1e-6 if dense_below else 1e-9)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(12), atol=1e-10)
    assert np.abs(rigid.T @ vectors).max() < 1e-10
    assert np.linalg.norm(matrix @ vectors - vectors * values, axis=0).max() < 1e-6 * values.mean()


def test_equal_eigenvalues_are_all_found() -> None:
    """Two chains side by side: every eigenvalue twice; of the two zeros both are known."""
    matrix, rigid, expected, coarse = make_chain()
    zero = np.zeros_like(rigid)
    double = csr_array(_join(matrix, matrix))
    known = np.concatenate((np.concatenate((rigid, zero)), np.concatenate((zero, rigid))), axis=1)
    values, _ = compute_soft_modes(double, rigid=known, count=10, coarse=csr_array(_join(coarse, coarse)))
    np.testing.assert_allclose(values, np.repeat(expected[:5], 2), rtol=1e-9)


def test_a_lost_mode_is_noticed_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first start is put out of the fifth mode's way: the second start finds it."""
    matrix, rigid, expected, coarse = make_chain()
    kept_from = np.cos(np.pi * 5 * (np.arange(N) + 0.5) / N)[:, None]
    kept_from /= np.linalg.norm(kept_from)
    calls = []

    def lose_once(*arguments: object, deflated: np.ndarray, **options: object) -> EigenBlock:
        calls.append(deflated.shape[1])
        if len(calls) == 1:
            deflated = np.concatenate((deflated, kept_from), axis=1)
        return iterate_block(*arguments, deflated=deflated, **options)

    monkeypatch.setattr(eigen, "iterate_block", lose_once)
    values, _ = compute_soft_modes(matrix, rigid=rigid, count=12, coarse=coarse)
    np.testing.assert_allclose(values, expected[:12], rtol=1e-9)
    assert len(calls) == 4  # lost it, noticed, found it, nothing lost


def test_nothing_is_lost_where_all_are_found() -> None:
    matrix, rigid, expected, _ = make_chain()
    ranks = np.arange(1, 14)
    vectors = np.cos(np.pi * ranks * (np.arange(N)[:, None] + 0.5) / N)
    vectors /= np.linalg.norm(vectors, axis=0)
    shift = (matrix + 1e-6 * eye_array(N)).toarray()
    inverse = np.linalg.inv(shift)
    options = {"rigid": rigid, "precondition": lambda force: inverse @ force}
    whole = EigenBlock(expected[:12], vectors[:, :12], np.zeros(12))
    assert find_lost_modes(matrix, whole, count=12, **options).shape == (N, 0)
    lacking = EigenBlock(np.delete(expected[:13], 4), np.delete(vectors, 4, axis=1), np.zeros(12))
    (lost,) = find_lost_modes(matrix, lacking, count=12, **options).T
    assert abs(lost @ vectors[:, 4]) > 0.999


def test_what_does_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eigen, "MAX_ITERATIONS", 2)
    matrix, rigid, _, coarse = make_chain()
    with pytest.raises(InputError, match=r"did not converge in 2 .*--cutoff"):
        compute_soft_modes(matrix, rigid=rigid, count=12, coarse=coarse)


@pytest.mark.parametrize("dense_below", [0, 5000])
def test_progress_adds_up_to_all(monkeypatch: pytest.MonkeyPatch, dense_below: int) -> None:
    monkeypatch.setattr(eigen, "DENSE_BELOW", dense_below)
    matrix, rigid, _, coarse = make_chain()
    shares: list[float] = []
    compute_soft_modes(matrix, rigid=rigid, count=8, coarse=coarse, advance=shares.append)
    assert min(shares) > 0
    assert sum(shares) == pytest.approx(1)


def _join(first: csr_array, second: csr_array) -> csr_array:
    rows, columns = first.shape
    one, other = first.tocoo(), second.tocoo()
    places = np.concatenate((one.row, other.row + rows)), np.concatenate((one.col, other.col + columns))
    return csr_array((np.concatenate((one.data, other.data)), places), shape=(2 * rows, 2 * columns))


def test_too_many_modes_of_too_many_coordinates_are_refused_before_the_matrix_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(eigen, "DENSE_AT_MOST", 100)
    hessian = csr_array((np.ones(120), (np.arange(120), np.arange(120))), shape=(120, 120))
    with pytest.raises(InputError, match="fewer than 15"):
        compute_soft_modes(hessian, rigid=np.zeros((120, 0)), count=20, coarse=csr_array((120, 1)))
