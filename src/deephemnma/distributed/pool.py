"""Processes that work through blocks.

Each worker runs with one thread, so that an image gets the same arithmetic, and so the same answer, whether 1 worker
or 64 share the blocks.
"""

import os
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import torch

from deephemnma.distributed.device import number_worker

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PARENT_CHECK_SECONDS = 0.5
_prepare: Callable[[], Callable[[Any], Any]] | None = None
_work: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Done:
    """One finished item.

    Attributes
    ----------
    item
        What was worked on.
    result
        What came of it.
    process
        Number of the process that did it.
    cpu_seconds
        CPU time that process has used since it started.
    """

    item: Any
    result: Any
    process: int
    cpu_seconds: float


def map_blocks(prepare: Callable[[], Callable[[Any], Any]], items: Iterable[Any], *, n_workers: int) -> Iterator[Done]:
    """Work through `items` and yield each as it is done.

    Parameters
    ----------
    prepare
        Called once in each process; returns the function that is called on each item. With several workers it must
        be picklable (a function of a module, or a ``functools.partial`` of one).
    items
        What the function is called on; each a small picklable thing.
    n_workers
        1 works in this process.
    """
    if n_workers == 1:
        yield from _map_here(prepare, items)
        return
    items = list(items)
    context = get_context("spawn")
    with _single_thread_environment():
        pool = ProcessPoolExecutor(
            n_workers,
            mp_context=context,
            initializer=_start,
            initargs=(pickle.dumps(prepare), context.Value("i", 0)),
        )
        try:
            yield from _drain({pool.submit(_run, item) for item in items})
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _map_here(prepare: Callable[[], Callable[[Any], Any]], items: Iterable[Any]) -> Iterator[Done]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        work = prepare()
        for item in items:
            yield _finish(work, item)
    finally:
        torch.set_num_threads(threads)


def _drain(pending: set[Future]) -> Iterator[Done]:
    while pending:
        finished, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in finished:
            yield future.result()


def _start(pickled: bytes, started: Synchronized) -> None:
    """Keep what makes this process's worker. Plain pickling copies tensors, which processes would share otherwise."""
    global _prepare
    with started.get_lock():
        number_worker(started.value)
        started.value += 1
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    torch.set_num_threads(1)
    _prepare = pickle.loads(pickled)


def _end_with(parent: int) -> None:
    """End this process when `parent` has ended, however that was killed: it would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)


def _run(item: Any) -> Done:
    """Work on `item`. The worker is made here, for what fails in an item is told; what fails at the start is not."""
    global _work
    if _work is None:
        _work = _prepare()
    return _finish(_work, item)


def _finish(work: Callable[[Any], Any], item: Any) -> Done:
    return Done(item, work(item), os.getpid(), time.process_time())


@contextmanager
def _single_thread_environment() -> Iterator[None]:
    """Let processes started inside see one thread a library: they read it when they are imported."""
    kept = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
