"""What of a pull is new: its ids compared with themselves and with the lake, some parts at a time.

Versions of one record are in one part, so parts can be compared one after the other; of a small pull all are
compared at once, because each comparison reads the ids of the lake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from tasks.sources import versions
from tasks.sources.receipts import DELIVERED, Receipt
from tasks.sources.shelves import Shelf

SEQUENCES = 16_384
"""Neighbouring records whose links are in one part; a batch is within one or two."""


@dataclass
class News:
    """The new outputs of a pull, and how many records were none."""

    links: Shelf
    """`_sequence` and `supersedes` of each new output."""
    days: set[date] = field(default_factory=set)
    """That have new outputs."""
    duplicates: int = 0
    already_there: int = 0
    delivered: list[pl.DataFrame] = field(default_factory=list)
    """DELIVERED of outputs whose records say something of it."""
    _ordered: tuple[tuple[int, int], pl.DataFrame] | None = None

    def between(self, first: int, last: int) -> pl.DataFrame:
        """Links of records by their numbers, in that order."""
        parts = (first // SEQUENCES, last // SEQUENCES) if self.links.is_spilled else (0, 0)
        if self._ordered is None or self._ordered[0] != parts:
            held = self.links.between(*parts) if self.links.is_spilled else _all(self.links.held())
            self._ordered = parts, held.sort("_sequence")
        links = self._ordered[1]
        start = links["_sequence"].search_sorted(first)
        return links.slice(start, links["_sequence"].search_sorted(last, side="right") - start)


def of(shelves: Sequence[Shelf], table: pl.LazyFrame, links: Shelf, receipt: Receipt) -> News:
    """Compares the ids on shelves with each other and with a lake's outputs; notes in the receipt what was
    read.
    """
    news = News(links)
    is_said = pl.any_horizontal(pl.col("delivered_at", "action_taken").is_not_null())
    for keys in _groups(shelves):
        linked, duplicates, already_there = versions.new(keys, table)
        links.add(linked.select("_sequence", "supersedes"))
        news.days |= set(linked["_day"].unique())
        news.duplicates += duplicates
        news.already_there += already_there
        news.delivered.append(keys.filter(is_said).select(*DELIVERED))
        receipt.add_read(keys.rename({"_day": "day"}))
    if links.is_spilled:
        links.settle()
    return news


def links(folder: Path) -> Shelf:
    """Where links of new outputs are put aside."""
    return Shelf(folder, pl.col("_sequence") // SEQUENCES)


def _groups(shelves: Sequence[Shelf]) -> Iterator[pl.DataFrame]:
    small = [frame for shelf in shelves if not shelf.is_spilled for frame in shelf.held()]
    if small:
        yield pl.concat(small)
    for shelf in shelves:
        if shelf.is_spilled:
            yield from shelf.groups()


def _all(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"_sequence": pl.Int64, "supersedes": pl.String})
    return pl.concat([empty, *frames])
