"""What users see: progress with the time left, a short summary, one line for each mistake."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

from deephemnma.settings.build import list_changed
from deephemnma.settings.stage.run import RunStage


def run_and_report(
    run: Callable[..., Path], settings: Any, *, output: Path, advice: str, table: str | None = None
) -> None:
    """Run a stage with a progress bar, then print its summary and what to do next.

    Parameters
    ----------
    run
        One of the functions of :mod:`deephemnma.pipeline`.
    settings
        Its settings.
    output
        Its folder.
    advice
        The next command; ``{output}`` stands for the folder, ``{particles}``, ``{estimates}`` and ``{reference}`` for
        these options as they were given, or for what is to be filled in (``{molecule}``: the last without modes),
        ``{proposal}`` for the modes proposed, or what is to be filled in.
    table
        Name of a text file among the results, to be printed above the summary.
    """
    from deephemnma.pipeline.manifest import read_manifest
    from deephemnma.pipeline.progress import listen_to_announcements, listen_to_progress

    earlier = read_manifest(output)
    with show_progress() as reporter, listen_to_progress(reporter), listen_to_announcements(tell):
        folder = run(settings, output=output)
    manifest = read_manifest(folder)
    if earlier is not None and earlier.status == "done" and earlier.finished == manifest.finished:
        print(f"Nothing to do: {folder} holds this result already.")
    if table is not None:
        print((folder / table).read_text(encoding="utf8"))
    print_summary(manifest.summary)
    proposal = manifest.summary.get("proposal")
    told = {"proposal": "MODES" if proposal == "none" else proposal}
    print(f"{manifest.stage}: {manifest.wall_seconds:.0f} s ({manifest.cpu_seconds:.0f} CPU s), results in {folder}")
    print(f"Next: {advice.format(output=quote(str(folder)), **repeat_options(settings), **told)}")


def repeat_options(settings: Any) -> dict[str, str]:
    """Return the options that the next command needs as well, as they are written on the command line."""
    options = {"particles": "--particles STAR", "estimates": "--estimates ESTIMATES"}
    options["reference"], options["molecule"] = "--reference REF --modes 7-9", "REF"
    for name in ("particles", "estimates"):
        if isinstance(path := getattr(settings, name, None), Path):
            options[name] = f"--{name} {quote(str(path))}"
    if getattr(settings, "datadir", None) is not None:
        options["particles"] += f" --datadir {quote(str(settings.datadir))}"
    given = getattr(settings, "reference", None)
    if hasattr(given, "modes"):
        words = ["--reference", str(given.reference), "--modes", given.modes, *list_changed(given.molecule)]
        options["reference"] = " ".join(map(quote, words))
        options["molecule"] = " ".join(map(quote, (str(given.reference), *list_changed(given.molecule))))
    return options


def run_project_and_report(settings: RunStage, *, output: Path) -> None:
    """Run a project with a progress bar a stage and a line for each that is done; print the tables of its reports."""
    from deephemnma.pipeline.manifest import read_manifest
    from deephemnma.pipeline.progress import listen_to_announcements, listen_to_progress
    from deephemnma.pipeline.project import run_project
    from deephemnma.pipeline.reporting import REPORT_FILE, TABLES_FILE

    folders: list[Path] = []

    def tell_stage(name: str, folder: Path) -> None:
        manifest = read_manifest(folder)
        print(f"{name}: done in {manifest.wall_seconds:.0f} s ({manifest.cpu_seconds:.0f} CPU s)", flush=True)
        print_summary(manifest.summary)
        folders.append(folder)

    with show_progress() as reporter, listen_to_progress(reporter), listen_to_announcements(tell):
        run_project(settings, output=output, tell=tell_stage)
    for tables in (folder / TABLES_FILE for folder in folders):
        if tables.exists():
            print(f"\n{tables.read_text(encoding='utf8')}")
    for report in (folder / REPORT_FILE for folder in folders):
        if report.exists():
            print(f"Open {report} in a browser.")


def print_summary(summary: dict[str, Any]) -> None:
    """Print a stage's summary, a line a fact."""
    for name, value in summary.items():
        print(f"  {name}: {f'{value:.4g}' if isinstance(value, float) else value}")


@contextmanager
def show_progress() -> Iterator[Callable]:
    """Yield a reporter for :func:`~deephemnma.pipeline.progress.listen_to_progress` that draws bars on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(file=sys.stderr))

    @contextmanager
    def report(label: str, total: int | float) -> Iterator[Callable[[int | float], None]]:
        progress.start()  # not before, for without a bar it would leave an empty line
        task = progress.add_task(label, total=total)
        yield lambda amount: progress.update(task, advance=amount)
        progress.stop_task(task)

    try:
        yield report
    finally:
        if progress.tasks:
            progress.stop()


def tell(sentence: str) -> None:
    """Print a sentence on stderr, above the bars."""
    print(sentence, file=sys.stderr)


def tell_mistake(command: str, message: str) -> None:
    """Print a user's mistake as one line on stderr."""
    print(f"{f'deephemnma {command}'.strip()}: {' '.join(message.split())}", file=sys.stderr)
