"""What passes between the calls of a unit: what it is judged with, and what each call makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from tasks import tables
from tasks.evidence.index import EMPTY_SNAPSHOT, CorpusIndex
from tasks.gate.reconcile import Counts
from tasks.gate.validate import Validator
from tasks.schema import conform
from tasks.verify.batch_store import WAITING
from tasks.workbench import Workbench


class Gate:
    """Validates the tables of one unit one after the other, keeps what is good, collects what is refused."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator
        self._rows_in: dict[str, int] = {}
        self._refused: list[pl.DataFrame] = [tables.QUARANTINE.empty()]

    def check(self, table: str, frame: pl.DataFrame, refused: pl.DataFrame | None = None) -> pl.DataFrame:
        """The good rows of a frame; `refused` (QUARANTINE) are rows that never got so far.

        Raises:
            GateError: the failure is systematic, or a critical expectation fails.
        """
        checked = self._validator.check(table, conform(tables.TABLES[table], frame))
        before = tables.QUARANTINE.empty() if refused is None else refused
        self._refused += [checked.quarantine, before]
        self._rows_in[table] = frame.height + before.height
        return checked.good

    def quarantine(self) -> pl.DataFrame:
        """All refused rows, each once."""
        return pl.concat(self._refused).unique("row_sha256", maintain_order=True)

    @property
    def rows_in(self) -> dict[str, int]:
        """Per table: rows that came in."""
        return dict(self._rows_in)


@dataclass(frozen=True)
class Job:
    """What a unit is judged with: models and parameters, the corpus, its gate, the run and the moment."""

    unit: str
    bench: Workbench
    corpus: CorpusIndex | None
    gate: Gate
    run_id: str
    now: datetime
    done: Callable[[float], None] | None = None
    """Told the share of the unit's pairs that is scored."""

    @property
    def snapshot(self) -> str:
        """The corpus state that verdicts name."""
        return self.corpus.snapshot if self.corpus else EMPTY_SNAPSHOT


@dataclass(frozen=True)
class Material:
    """What a unit is judged from: good rows of OUTPUTS, CLAIMS and PASSAGES (of their contexts)."""

    outputs: pl.DataFrame
    claims: pl.DataFrame
    passages: pl.DataFrame
    addresses: pl.DataFrame
    """FINDINGS of text that addresses the judge, which actions heed."""
    findings: pl.DataFrame
    """All FINDINGS that are to be published."""
    named: pl.DataFrame | None = None
    """`look_up.NAMED`: the corpus's passages of documents that the outputs name without text."""
    lookups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By source, how many such documents the corpus has and has not."""


@dataclass(frozen=True)
class Scores:
    """What the verifier says of some claims and their passages."""

    evidence: pl.DataFrame
    """EVIDENCE plus `text`, `document_uri` and `claim`, which reasons are worded from."""
    together: pl.DataFrame
    """claim_id and the probabilities of all its passages read as one text, where several fit together."""
    waiting: pl.DataFrame = field(default_factory=WAITING.to_frame)
    """Claims that get no verdict yet, because the judge's answers come later."""


@dataclass(frozen=True)
class Decisions:
    """VERDICTS and ACTIONS that follow from scores, and the verdicts among them that confirm earlier ones."""

    verdicts: pl.DataFrame
    actions: pl.DataFrame
    repeated: pl.DataFrame


@dataclass(frozen=True)
class JudgedBy:
    """The verifier of a unit, as tables and pages name it."""

    identity: str
    fingerprint: str
    name: str

    @classmethod
    def of(cls, bench: Workbench) -> JudgedBy:
        """The configured one; loads it."""
        return cls(bench.identity, bench.verifier.fingerprint, bench.verifier.name)


@dataclass(frozen=True)
class Sealed:
    """A unit that is judged and validated, and has only to be published."""

    unit: str
    by: JudgedBy
    frames: dict[str, pl.DataFrame]
    """By table; without what is refused."""
    quarantine: pl.DataFrame
    rows_in: dict[str, int]
    """By table."""
    repeated: pl.DataFrame
    """VERDICTS that the lake has already and that were reached again."""
    already_judged: int
    lookups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """As `Judged` has them."""
    waiting: pl.DataFrame = field(default_factory=WAITING.to_frame)
    """Claims without a verdict yet."""

    def counts(self, committed: Mapping[str, Counts]) -> dict[str, Counts]:
        """Per table: what came in, was published, was there already, was refused."""
        refused = dict(self.quarantine["table"].value_counts().iter_rows())
        return {
            table: Counts(
                rows_in=rows_in,
                published=committed[table].published,
                already_there=committed[table].already_there,
                quarantined=refused.get(table, 0),
            )
            for table, rows_in in self.rows_in.items()
        }


@dataclass(frozen=True)
class Judged:
    """What became of a unit: counts per table, verdicts reached, claims that had one already."""

    unit: str
    by: JudgedBy
    counts: dict[str, Counts]
    verdicts: dict[str, int]
    outcomes: dict[str, int]
    """Outputs by what became of them: `actions.outcome`."""
    already_judged: int
    reverified: int
    lookups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By source, documents named without text that the corpus has (`documents_looked_up`) and has not."""
    waiting: int = 0
    """Claims without a verdict yet."""
