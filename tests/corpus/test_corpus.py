"""Broken inputs: each ends in one clear line and exit code 2."""

import contextlib
import re
import resource
import sys
from pathlib import Path

import corpus_cryosparc
import corpus_parameter
import corpus_place
import corpus_stack
import corpus_star
import corpus_star_values
import pytest
from corpus_case import Case

from deephemnma.cli.main import main
from deephemnma.core.error import InputError
from deephemnma.io.metadata.xmipp import read_hemnma_results

MODULES = (corpus_star, corpus_star_values, corpus_cryosparc, corpus_parameter, corpus_stack, corpus_place)
CASES = {f"{module.__name__.removeprefix('corpus_')}: {case.name}": case for module in MODULES for case in module.CASES}
LARGEST_GROWTH = 300 << 10
"""KiB."""
STATUS = Path("/proc/self/status")


def measure_peak() -> int:
    """Return the most memory that this process has taken, KiB; on Linux since :func:`reset_peak`."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))


def reset_peak() -> int:
    """Forget what earlier tests took, which would hide what the next takes; return the peak that is left."""
    with contextlib.suppress(OSError):  # not Linux, or not allowed: then only growth beyond the earlier peak shows
        Path("/proc/self/clear_refs").write_text("5")
    return measure_peak()


def test_growth_would_show():
    before = reset_peak()
    bytearray(b"x") * (2 * LARGEST_GROWTH << 10)
    assert measure_peak() - before >= LARGEST_GROWTH


def test_the_corpus_is_large():
    assert len(CASES) == sum(len(module.CASES) for module in MODULES)  # names tell them apart
    assert len(CASES) >= 100


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_broken_input_ends_in_one_clear_line(case: Case, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPHEMNMA_CACHE", str(tmp_path / "cache"))
    arguments = case.build(tmp_path)
    before = reset_peak()
    try:
        code = main(arguments)
    except SystemExit as ending:  # the parser's own way out
        code = ending.code
    told = capsys.readouterr().err
    lines = [line for line in told.splitlines() if line.startswith("deephemnma")]
    assert code == 2, told
    assert len(lines) == 1, told
    assert re.search(case.message, lines[0]), lines[0]
    assert "Traceback" not in told
    assert "Error" not in lines[0]
    assert not (tmp_path / "ran").exists()  # what a pickle would have done
    assert measure_peak() - before < LARGEST_GROWTH


def test_the_compressed_format_of_cryosparc_names_what_reads_it(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.cs").write_bytes(b"\x94CSDAT" + bytes(99))
    monkeypatch.setitem(sys.modules, "cryosparc", None)
    monkeypatch.setitem(sys.modules, "cryosparc.dataset", None)
    assert main(["check", "--particles", str(tmp_path / "a.cs")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"a\.cs is in cryoSPARC's compressed format: .*pip install 'deephemnma\[cryosparc\]'", line)


@pytest.mark.parametrize(
    ("column", "wrong", "message"),
    [
        ("nmaDisplacements", "'10.0 x'", r"a\.xmd, row 3: nmaDisplacements is '10.0 x', wanted numbers"),
        ("nmaDisplacements", "'10.0 1_0'", r"a\.xmd, row 3: nmaDisplacements is '10.0 1_0', wanted numbers"),
        ("nmaDisplacements", "'10.0 nan'", r"a\.xmd, row 3: .*wanted finite numbers"),
        ("nmaDisplacements", "'10.0'", r"a\.xmd, row 3: 1 displacements, but 2 modes"),
        ("nmaDisplacements", "''", r"a\.xmd, row 3: 0 displacements, but 2 modes"),
        ("other", "1", r"a\.xmd lacks the column _nmaDisplacements"),
    ],
)
def test_broken_displacements_are_told_by_their_row(tmp_path, column, wrong, message):
    text = corpus_parameter.XMD.replace(" 1.3\n", " '10.0 -5.0'\n").replace("_samplingRate", f"_{column}")
    third = next(line for line in text.split("\n") if line.startswith("000003@"))
    (tmp_path / "a.xmd").write_text(text.replace(third, third.replace("'10.0 -5.0'", wrong)))
    with pytest.raises(InputError, match=message):
        read_hemnma_results(tmp_path / "a.xmd", mode_numbers=(7, 8), pixel_size=1.3)
