"""What a worker is started with, what it is asked, and what it answers."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import ClaimledgerError, GateError
from tasks.evidence import index
from tasks.evidence.index import EMPTY_SNAPSHOT
from tasks.gate.validate import Result, Validator, load_team_suites
from tasks.judge.job import Gate, Job, Sealed
from tasks.judge.judge import judge
from tasks.lake.store import Lake
from tasks.sources.units import Unit
from tasks.verify.protocol import Usage, usage_of
from tasks.workbench import JudgeParameters, Workbench

if TYPE_CHECKING:
    from tasks.backfill.sealed_files import Stored


@dataclass(frozen=True)
class Start:
    """Of every worker of a run: what it judges with, and where what it validated is kept."""

    parameters: JudgeParameters
    lake: str
    run_id: str
    started_at: datetime
    snapshot: str
    folder: Path
    """Of the run; each worker has one in it."""
    suites: str
    """Folder of a team's own suites; empty for none."""
    maximum_quarantine_ratio: float
    data_docs: bool


@dataclass(frozen=True)
class Order:
    """A unit to judge."""

    unit: Unit
    reverify: bool = False
    is_pulled: bool = True
    """Its outputs come from records of this run, and are counted as such."""
    attempt: int = 1


@dataclass(frozen=True)
class Answer:
    """A unit that is sealed, or why it is not."""

    order: Order
    sealed: Sealed | None = None
    error: ClaimledgerError | None = None
    results: list[Result] = field(default_factory=list)
    """Of its validation."""
    usage: Usage | None = None
    """What it cost of a remote judge."""
    seconds: float = 0.0
    stored: Stored | None = None
    """Instead of `sealed`, from a worker on another machine."""


class Bench:
    """A worker's models, its gate and the corpus, each loaded at first use."""

    def __init__(self, start: Start, number: int) -> None:
        self._start = start
        self._bench = Workbench(start.parameters, Lake.open(start.lake))
        self._validator = Validator(
            start.folder / f"worker-{number}",
            data_docs=start.data_docs,
            run_id=start.run_id,
            now=start.started_at,
            maximum_quarantine_ratio=start.maximum_quarantine_ratio,
            team=load_team_suites(start.suites),
        )
        self._corpus: index.CorpusIndex | None = None

    def answer(self, order: Order) -> Answer:
        """Judges a unit as far as the seal; whatever goes wrong is the answer."""
        before, begun = self._usage(), time.monotonic()
        sealed: Sealed | None = None
        error: ClaimledgerError | None = None
        try:
            sealed = judge(order.unit.outputs(), self._job(order.unit), reverify=order.reverify)
        except ClaimledgerError as explained:
            error = explained
        except Exception as unexpected:  # noqa: BLE001 - one unit must not cost the others
            error = unforeseen(unexpected)
        return Answer(
            order,
            sealed,
            error,
            self._validator.take_results(),
            _spent(before, self._usage()),
            time.monotonic() - begun,
        )

    @property
    def identity(self) -> str:
        """Of its verifier, as tables name it; loads it."""
        return self._bench.identity

    def finish(self) -> None:
        """Writes what Great Expectations has still to write."""
        self._validator.finish()

    def _job(self, unit: Unit) -> Job:
        start = self._start
        if self._corpus is None and start.snapshot != EMPTY_SNAPSHOT:
            self._corpus = index.reader(
                self._bench.lake.root,
                start.snapshot,
                self._bench.embedder,
                start.parameters.corpus.index,
                threads=start.parameters.threads,
            )
        gate = Gate(self._validator)
        return Job(unit.name, self._bench, self._corpus, gate, start.run_id, datetime.now(UTC))

    def _usage(self) -> Usage | None:
        usage = usage_of(self._bench.verifier) if self._bench.has_verifier else None
        return None if usage is None else Usage(**asdict(usage))


def unforeseen(error: Exception) -> GateError:
    """An error that nothing explains: it may quote what it choked on, so its kind alone is said."""
    kind = "out of memory" if isinstance(error, MemoryError) else f"unexpected {type(error).__name__}"
    return GateError(f"{kind}; `claimledger audit --debug` over its day shows where")


def _spent(before: Usage | None, after: Usage | None) -> Usage | None:
    if after is None or before is None:
        return after
    return Usage(**{name: value - getattr(before, name) for name, value in asdict(after).items()})
