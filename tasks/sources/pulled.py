"""What a pull brings to the stages that follow it: units, refused rows, marks, counts and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from tasks.files.inputs import InputFile
from tasks.sources.base import Marks
from tasks.sources.minimise import Taken
from tasks.sources.receipts import DELIVERED, Receipt
from tasks.sources.units import Unit
from tasks.tables import QUARANTINE


class Lake(Protocol):
    """What the pull needs of the store."""

    def work(self, run_id: str) -> Path:
        """The run's private scratch folder."""
        ...

    def scan(self, table: str, *, since: date | None = None, until: date | None = None) -> pl.LazyFrame:
        """Published rows."""
        ...

    def read_state(self, name: str) -> Marks:
        """A small JSON document, empty where there is none."""
        ...

    def write_state(self, name: str, value: Mapping[str, Any]) -> None:
        """Keeps a small JSON document."""
        ...

    def commit(self, run_id: str, unit: str, frames: Mapping[str, pl.DataFrame], *, run_day: date) -> object:
        """Publishes rows once."""
        ...


@dataclass(frozen=True)
class Pulled:
    """What a pull brought.

    records_in == outputs + duplicates + already_there + quarantined + filtered + joined
    """

    units: list[Unit]
    records_in: int
    duplicates: int
    """The same record again within this pull."""
    already_there: int
    """Records that the lake has, byte for byte."""
    quarantined: int
    quarantine_paths: list[Path]
    """Staged Parquet files with rows of QUARANTINE."""
    marks: dict[str, Marks]
    """By source; to be written with `lake.write_state(watermark(source), marks)` once all is published."""
    problems: list[str]
    """Sources or files that could not be read: the answer is bad, exit status 1."""
    warnings: list[str]
    """Files some of whose records are in quarantine: where, why, how many."""
    by_source: dict[str, int]
    """Records in, by source."""
    unhealthy: dict[str, str]
    """The first problem of each source that has one."""
    filtered: int = 0
    """Records that a source's `where` left out."""
    joined: int = 0
    """Records that became part of another one by a source's `join`."""
    sampled_out: int = 0
    """Answers that a source's `sample` did not draw."""
    lacks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By source that could not tell everything of its answers, counts of what it lacked."""
    minimised: Mapping[str, Taken] = field(default_factory=dict)
    """By source that is minimised, how many values were dropped, hashed and masked, by path."""
    inputs: Sequence[InputFile] = ()
    """Files that were read."""
    receipt: Receipt | None = None
    """What was read, and what the sources count of its days."""
    delivered: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DELIVERED))
    """What records say of deliveries (DELIVERED), also of outputs that earlier runs published."""

    @property
    def outputs(self) -> int:
        """Outputs that are new."""
        return sum(unit.rows for unit in self.units)

    def publish_quarantine(self, lake: Lake, run_id: str, now: datetime) -> None:
        """Publishes the staged quarantine; rows that an earlier run refused already are not written again."""
        for path in self.quarantine_paths:
            lake.commit(
                run_id,
                f"pull-quarantine-{path.stem}",
                {QUARANTINE.name: pl.read_parquet(path)},
                run_day=now.date(),
            )
