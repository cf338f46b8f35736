"""Facts found deep inside a stage that belong into its summary."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_NOTES: ContextVar[dict[str, Any] | None] = ContextVar("notes", default=None)


def note(name: str, value: Any) -> None:
    """Put a fact into the summary of the stage that runs; nothing happens outside of one."""
    notes = _NOTES.get()
    if notes is not None:
        notes[name] = value


@contextmanager
def collect_notes() -> Iterator[dict[str, Any]]:
    """Yield what is noted inside, in the order of the notes."""
    notes: dict[str, Any] = {}
    token = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(token)
