"""Files of spans read and put together by several processes: first a file each, then some of the traces each.

Spans stay on the disk between the two: a process puts them aside by digests of trace ids, and whoever has
the digest reads them from there. Files come back in the order of their names and traces in that of their
digests, so the rows are those of one process, in its order. A few pieces are in flight for each process; the
rest wait.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from tasks.files import process_pool
from tasks.files.beside import in_order
from tasks.files.places import Place
from tasks.sources.base import COLLECTED_AFTER, Batch, Scope
from tasks.sources.gathering import Part, Parts, Scratch, Traces
from tasks.sources.minimise import Taken
from tasks.sources.parameters import SpanSettings
from tasks.sources.raw_spans import is_complete
from tasks.sources.secrets import minimiser
from tasks.sources.span_answers import Answers
from tasks.sources.span_files import Reader, Reading, SpanFile

WORTHWHILE_BYTES = 128 * 2**20
"""Of files to be read: below, the processes would take longer to start than they save."""
PIECE_BYTES = 16 * 2**20
"""Of spans that a process puts together at once: some two batches of answers."""
IN_FLIGHT = 2
"""Pieces for each process: one that it does, and one that it does next."""

Piece = list[list[Part]]
W = TypeVar("W")
R = TypeVar("R")


@dataclass(frozen=True)
class Answered:
    """What a piece became."""

    batches: list[Batch]
    open: set[int]
    shares: dict[int, set[int]]
    records: int
    """Records that were minimised."""


@dataclass
class _Work:
    """What a process has."""

    source: SpanSettings
    wait_hours: float
    scope: Scope
    reader: Reader
    traces: Traces
    scratch: Scratch


_work: _Work | None = None


def start(source: SpanSettings, wait_hours: float, scope: Scope, reader: Reader) -> None:
    """What a process of the pool runs first."""
    global _work  # noqa: PLW0603 - one per process of the pool
    gc.set_threshold(*COLLECTED_AFTER)
    _work = _Work(source, wait_hours, scope, reader, Traces(scope.work / "spans"), Scratch())


def can_help(processes: int, size: int) -> bool:
    """Whether several processes read so many bytes sooner, and find each other's files."""
    return processes > 1 and size >= WORTHWHILE_BYTES and Path(f"/proc/{os.getpid()}/fd").is_dir()


class Crew:
    """The processes."""

    def __init__(self, pool: ProcessPoolExecutor, processes: int) -> None:
        self._pool, self._processes = pool, processes

    def read(self, files: Sequence[tuple[Place, int]]) -> Iterator[tuple[SpanFile, Parts, Taken]]:
        """Files with their numbers: what was met in each, its spans, and what was minimised."""
        yield from self._each(_read, files)

    def answers(self, parts: Parts) -> Iterator[Answered]:
        """All traces, a piece after the other."""
        yield from self._each(_answer, self._pieces(parts))

    def has_open(self, parts: Parts) -> bool:
        """Whether a trace lacks its root or a parent."""
        return any(self._each(_has_open, self._pieces(parts)))

    def ids(self, parts: Parts) -> set[str]:
        """Ids of the traces."""
        return set().union(*self._each(_ids, self._pieces(parts)))

    def _pieces(self, parts: Parts) -> list[Piece]:
        sizes = {number: sum(part.size for part in of) for number, of in parts.items()}
        most = min(PIECE_BYTES, sum(sizes.values()) // (4 * self._processes))
        pieces: list[Piece] = []
        room = 0
        for number, of in parts.items():
            if room <= 0:
                pieces.append([])
                room = most
            pieces[-1].append(of)
            room -= sizes[number]
        return pieces

    def _each(self, do: Callable[[W], R], works: Sequence[W]) -> Iterator[R]:
        """Results in the order of the works."""
        try:
            yield from in_order(self._pool, do, works, IN_FLIGHT * self._processes)
        except BrokenProcessPool:
            raise InterruptedError(
                "a process that read its files was ended from outside, as a system does that has no memory "
                "left; set runner.pull_processes = 1, or give the run more memory"
            ) from None


@contextmanager
def crew(source: SpanSettings, wait_hours: float, scope: Scope, reader: Reader) -> Iterator[Crew]:
    """`scope.processes` processes, which end with this."""
    arguments = (source, wait_hours, replace(scope, marks={}), reader)
    with process_pool.pool(scope.processes, start, arguments) as pool:
        yield Crew(pool, scope.processes)


def _own() -> _Work:
    if _work is None:
        raise RuntimeError("the process was not started as one of a crew")
    return _work


def _read(file: tuple[Place, int]) -> tuple[SpanFile, Parts, Taken]:
    work, (place, number) = _own(), file
    own = minimiser(work.source)
    folder = work.scope.work / f"files-{os.getpid()}"
    reading = Reading(work.reader, work.scope.limits, folder, work.traces, own)
    return reading.read(place, number), work.traces.take(), own.taken()


def _answer(piece: Piece) -> Answered:
    work = _own()
    own = minimiser(work.source)
    answers = Answers(work.source, work.wait_hours, work.scope, own)
    batches = [batch for parts in piece for batch in answers.batches(work.scratch.groups(parts))]
    batches.append(answers.gatherer.batch())
    return Answered(batches, answers.open, answers.shares, own.records)


def _has_open(piece: Piece) -> bool:
    return any(not is_complete(group) for parts in piece for group in _own().scratch.groups(parts))


def _ids(piece: Piece) -> set[str]:
    return {group[0][0] for parts in piece for group in _own().scratch.groups(parts)}
