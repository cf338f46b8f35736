"""Against ProDy and bio3d, by the reference values of springcraft's tests: 1L2Y, CA atoms."""

from pathlib import Path

import numpy as np
import pytest
import torch

from deephemnma.io.structure import read_structure
from deephemnma.modes.elastic_network import compute_distances, find_pairs
from deephemnma.modes.hessian import compute_hessian
from deephemnma.modes.inverse_square import InverseSquare
from deephemnma.modes.normal_modes import compute_modes
from deephemnma.modes.uniform_cutoff import UniformCutoff
from deephemnma.reference.site import select_sites

pytestmark = pytest.mark.shared_data


def test_prodys_eigenvalues(shared_data: Path) -> None:
    folder = shared_data / "modes" / "springcraft"
    sites = select_sites(read_structure(folder / "1l2y.pdb"), "ca")
    expected = torch.from_numpy(np.loadtxt(folder / "prody_anm_13_ang_cutoff_evals_1l2y.csv.gz", delimiter=","))
    modes = compute_modes(sites.positions, cutoff=13.0, n_modes=len(expected), force_field=UniformCutoff(stiffness=1.0))
    assert torch.allclose(modes.eigenvalues[6:], expected[6:], atol=1e-7)


def test_bio3ds_parameter_free_hessian(shared_data: Path) -> None:
    folder = shared_data / "modes" / "springcraft"
    positions = select_sites(read_structure(folder / "1l2y.pdb"), "ca").positions.numpy()
    expected = np.loadtxt(folder / "bio3d_anm_pfanm_ff_hessian_1l2y.csv.gz", delimiter=",")
    pairs = find_pairs(positions, cutoff=1000.0)
    stiffness = InverseSquare().compute_stiffness(compute_distances(positions, pairs))
    found = compute_hessian(positions, pairs, stiffness=stiffness).toarray()
    np.testing.assert_allclose(found, expected, atol=1e-6)
