"""Work done several at a time by threads or processes, its results in order.

No more is begun than may be in flight, and what is done counts until its result is taken: whoever takes
results slowly holds the work back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

W = TypeVar("W")
R = TypeVar("R")


def in_order(pool: Executor, do: Callable[[W], R], works: Iterable[W], in_flight: int) -> Iterator[R]:
    """Results of a pool in the order of the works, of which so many are in flight at most."""
    left = iter(works)
    flying = deque[Future[R]](pool.submit(do, work) for work in islice(left, in_flight))
    while flying:
        yield flying.popleft().result()
        flying.extend(pool.submit(do, work) for work in islice(left, 1))


def beside(do: Callable[[W], R], works: Iterable[W], at_once: int) -> Iterator[R]:
    """As `in_order`, by as many threads as may be in flight, as for requests that wait; one without a thread.

    What one raises comes in its place; works that have begun are waited for, and others are not begun.
    """
    if at_once <= 1:
        yield from map(do, works)
        return
    with ThreadPoolExecutor(at_once) as threads:
        try:
            yield from in_order(threads, do, works, at_once)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
