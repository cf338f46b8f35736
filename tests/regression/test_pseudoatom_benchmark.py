"""The benchmark of pseudoatoms runs, small: the target is reached, and their modes are those of the atoms."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "pseudoatoms.py"


def test_pseudoatoms_of_adenylate_kinase_move_as_its_atoms_do(tmp_path: Path) -> None:
    options = ("--targets", "0.05", "--threads", "1", "--results", str(tmp_path))
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = {row["set"]: row for row in json.loads((tmp_path / "pseudoatoms.json").read_text())["rows"]}
    assert set(rows) == {"AK, 3 A", "AK, 5 A"}
    for row in rows.values():
        assert row["mean error"] <= 0.05
        assert row["correlation"] > 0.97
        assert 300 < row["Gaussians"] < 4000
        assert row["overlap"] > 0.98  # 0.9 was asked for
