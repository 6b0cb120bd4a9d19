"""What one source leaves behind while it is pulled: rows by day on disk, and what is counted of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from tasks.sources.base import Batch, Marks
from tasks.sources.receipts import SET_ASIDE
from tasks.sources.shelves import Shelf, write
from tasks.tables import QUARANTINE

KEYS = ("_sequence", "source", "source_id", "output_id", "delivered_at", "action_taken")
"""What is kept of every record."""
BUCKETS = 256
"""Parts that records are divided into by their ids: of 5 million, 20,000 each."""


@dataclass
class Staged:
    """What one source leaves behind."""

    source: str
    folder: Path
    first: int
    """Number of its first record: those of sources further on are higher."""
    marks: Marks
    inputs: dict[str, str] = field(default_factory=dict)
    keys: Shelf = field(init=False)
    """KEYS and the day of every record; versions of one record are in one part."""
    days: dict[date, list[Path]] = field(default_factory=dict)
    quarantine_paths: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    quarantined: int = 0
    outputs: int = 0
    records_in: int = 0
    filtered: int = 0
    joined: int = 0
    sampled_out: int = 0
    first_refusal: str = ""
    lacks: Counter[str] = field(default_factory=Counter)
    minimised: Counter[str] = field(default_factory=Counter)
    aside: list[Path] = field(default_factory=list)
    """Parquet files of SET_ASIDE."""

    def __post_init__(self) -> None:
        self.keys = Shelf(self.folder / "keys", pl.col("source_id").hash() % BUCKETS)


def stage(batch: Batch, staged: Staged) -> None:
    """Writes a batch, and counts it only once it is written."""
    start = staged.first + staged.outputs
    outputs = batch.outputs.with_columns(_sequence=pl.int_range(pl.len(), dtype=pl.Int64) + start)
    day = pl.col("produced_at").dt.date()
    written: dict[date, Path] = {}
    for (of_day,), rows in outputs.group_by(day, maintain_order=True):
        if not isinstance(of_day, date):
            raise TypeError("produced_at has no day")
        path = staged.folder / "batches" / of_day.isoformat() / f"{start:012d}.parquet"
        written[of_day] = write(rows, path)
    if batch.quarantine.height:
        first = batch.quarantine.row(0, named=True)
        staged.first_refusal = staged.first_refusal or f"{first['locator']}: {first['reason']}"
        # The stem names the commit, so it is another for every source.
        name = f"{staged.folder.name}-{len(staged.quarantine_paths):06d}.parquet"
        rows = batch.quarantine.select(QUARANTINE.schema.names())
        staged.quarantine_paths.append(write(rows, staged.folder / "quarantine" / name))
    for of_day, path in written.items():
        staged.days.setdefault(of_day, []).append(path)
    staged.keys.add(outputs.select(*KEYS, day.alias("_day")))
    staged.outputs += outputs.height
    staged.quarantined += batch.quarantine.height
    staged.records_in += batch.records_in
    staged.filtered += batch.filtered
    staged.joined += batch.joined
    staged.sampled_out += batch.sampled_out
    staged.lacks.update(batch.lacks)
    staged.minimised.update(batch.minimised)
    if batch.aside:
        aside = pl.DataFrame({"id": list(batch.aside), "fate": list(batch.aside.values())})
        aside = aside.select(pl.lit(staged.source).alias("source"), "id", "fate").cast(SET_ASIDE)
        staged.aside.append(write(aside, staged.folder / "aside" / f"{len(staged.aside):06d}.parquet"))
    staged.marks.update(batch.marks)
    staged.inputs.update(batch.inputs)
    staged.problems += batch.problems
    staged.warnings += batch.warnings
