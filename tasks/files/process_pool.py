"""A pool of processes that share nothing: one thread of Polars each, and none outlives who started it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

_ENVIRONMENT = {
    # Threads of Polars must not be forked, and one per process is enough: the processes are the parallelism.
    "POLARS_MAX_THREADS": "1",
    # Memory that one piece of work needed is kept for the next: asking the system for it again and again
    # costs more than a tenth of the time. Both allocators, Polars' and Python's.
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1",
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}


@contextmanager
def pool(
    workers: int, initializer: Callable[..., None], arguments: tuple[Any, ...]
) -> Iterator[ProcessPoolExecutor]:
    """So many processes, each of which runs `initializer` first; what is not begun at the end is not done."""
    context = multiprocessing.get_context("spawn")
    with (
        _environment(),
        ProcessPoolExecutor(
            workers, context, initializer=_start, initargs=(initializer, arguments)
        ) as processes,
    ):
        try:
            yield processes
        finally:
            processes.shutdown(wait=False, cancel_futures=True)


_lock = threading.Lock()
_pools = 0
_before: dict[str, str | None] = {}


@contextmanager
def _environment() -> Iterator[None]:
    """What processes begin with, until the last pool is gone: several threads may have one."""
    global _pools  # noqa: PLW0603 - the environment is one for all threads
    with _lock:
        if not _pools:
            _before.update({name: os.environ.get(name) for name in _ENVIRONMENT})
            os.environ.update(_ENVIRONMENT)
        _pools += 1
    try:
        yield
    finally:
        with _lock:
            _pools -= 1
            for name, value in _before.items() if not _pools else ():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _start(initializer: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    initializer(*arguments)


def _end_with_the_parent() -> None:
    """A parent that is killed cannot end its processes, and one that waits for work notices nothing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
