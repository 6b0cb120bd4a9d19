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
        """OUTPUTS, day after day."""
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
