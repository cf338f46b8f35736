"""The benchmark of beads runs, small, and shows what it is there to show."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "beads.py"


def test_fitted_beads_look_more_like_the_atoms(tmp_path: Path) -> None:
    options = ("--molecules", "AK", "--resolutions", "5", "12", "--images", "6", "--results", str(tmp_path))
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "beads.json").read_text())["rows"]
    found = {(row["sites"], row["resolution (A)"]): row for row in rows}
    assert len(found) == len(rows) == 10
    assert all(row["analytic"] <= row["fitted"] for row in rows)
    assert found["ca-p", 5]["analytic"] < 0.975 < found["ca-p", 5]["fitted"]
    assert found["ca-p", 12]["1 - fitted"] < found["ca-p", 12]["1 - analytic"] / 5
    assert found["heavy", 5]["fitted"] > 0.99999
    assert found["residue / 10", 5]["n"] == 21
    estimates = json.loads((tmp_path / "bead_estimates.json").read_text())["rows"]
    errors = {(row["reference"], row["resolution (A)"]): row["|q error|"] for row in estimates}
    assert errors["heavy", 5] < 0.5 < errors["ca, fitted", 5] < 10
    assert errors["ca, fitted", 12] < errors["ca", 12]
