"""Processes that judge units side by side, each with its models loaded once.

A worker goes as far as the seal and publishes nothing: the one who holds the lake does. One that dies, or
takes longer than a unit may, costs its unit alone: the answer says so, and another worker takes its place.
Workers heed no Ctrl-C, which a terminal sends to all of them; they end with the process that started them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType

from tasks.backfill.bench import Answer, Bench, Order, Start
from tasks.errors import GateError, TimeLimitError

JOIN_S = 10.0
"""For a worker to write what it validated, once nothing is left to judge."""
_context = multiprocessing.get_context("spawn")


def work(connection: Connection, start: Start, number: int) -> None:
    """What a worker does, until its connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    bench = Bench(start, number)
    while True:
        try:
            order = connection.recv()
        except EOFError:
            break
        connection.send(bench.answer(order))
    bench.finish()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    order: Order | None = None
    due: float = 0.0
    """When its unit has taken longer than it may."""


class Workers:
    """`count` processes; to be used as a context, which ends them."""

    def __init__(self, start: Start, count: int, *, limit_s: float) -> None:
        """`limit_s` is how long a unit may take."""
        self._start = shared(start, count)
        self._limit_s = limit_s
        self._workers: list[_Worker] = []
        self._count = count
        self._made = 0

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del error, trace
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            if kind is None:
                worker.process.join(JOIN_S)
            worker.process.kill()
            worker.process.join()
        self._workers = []

    @property
    def process_ids(self) -> list[int]:
        """Of those that are alive."""
        return [worker.process.pid or 0 for worker in self._workers]

    def answers(self, supply: Callable[[int], Order | None]) -> Iterator[Answer]:
        """Answers in the order in which they come, until nothing is under way and nothing is supplied.

        Args:
            supply: the next order, from the number of those under way; None for none at present.
        """
        waiting: list[Answer] = []
        while True:
            self._hand_out(supply, len(waiting))
            if waiting:
                # Handed out first, so that nobody is idle while the answer is published.
                yield waiting.pop(0)
                continue
            if not self._busy:
                return
            waiting += self._next()

    @property
    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.order is not None]

    def _hand_out(self, supply: Callable[[int], Order | None], unpublished: int) -> None:
        while len(self._busy) < self._count:
            order = supply(len(self._busy) + unpublished)
            if order is None:
                return
            worker = next((each for each in self._workers if each.order is None), None) or self._hire()
            worker.order, worker.due = order, time.monotonic() + self._limit_s
            with suppress(OSError):  # a worker that is dead already says so when its answer is waited for
                worker.connection.send(order)

    def _hire(self) -> _Worker:
        here, there = _context.Pipe()
        self._made += 1
        process = _context.Process(target=work, args=(there, self._start, self._made), daemon=True)
        with _environment(self._start.parameters.threads):
            process.start()
        there.close()
        worker = _Worker(process, here)
        self._workers.append(worker)
        return worker

    def _next(self) -> list[Answer]:
        """What the workers under way say next; at least one answer, unless nobody was late or done."""
        soonest = min(worker.due for worker in self._busy)
        left_s = max(soonest - time.monotonic(), 0.0)
        ready = wait([worker.connection for worker in self._busy], left_s)
        answers = []
        for worker in self._busy:
            order = worker.order
            assert order is not None  # noqa: S101 - it is busy
            if worker.connection in ready:
                try:
                    answers.append(worker.connection.recv())
                    worker.order = None
                except (EOFError, OSError):
                    answers.append(Answer(order, error=self._dismiss(worker)))
            elif time.monotonic() >= worker.due:
                self._dismiss(worker)
                answers.append(Answer(order, error=late(order, self._limit_s)))
        return answers

    def _dismiss(self, worker: _Worker) -> GateError:
        """Ends a worker, and says how it had ended."""
        worker.process.join(1.0)
        status = worker.process.exitcode
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        how = f"by signal {-status}" if status is not None and status < 0 else f"with status {status}"
        return GateError(f"the process that judged it ended {how}; it may have run out of memory")


def shared(start: Start, workers: int) -> Start:
    """For one of so many workers: its part of the cores, and of the requests that a judge takes a minute."""
    threads = start.parameters.threads or max(1, (os.cpu_count() or 1) // workers)
    start = with_pace(start, workers)
    return replace(start, parameters=replace(start.parameters, threads=threads))


def is_paced(start: Start) -> bool:
    """Whether a judge takes so many requests a minute."""
    endpoint = start.parameters.verifier.endpoint
    return endpoint is not None and endpoint.requests_per_minute > 0


def with_pace(start: Start, workers: int) -> Start:
    """For one of so many workers: its part of the requests that a judge takes a minute."""
    parameters = start.parameters
    endpoint = parameters.verifier.endpoint
    if endpoint is None:
        return start
    endpoint = replace(endpoint, requests_per_minute=endpoint.requests_per_minute / workers)
    verifier = replace(parameters.verifier, endpoint=endpoint)
    return replace(start, parameters=replace(parameters, verifier=verifier))


def late(order: Order, limit_s: float) -> TimeLimitError:
    """Of a unit that took longer than one may."""
    return TimeLimitError(
        f"judging {order.unit.title} took longer than runner.stage_limit_s, {limit_s:g} s, and was stopped"
    )


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Libraries that read their number of threads when they are loaded."""
    names = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
