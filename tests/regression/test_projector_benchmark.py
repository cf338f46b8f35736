"""The benchmark of the projectors runs, small, and shows what it is there to show."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "projectors.py"


def test_what_projectors_add_to_the_estimates_is_far_under_the_noise(tmp_path: Path) -> None:
    options = (
        "--images",
        "6",
        "--boxes",
        "32",
        "--seconds",
        "0.02",
        "--molecules",
        "atoms",
        "beads",
        "--results",
        str(tmp_path),
    )
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stored = json.loads((tmp_path / "projectors.json").read_text())
    rows = {(row["set"], row["method"]): row for row in stored["rows"]}
    assert {name for name, _ in rows} == {"AK, atoms", "AK, beads"}
    for (_, method), row in rows.items():
        assert row["project/s"] > 0
        if method == "exact sum":
            continue
        assert row["linearize/s"] > 0
        assert 0 < row["of peak"] < 1
        gaussian, coarse = "slices" not in method, method == "finufft 1e-02"
        assert row["image error"] < (0.1 if not gaussian else 2e-2 if coarse else 1e-3)
        assert row["estimate's shift (sd)"] < (0.5 if not gaussian else 0.2 if coarse else 0.02)
    assert all(stored["notes"][key] > 0 for key in stored["notes"] if key.startswith("peak"))
