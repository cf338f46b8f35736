"""What every benchmark ends in: a table to read and a JSON file to keep."""

import argparse
import json
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table


class CpuClock:
    """CPU seconds of this process, all threads, since it was made."""

    def __init__(self) -> None:
        self._start = time.process_time()

    @property
    def seconds(self) -> float:
        """So far."""
        return time.process_time() - self._start


def report(
    name: str, rows: Sequence[Mapping[str, object]], *, notes: Mapping[str, object], folder: Path | None
) -> None:
    """Print `rows` as a table; with a `folder`, write them with `notes` and the machine to ``<name>.json`` there."""
    console = print_table(name, rows)
    for key, value in notes.items():
        console.print(f"{key}: {_format(value)}", highlight=False)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        machine = {"machine": platform.machine(), "torch": torch.__version__, "threads": torch.get_num_threads()}
        content = {"rows": list(rows), "notes": dict(notes), "machine": machine}
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1, default=float) + "\n")


def print_table(title: str, rows: Sequence[Mapping[str, object]]) -> Console:
    """Print `rows`, without the columns in which none has a value; return where."""
    columns = [name for name in rows[0] if any(row.get(name) is not None for row in rows)] if rows else []
    table = Table(title=title, padding=(0, 0))
    for column in columns:
        table.add_column(column, justify="left" if column in ("", "set", "method") else "right")
    for row in rows:
        table.add_row(*(_format(row.get(name)) for name in columns))
    console = Console(width=max(200, Console().width))
    console.print(table)
    return console


def _format(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def add_results_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where :func:`report` writes."""
    parser.add_argument("--results", type=Path, help="folder for the figures as JSON, such as benchmarks/results")
