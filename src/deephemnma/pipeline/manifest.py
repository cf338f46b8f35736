"""`manifest.json`: what made a stage's folder, and how far it got."""

import os
import platform
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deephemnma.io.atomic import read_json, write_json

NAME = "manifest.json"


@dataclass
class Manifest:
    """The record of one stage; times add up over interruptions.

    Attributes
    ----------
    stage
        Name of the command.
    settings
        All settings as resolved, as plain values.
    fingerprint
        Hash of all that the answer depends on.
    inputs
        Path and hash of each input.
    status
        "running" (also after a kill), "failed" or "done".
    outputs
        Files made, relative to the folder.
    summary
        What to tell the user, name by name.
    wall_seconds, cpu_seconds
        Time spent so far; the CPU time of all processes together.
    attempts
        How often the stage was started.
    """

    stage: str
    settings: dict[str, Any]
    fingerprint: str
    inputs: dict[str, str]
    status: str = "running"
    outputs: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    attempts: int = 0
    seed: int | None = None
    version: str = field(default_factory=lambda: version("deephemnma"))
    commit: str | None = field(default_factory=lambda: find_commit())
    host: str = field(default_factory=platform.node)
    n_cores: int | None = field(default_factory=os.cpu_count)
    python: str = field(default_factory=platform.python_version)
    started: str = field(default_factory=lambda: tell_time())
    finished: str | None = None

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into `folder`."""
        write_json(folder / NAME, vars(self))


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of `folder`, or None where there is none."""
    if not (folder / NAME).exists():
        return None
    content = read_json(folder / NAME)
    return Manifest(**{name: value for name, value in content.items() if name in Manifest.__dataclass_fields__})


def find_commit() -> str | None:
    """Return the commit of the package's source, or None outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def tell_time() -> str:
    """Return the time now, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Stopwatch:
    """Adds the time since its making, or its last call, to a manifest."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._wall, self._cpu = time.monotonic(), time.process_time()
        self._elsewhere: dict[int, float] = {}

    def note_process(self, process: int, cpu_seconds: float) -> None:
        """Count the CPU time that another process has used since it started."""
        if process != os.getpid():
            self._manifest.cpu_seconds += cpu_seconds - self._elsewhere.get(process, 0.0)
            self._elsewhere[process] = cpu_seconds

    def update(self) -> None:
        """Bring the manifest's times up to now."""
        wall, cpu = time.monotonic(), time.process_time()
        self._manifest.wall_seconds += wall - self._wall
        self._manifest.cpu_seconds += cpu - self._cpu
        self._wall, self._cpu = wall, cpu
