"""Broken inputs: each ends in one clear line and exit code 2."""

import re
import resource

import corpus_cryosparc
import corpus_parameter
import corpus_place
import corpus_stack
import corpus_star
import corpus_star_values
import pytest
from corpus_case import Case

from deephemnma.cli.main import main

MODULES = (corpus_star, corpus_star_values, corpus_cryosparc, corpus_parameter, corpus_stack, corpus_place)
CASES = {f"{module.__name__.removeprefix('corpus_')}: {case.name}": case for module in MODULES for case in module.CASES}
LARGEST_GROWTH = 300 << 10
"""KiB."""


def test_the_corpus_is_large():
    assert len(CASES) == sum(len(module.CASES) for module in MODULES)  # names tell them apart
    assert len(CASES) >= 100


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_broken_input_ends_in_one_clear_line(case: Case, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPHEMNMA_CACHE", str(tmp_path / "cache"))
    arguments = case.build(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
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
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < LARGEST_GROWTH
