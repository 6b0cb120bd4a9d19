"""Segments are checked in several processes that share nothing; a process that dies is a finding.

Polars may abort on bytes that were made for it: the process is what protects the rest of the check.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from tasks.ledger.verify_segments import Scope, SegmentChecked, SegmentChecks, Work

_ENVIRONMENT = {
    # Threads of Polars must not be forked, and one per process is enough: the processes are the parallelism.
    "POLARS_MAX_THREADS": "1",
    # Memory that one segment needed is kept for the next: asking the system for it again and again costs more
    # than a tenth of the time. Both allocators, Polars' and Python's.
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1",
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}
_checks: SegmentChecks | None = None


def start(scope: Scope) -> None:
    """What a process of the pool runs first."""
    global _checks  # noqa: PLW0603 - one per process of the pool
    _checks = SegmentChecks(scope)


def _check(work: Work) -> SegmentChecked:
    assert _checks is not None  # noqa: S101 - the initializer ran
    return _checks.check(work)


def check_all(
    scope: Scope, works: Sequence[Work], workers: int, *, initializer: Callable[[Scope], None] = start
) -> Iterator[SegmentChecked]:
    """Checks segments in order, `workers` at a time, each process with the segments it holds in memory."""
    if workers <= 1 or len(works) <= 1:
        yield from map(SegmentChecks(scope).check, works)
        return
    left = deque(works)
    while left:
        with _pool(scope, workers, initializer) as pool:
            yield from _until_a_process_dies(pool, left, 2 * workers)
        if left:
            # One of those in flight killed its process; alone it shows which.
            with _pool(scope, 1, initializer) as pool:
                yield _alone(pool, left.popleft())


def _until_a_process_dies(
    pool: ProcessPoolExecutor, left: deque[Work], most: int
) -> Iterator[SegmentChecked]:
    flying: deque[Future[SegmentChecked]] = deque()
    while left:
        try:
            while len(flying) < min(most, len(left)):
                flying.append(pool.submit(_check, left[len(flying)]))
            done = flying[0].result()
        except BrokenProcessPool:
            return
        flying.popleft()
        left.popleft()
        yield done


def _alone(pool: ProcessPoolExecutor, work: Work) -> SegmentChecked:
    try:
        return pool.submit(_check, work).result()
    except BrokenProcessPool:
        done = SegmentChecked(work.segment, loose=list(work.rendered))
        done.findings.fail(
            f"{work.segment.path}: the process that checked it died; the segment, or a table file with its "
            "rows, is made to do that; restore both from a copy"
        )
        return done


@contextmanager
def _pool(scope: Scope, workers: int, initializer: Callable[[Scope], None]) -> Iterator[ProcessPoolExecutor]:
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=initializer, initargs=(scope,)) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
