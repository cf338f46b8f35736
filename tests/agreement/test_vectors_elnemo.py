"""elNemo's own file of vectors comes in as modes of the sites."""

from pathlib import Path

import pytest
import torch

from deephemnma.core.model import Basis
from deephemnma.core.superposition import superimpose
from deephemnma.io.structure import read_structure
from deephemnma.io.vectors import read_vectors
from deephemnma.modes.analysis import compute_cumulative_overlap
from deephemnma.modes.correspondence import match_sites
from deephemnma.modes.imported import make_imported_modes
from deephemnma.reference.site import select_sites

pytestmark = pytest.mark.shared_data


@pytest.mark.parametrize(("block", "softest"), [(1, 0.1814), (10, None)])
def test_eigenfacs_become_modes_that_close_adenylate_kinase(
    shared_data: Path, block: int, softest: float | None
) -> None:
    read = read_vectors(shared_data / "modes" / "elnemo" / f"4ake_A_c8_k10_block{block}.eigenfacs")
    structures = shared_data / "structures"
    sites, closed = (
        select_sites(read_structure(structures / name), "heavy") for name in ("4ake_chainA.pdb", "1ake_chainA.pdb")
    )
    modes = make_imported_modes(
        sites.positions, vectors=read.vectors, eigenvalues=read.eigenvalues, numbers=read.numbers
    )
    assert modes.basis == Basis.IMPORTED
    assert modes.numbers[0] == 7
    if softest is not None:
        assert float(modes.eigenvalues[0]) == pytest.approx(softest, rel=1e-3)
    gram = modes.vectors.flatten(1) @ modes.vectors.flatten(1).T
    torch.testing.assert_close(gram, torch.eye(modes.n_modes, dtype=torch.float64), atol=1e-3, rtol=0)
    pairs = match_sites(sites, closed)
    assert len(pairs.first) == modes.n_sites
    target = closed.positions[pairs.second]
    overlaps = compute_cumulative_overlap(modes, superimpose(target, sites.positions) - sites.positions)
    assert overlaps[0] > 0.8
    assert overlaps[-1] > 0.93
