"""The command line: light help, one line for a mistake, exit codes."""

import errno
import shlex
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from deephemnma.cli.main import COMMANDS, main
from deephemnma.cli.section import retitle_sections
from deephemnma.pipeline.stage import run_stage

HEAVY = ("torch", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "jaxtyping")


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom deephemnma.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as ending:\n    assert ending.code == 0\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\nassert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: deephemnma" in done.stdout


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"• {command} " in shown for command in COMMANDS)


def test_help_tells_units_and_ranges(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--snr FLOAT" in shown
    assert "Underfocus" in shown or "underfocus, um" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_titles_in_words(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No section is headed by the name of a settings' field, and every box is as wide as before."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("╭")]
    assert any(head.startswith("╭─ Help and results ─") for head in heads)
    assert [head for head in heads if " options ─" in head] == []
    assert len({len(head) for head in heads}) == 1


def test_titles_keep_the_colour_of_the_frame() -> None:
    dim, reset = "\x1b[37;2m", "\x1b[0m"
    line = f"{dim}╭{reset}{dim}─{reset} {dim}settings.search{reset}{dim} options{reset} {dim}{'─' * 60}╮{reset}"
    title = "The search for pose and conformation"
    assert (
        retitle_sections(line) == f"{dim}╭─ {title} {'─' * (60 + len('settings.search options') - len(title))}╮{reset}"
    )
    assert retitle_sections("╭─ subcommands ───╮") == "╭─ subcommands ───╮"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["modes", "absent.pdb", "-o", "out"], "absent.pdb"),
        (["modes", "absent.pdb", "--cutoff", "-3", "-o", "out"], "--cutoff must be greater than 0, but -3.0"),
        (["estimate", "--reference", "r", "-o", "out"], "--particles"),
        (["simulate", "--reference", "r", "--snr", "much", "-o", "out"], "--snr"),
        (["no-such-command"], "no-such-command"),
        (["estimate", "--particles", "p", "--reference", "r", "--modes", "9-7", "-o", "o"], "runs backwards"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as ending:
        code = ending.code
    shown = capsys.readouterr().err.strip()
    assert code == 2
    assert len(shown.splitlines()) == 1
    assert shown.startswith("deephemnma")
    assert said in shown


def test_interruption_is_no_traceback(capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path) -> None:
    def interrupt(*values: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deephemnma.pipeline.modes.run_modes", interrupt)
    assert main(["modes", "x.pdb", "-o", str(tmp_path)]) == 130
    assert "goes on from here" in capsys.readouterr().err


def ask_torch_for_too_much() -> None:
    import torch

    torch.empty(1 << 62, dtype=torch.uint8)


def ask_numpy_for_too_much() -> None:
    import numpy as np

    np.empty(1 << 56)


@pytest.mark.parametrize("ask", [ask_torch_for_too_much, ask_numpy_for_too_much])
def test_too_little_memory_is_a_sentence(ask, capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("deephemnma.pipeline.modes.run_modes", lambda settings, *, output: ask())
    assert main(["modes", "x.pdb", "-o", str(tmp_path)]) == 2
    shown = capsys.readouterr().err.strip()
    assert len(shown.splitlines()) == 1
    assert "--box-size" in shown


def test_other_errors_keep_their_traceback(monkeypatch, tmp_path) -> None:
    def fail(settings: object, *, output: Path) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr("deephemnma.pipeline.modes.run_modes", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        main(["modes", "x.pdb", "-o", str(tmp_path)])


def test_a_full_or_forbidden_disk_is_a_sentence(capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path) -> None:
    def fill(settings: object, *, output: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(output / "a.npz"))

    monkeypatch.setattr("deephemnma.pipeline.modes.run_modes", fill)
    assert main(["modes", "x.pdb", "-o", str(tmp_path)]) == 2
    shown = capsys.readouterr().err.strip()
    assert len(shown.splitlines()) == 1
    assert "a.npz" in shown
    assert "No space left" in shown


@dataclass(frozen=True)
class Nothing:
    """Settings of a stage that does nothing."""


def test_the_next_command_repeats_what_it_needs(capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path) -> None:
    def do_nothing(settings: object, *, output: Path) -> Path:
        return run_stage("estimate", Nothing(), output=output, body=lambda settings, stage: {})

    monkeypatch.setattr("deephemnma.pipeline.estimate.run_estimate", do_nothing)
    folder = tmp_path / "found it"
    given = ["--particles", "p.star", "--reference", "r.pdb", "--modes", "7,8", "--sites", "ca", "--cutoff", "12"]
    assert main(["estimate", *given, "-o", str(folder)]) == 0
    arguments = shlex.split(capsys.readouterr().out.partition("Next: ")[2])
    wanted = dict(zip(given[::2], given[1::2], strict=True)) | {"--estimates": str(folder), "--cutoff": "12.0"}
    for option, value in wanted.items():
        assert arguments[arguments.index(option) + 1] == value
    assert "--n-modes" not in arguments  # as it comes


def test_what_is_said_of_an_option_is_one_paragraph(capsys: pytest.CaptureFixture[str]) -> None:
    """No line ends early: the breaks of the source are not those of the screen."""
    with pytest.raises(SystemExit):
        main(["modes", "--help"])
    told = capsys.readouterr().out
    said = told[told.index("│ --relative-cutoff") :].split("│ --")[1]
    lines = [line.strip("│ ") for line in said.strip().split("\n")][1:]
    assert len(lines) >= 3
    for line, following in pairwise(lines):
        assert len(line) + 1 + len(following.split()[0]) > 53  # columns beside the names of the options
