"""Pulls of one source night after night, each with the marks of the one before."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.files.limits import LimitSettings
from tasks.lake.store import Lake
from tasks.sources.base import Batch
from tasks.sources.parameters import SourceSettings
from tasks.sources.pull import pull_sources, watermark
from tasks.sources.pulled import Pulled
from tasks.tables import OUTPUTS, QUARANTINE
from tests.support.postgres import Wire
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


def rows(lake: Lake) -> list[tuple[Any, ...]]:
    """What is published and not superseded: each record's id and content."""
    outputs = lake.scan("outputs").select("source_id", "content_sha256", "output_id", "supersedes").collect()
    last = outputs.join(outputs.select(output_id="supersedes").drop_nulls(), on="output_id", how="anti")
    return sorted(last.select("source_id", "content_sha256").iter_rows())


def check_cuts(
    source: SourceSettings,
    folder: Path,
    cut: Callable[[random.Random | None], object],
    *,
    undisturbed: SourceSettings | None = None,
    now: datetime = NOW,
) -> None:
    """That ten nights, each cut somewhere, and a whole one publish what one undisturbed pull does.

    Args:
        cut: cuts the next pull somewhere; given None, it cuts no more.
        undisturbed: the same source by a way that is never cut.
    """
    lake, chance = Lake.open(str(folder / "cut")), random.Random(7)  # noqa: S311
    new, failed = [], 0
    for number in range(10):
        cut(chance)
        pulled = pull_into(lake, (source,), number, now=now, retries=number % 2, pause=lambda _: None)
        failed += bool(pulled.problems)
        new.append(_publish(lake, pulled, number, chance))
    cut(None)
    whole_pull(source, lake, now=now)
    whole = Lake.open(str(folder / "whole"))
    assert whole_pull(undisturbed or source, whole, now=now) > 0
    assert rows(lake) == rows(whole)
    assert max(failed, sum(map(bool, new))) >= 3, f"cuts that did not matter: {failed} failures, {new} new"


def cut_wire(wire: Wire, most: int) -> Callable[[random.Random | None], None]:
    """Cuts the next connections after so many bytes at most, and then none, as `check_cuts` asks."""

    def cut(chance: random.Random | None) -> None:
        wire.cuts = [] if chance is None else [chance.randrange(most) for _ in range(chance.randrange(1, 8))]

    return cut


def whole_pull(source: SourceSettings, lake: Lake, *, now: datetime = NOW, number: int = 99) -> int:
    """Publishes all that an undisturbed pull gives, and says how many outputs that are."""
    pulled = pull_into(lake, (source,), number, now=now)
    assert not pulled.problems, pulled.problems
    return _publish(lake, pulled, number, None)


def _publish(lake: Lake, pulled: Pulled, number: int, chance: random.Random | None) -> int:
    """Publishes units and then marks; a night that is cut itself ends after some of its units."""
    kept = pulled.units
    if chance is not None and chance.random() < 0.3:
        kept = kept[: chance.randrange(len(kept) + 1)]
    for unit in kept:
        frame = pl.read_parquet(unit.path)
        lake.commit(f"{number:064x}", f"{unit.day}-{unit.shard:06d}", {"outputs": frame}, run_day=NOW.date())
    for name, marks in pulled.marks.items() if len(kept) == len(pulled.units) else ():
        lake.write_state(watermark(name), marks)
    return sum(unit.rows for unit in kept)
