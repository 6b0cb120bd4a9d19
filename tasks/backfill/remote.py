"""What a worker of a cluster does; whoever drives it calls these functions there, by their names.

Its models are loaded once in each of its processes: a bench stays there until its run is over, or until
`KEPT` younger ones have come.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks.backfill import fingerprints
from tasks.backfill.bench import Answer, Bench, Order, Start, unforeseen
from tasks.backfill.fingerprints import Models, Program
from tasks.backfill.sealed_files import store
from tasks.errors import ClaimledgerError, GateError, LakeError

KEPT = 2
"""Runs of several lakes may share a cluster; of runs that died nobody says that they are over."""
_benches: dict[tuple[str, int], Bench] = {}


@dataclass(frozen=True)
class Greeting:
    """A worker's program, and the time by its clock."""

    program: Program
    at: float


@dataclass(frozen=True)
class Preparation:
    """What a worker judges with, or why it cannot."""

    models: Models | None
    error: str = ""


class Seat:
    """An actor of a Ray cluster: a process of its own."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function answers there."""
        return function(*arguments)


def greet() -> Greeting:
    """Loads nothing."""
    return Greeting(Program.here(), time.time())


def prepare(start: Start, number: int, proof: Path, content: str) -> Preparation:
    """Loads the models; `proof` is a file of the lake, and has that content where the storage is shared."""
    try:
        if not proof.is_file() or proof.read_text("utf-8") != content:
            raise LakeError(f"it does not see the lake's folder {start.lake}; mount it under that path")
        return Preparation(fingerprints.models(start, _bench(start, number).identity))
    except ClaimledgerError as error:
        return Preparation(None, str(error))
    except Exception as error:  # noqa: BLE001 - a worker that cannot be used must not end the run
        return Preparation(None, str(unforeseen(error)))


def answer(start: Start, number: int, order: Order, folder: Path) -> Answer:
    """Judges a unit as far as the seal and leaves it in a folder of the lake's scratch."""
    judged = _bench(start, number).answer(order)
    if judged.sealed is None:
        return judged
    try:
        return replace(judged, sealed=None, stored=store(judged.sealed, folder))
    except OSError as error:
        sentence = f"{folder}: the lake's scratch cannot be written ({error.strerror})"
        return replace(judged, sealed=None, error=GateError(sentence))


def finish(run_id: str, number: int) -> None:
    """Writes what Great Expectations has still to write, and forgets the models."""
    bench = _benches.pop((run_id, number), None)
    if bench is not None:
        bench.finish()


def _bench(start: Start, number: int) -> Bench:
    key = (start.run_id, number)
    if key not in _benches:
        while len(_benches) >= KEPT:
            del _benches[next(iter(_benches))]
        _benches[key] = Bench(start, number)
    return _benches[key]
