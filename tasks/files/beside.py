"""Work done several at a time by threads, such as requests that wait for a server, its results in order.

No more is begun than may be in flight, and what is done counts until its result is taken: whoever takes
results slowly holds the work back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

W = TypeVar("W")
R = TypeVar("R")


def beside(do: Callable[[W], R], works: Iterable[W], at_once: int) -> Iterator[R]:
    """Results in the order of the works, `at_once` of them in flight at most; one at a time without a thread.

    What one raises comes in its place; works that have begun are waited for, and others are not begun.
    """
    if at_once <= 1:
        yield from map(do, works)
        return
    left = iter(works)
    with ThreadPoolExecutor(at_once) as threads:
        flying = deque[Future[R]](threads.submit(do, work) for work in islice(left, at_once))
        try:
            while flying:
                yield flying.popleft().result()
                flying.extend(threads.submit(do, work) for work in islice(left, 1))
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
