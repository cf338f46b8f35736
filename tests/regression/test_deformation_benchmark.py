"""The benchmark of deformation runs, and its figures hold."""

import sys
from pathlib import Path

import pytest

from deephemnma.io.structure import read_structure
from deephemnma.modes import compute_modes
from deephemnma.reference.site import select_sites

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark_module(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import deformation

    yield deformation
    sys.modules.pop("deformation", None)


def test_blocks_keep_what_straight_lines_stretch(benchmark_module, adenylate_kinase_path):
    beads = select_sites(read_structure(adenylate_kinase_path), "ca")
    modes = compute_modes(beads.positions, n_modes=7).select([7])
    linear, *blocks = benchmark_module.measure_all(beads, modes, sites="CA")
    assert linear["worst (%)"] > 30
    assert linear["RMSD to linear (A)"] == 0
    assert linear["correlation of projections"] == pytest.approx(1)
    for row in blocks:
        assert row["worst (A)"] < 1e-6
        assert row["two bonds apart, mean (A)"] < linear["two bonds apart, mean (A)"] / 5
        assert row["contacts, mean (A)"] < linear["contacts, mean (A)"] / 2.5
        assert 1 < row["RMSD to linear (A)"] < 2
        assert row["correlation of projections"] > 0.95


@pytest.mark.shared_data
def test_blocks_come_nearer_to_the_closed_structure(benchmark_module, adenylate_kinase_path, shared_data):
    atoms = read_structure(adenylate_kinase_path)
    modes = compute_modes(atoms.positions, n_modes=20)
    found = benchmark_module.approach_closed(atoms, modes, read_structure(shared_data / benchmark_module.CLOSED))
    for last, gain in ((7, 0.25), (9, 0.25), (12, 0.25), (20, 0.15)):
        linear, blocks = (found[f"RMSD to 1AKE (A), modes 7-{last}, {name}"] for name in ("linear", "blocks"))
        assert blocks < linear - gain
