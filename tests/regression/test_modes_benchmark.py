"""The benchmark of the modes runs, small, and goes on where ProDy is not what it should be."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "modes.py"


def test_modes_are_measured_whatever_the_rival_does(tmp_path: Path) -> None:
    """A program that calls itself ProDy and fails is a row that says so."""
    rival = tmp_path / "python"
    rival.write_text("#!/bin/sh\ncase $1 in -c) echo 2.6.1;; *) echo 'no memory' >&2; exit 3;; esac\n")
    rival.chmod(0o755)
    options = ("--quick", "--sites", "120", "--repeats", "1", "--prody", str(rival), "--results", str(tmp_path))
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stored = json.loads((tmp_path / "modes.json").read_text())
    assert stored["notes"]["ProDy"] == "2.6.1"
    ours = {row["set"]: row for row in stored["rows"] if row["method"] == "deephemnma"}
    theirs = [row for row in stored["rows"] if row["method"].startswith("ProDy")]
    assert list(ours) == [row["set"] for row in theirs] == ["ANM", "RTB, 10 sites"]
    assert [row["failed"] for row in theirs] == ["no memory"] * 2
    for row in ours.values():
        assert row["sites"] == 120
        assert 0 < row["modes (CPU s)"] < row["all (CPU s)"]
        assert row["GiB"] > 0.01
    assert ours["RTB, 10 sites"]["blocks"] == 12


def test_prody_may_be_absent(tmp_path: Path) -> None:
    options = ("--quick", "--sites", "120", "--repeats", "1", "--prody", str(tmp_path / "no-such-python"))
    done = subprocess.run([sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ProDy: absent" in done.stdout
