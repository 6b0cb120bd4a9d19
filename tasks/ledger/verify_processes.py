"""Segments are checked in several processes that share nothing; a process that dies is a finding.

Polars may abort on bytes that were made for it: the process is what protects the rest of the check.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from tasks.files import process_pool
from tasks.ledger.verify_segments import Scope, SegmentChecked, SegmentChecks, Work

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
        with process_pool.pool(workers, initializer, (scope,)) as pool:
            yield from _until_a_process_dies(pool, left, 2 * workers)
        if left:
            # One of those in flight killed its process; alone it shows which.
            with process_pool.pool(1, initializer, (scope,)) as pool:
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
