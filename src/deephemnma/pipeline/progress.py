"""How far a stage has come, told to whoever listens; silent by default."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Advance = Callable[[int | float], None]
Reporter = Callable[[str, int | float], AbstractContextManager[Advance]]

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
