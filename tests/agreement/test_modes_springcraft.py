"""Against ProDy and bio3d, by the reference values of springcraft's tests: CA atoms of 1L2Y and 7CAL."""

from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from jaxtyping import Float

from deephemnma.io.structure import read_structure
from deephemnma.modes.elastic_network import compute_distances, find_pairs
from deephemnma.modes.force_field import ForceField
from deephemnma.modes.hessian import compute_hessian
from deephemnma.modes.hinsen import Hinsen
from deephemnma.modes.inverse_square import InverseSquare
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.modes.uniform_cutoff import UniformCutoff
from deephemnma.reference.site import select_sites

pytestmark = pytest.mark.shared_data
ALL_PAIRS = 1000.0  # A
BIO3D_DIGITS = 1e-6  # its eigenvalues are rounded to six places
BIO3D = {"calpha": Hinsen(), "pfanm": InverseSquare()}


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "modes" / "springcraft"


def read_positions(folder: Path, molecule: str) -> Float[np.ndarray, "sites 3"]:
    return select_sites(read_structure(folder / f"{molecule}.pdb"), "ca").positions.numpy()


def read_values(folder: Path, name: str) -> np.ndarray:
    return np.loadtxt(folder / f"{name}.csv.gz", delimiter=",")


def compute_dense_hessian(
    positions: Float[np.ndarray, "sites 3"], force_field: ForceField, *, cutoff: float = ALL_PAIRS
) -> Float[np.ndarray, "coordinates coordinates"]:
    pairs = find_pairs(positions, cutoff=cutoff)
    stiffness = force_field.compute_stiffness(compute_distances(positions, pairs))
    return compute_hessian(positions, pairs, stiffness=stiffness).toarray()


def test_prodys_eigenvalues(folder: Path) -> None:
    expected = torch.from_numpy(read_values(folder, "prody_anm_13_ang_cutoff_evals_1l2y"))
    positions = torch.from_numpy(read_positions(folder, "1l2y"))
    modes = compute_modes(positions, cutoff=13.0, n_modes=len(expected), force_field=UniformCutoff(stiffness=1.0))
    assert torch.allclose(modes.eigenvalues[6:], expected[6:], atol=1e-7)


def test_prodys_softest_eigenvalues_of_a_large_protein(folder: Path) -> None:
    expected = torch.from_numpy(read_values(folder, "prody_anm_13_ang_cutoff_evals_7cal"))[:20]
    positions = torch.from_numpy(read_positions(folder, "7cal"))
    modes = compute_modes(positions, cutoff=13.0, n_modes=20, force_field=UniformCutoff(stiffness=1.0))
    assert torch.allclose(modes.eigenvalues[6:], expected[6:], rtol=1e-6)


@pytest.mark.parametrize("name", BIO3D)
def test_bio3ds_hessian(folder: Path, name: str) -> None:
    expected = read_values(folder, f"bio3d_anm_{name}_ff_hessian_1l2y")
    found = compute_dense_hessian(read_positions(folder, "1l2y"), BIO3D[name])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", BIO3D)
def test_bio3ds_eigenvalues_weighted_by_mass(folder: Path, name: str) -> None:
    expected = read_values(folder, f"bio3d_anm_{name}_ff_evals_mw_1l2y")
    heaviness = np.repeat(read_values(folder, "bio3d_mass_1l2y"), 3) ** 0.5
    hessian = compute_dense_hessian(read_positions(folder, "1l2y"), BIO3D[name])
    found = scipy.linalg.eigvalsh(hessian / np.outer(heaviness, heaviness))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=BIO3D_DIGITS)
