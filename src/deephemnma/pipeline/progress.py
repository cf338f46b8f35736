"""How far a stage has come and what it plans, told to whoever listens; silent by default."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Advance = Callable[[int | float], None]
Reporter = Callable[[str, int | float], AbstractContextManager[Advance]]

_LISTENER: ContextVar[Callable[[str], None]] = ContextVar("listener", default=lambda sentence: None)
_REPORTER: ContextVar[Reporter] = ContextVar("reporter", default=lambda label, total: nullcontext(lambda amount: None))


def track_progress(label: str, total: int | float) -> AbstractContextManager[Advance]:
    """Return a context whose value is called with the amount done since the last call, `total` in all."""
    return _REPORTER.get()(label, total)


@contextmanager
def listen_to_progress(reporter: Reporter) -> Iterator[None]:
    """Send the progress of what runs inside to `reporter`."""
    token = _REPORTER.set(reporter)
    try:
        yield
    finally:
        _REPORTER.reset(token)


def announce(sentence: str) -> None:
    """Say what is about to be done."""
    _LISTENER.get()(sentence)


@contextmanager
def listen_to_announcements(listener: Callable[[str], None]) -> Iterator[None]:
    """Send what is announced inside to `listener`."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
