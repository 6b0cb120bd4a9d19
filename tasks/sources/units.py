"""What is judged and committed together: staged outputs of a day, or of several days with few.

A unit costs a fixed time whatever is in it, most of it for validation of seven tables. A first night over
weeks of a few outputs each would spend a quarter of its time on that, so small neighbours are put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from tasks.sources.covering import FOUND
from tasks.sources.news import News
from tasks.sources.shelves import write
from tasks.sources.staging import Staged
from tasks.tables import OUTPUTS

UNIT_BYTES = 64 * 2**20
"""A unit is closed early at this size, so that 500 answers of 2 MB do not meet in memory."""


@dataclass(frozen=True)
class Unit:
    """Staged outputs: Parquet files with at most `runner.unit_outputs` rows of OUTPUTS together."""

    day: date
    """The only one, or the first."""
    shard: int
    path: Path
    rows: int
    more: tuple[Unit, ...] = ()
    """Units of later days that are judged with this one, whose `rows` includes theirs."""

    @property
    def days(self) -> list[date]:
        """All of its UTC days."""
        return [self.day, *(unit.day for unit in self.more)]

    @property
    def name(self) -> str:
        """Names its commit within a run: day and shard of the first."""
        return f"{self.path.parent.name}-{self.path.stem}"

    @property
    def title(self) -> str:
        """Its day, or the first and the last."""
        return str(self.day) if len(set(self.days)) == 1 else f"{self.day}..{self.days[-1]}"

    def outputs(self) -> pl.DataFrame:
        """OUTPUTS, day after day; of a covered lake with `covering.FOUND`."""
        return pl.concat(pl.read_parquet(unit.path) for unit in (self, *self.more))


def together(units: Sequence[Unit], most: int) -> list[Unit]:
    """The units in their order, neighbours joined while they have at most `most` outputs together."""
    return list(_joined(units, most))


def _joined(units: Sequence[Unit], most: int) -> Iterator[Unit]:
    held: list[Unit] = []
    for unit in units:
        if held and sum(each.rows for each in held) + unit.rows > most:
            yield _one(held)
            held = []
        held.append(unit)
    if held:
        yield _one(held)


def _one(units: Sequence[Unit]) -> Unit:
    return replace(units[0], rows=sum(unit.rows for unit in units), more=tuple(units[1:]))


def cut(new: News, staged: Sequence[Staged], folder: Path, most: int) -> Iterator[Unit]:
    """Each day's new outputs, in the order they were pulled, in files of at most `most` rows."""
    for day in sorted(new.days):
        held: list[pl.DataFrame] = []
        rows = size = shard = 0
        for path in (path for part in staged for path in part.days.get(day, [])):
            read = pl.read_parquet(path).drop("supersedes")
            links = new.between(read["_sequence"][0], read["_sequence"][-1])
            left = read.join(links, on="_sequence", maintain_order="left").select(
                *OUTPUTS.schema.names(), f"^{FOUND}$"
            )
            while left.height:
                taken = left.head(most - rows)
                left = left.slice(taken.height)
                held.append(taken)
                rows += taken.height
                size += int(taken.estimated_size())
                if rows == most or size >= UNIT_BYTES:
                    yield _unit(held, day, shard, folder)
                    held, rows, size, shard = [], 0, 0, shard + 1
        if rows:
            yield _unit(held, day, shard, folder)


def _unit(parts: list[pl.DataFrame], day: date, shard: int, folder: Path) -> Unit:
    frame = pl.concat(parts)
    path = write(frame, folder / "units" / day.isoformat() / f"{shard:06d}.parquet")
    return Unit(day, shard, path, frame.height)
