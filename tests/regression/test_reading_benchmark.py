"""The benchmark of reading runs, small, and its figures are sane."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "reading.py"


def test_reading_is_measured_beside_a_plain_copy(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARK), "--images", "300", "--box-size", "16", "--rows", "500"]
    subprocess.run([*command, "--results", str(tmp_path)], capture_output=True, check=True)
    images = json.loads((tmp_path / "reading.json").read_text())["rows"]
    assert images[0]["method"].startswith("plain copy in order")
    assert len(images) == 4
    assert all(row["images/s"] > 0 and row["own memory (MiB)"] < 100 for row in images)
    (table,) = json.loads((tmp_path / "reading_tables.json").read_text())["rows"]
    assert table["peak memory (MiB)"] > 50
