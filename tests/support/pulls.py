"""Pulls of one source night after night, each with the marks of the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.files.limits import LimitSettings
from tasks.lake.store import Lake
from tasks.sources.base import Batch
from tasks.sources.parameters import SourceSettings
from tasks.sources.pull import pull_sources
from tasks.sources.pulled import Pulled
from tasks.tables import OUTPUTS, QUARANTINE
from tests.support.scopes import NOW, scope


def pull_into(
    lake: Lake, sources: Sequence[SourceSettings], number: int = 1, *, now: datetime = NOW, **more: Any
) -> Pulled:
    """What run `number` pulls from sources into a lake: all that is new, without a second attempt."""
    asked = {"unit_outputs": 500, "retries": 0, "refused_share": 0.5, "since": None, "until": None, **more}
    return pull_sources(sources, LimitSettings(), lake, run_id=f"{number:064x}", now=now, **asked)


class Pulls:
    """`quarantine` and `problems` are those of the last pull."""

    def __init__(self, pull: Callable[..., Iterator[Batch]], source: SourceSettings, work: Path) -> None:
        self._pull, self.source, self.work = pull, source, work
        self.marks: dict[str, Any] = {}
        self.quarantine = QUARANTINE.empty()
        self.problems: list[str] = []

    def pull(self, now: datetime, **scoped: Any) -> pl.DataFrame:
        """OUTPUTS of a pull at a moment."""
        batches = list(self._pull(self.source, scope(marks=self.marks, now=now, work=self.work, **scoped)))
        for batch in batches:
            self.marks = {**self.marks, **batch.marks}
        self.problems = [problem for batch in batches for problem in batch.problems]
        self.quarantine = pl.concat([QUARANTINE.empty(), *(batch.quarantine for batch in batches)])
        self.records_in = sum(batch.records_in for batch in batches)
        return pl.concat([OUTPUTS.empty(), *(batch.outputs for batch in batches)])


def check_answers(outputs: pl.DataFrame, *traces: int) -> None:
    """That these traces, and no others, became the answers that they hold."""
    assert outputs.select("source_id", "prompt", "response", "model", "session_id").rows() == [
        (f"t{n}", f"Who runs {n}?", f"The board {n}.", "m-1", "s1") for n in traces
    ]
    for number, row in zip(traces, outputs.to_dicts(), strict=True):
        fact = {"uri": "kb://1", "text": f"Fact {number}."}
        assert row["contexts"] == [fact, {"uri": "tool:look", "text": "42"}]
