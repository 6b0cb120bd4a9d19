"""Rows put aside in numbered parts, in bounded memory: held until there are many, then on the disk.

A part is named by the caller, such as a digest of an id, so that rows that belong together come back together
and a few parts at a time.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from tasks.files import durable

HELD_ROWS = 100_000
"""Rows of ids that are held at once: some 30 MB."""
PART = "_part"


@dataclass
class Shelf:
    """Rows of one schema, each with the part that it belongs to."""

    folder: Path
    part: pl.Expr = field(compare=False)
    """The number of a row's part."""
    held_rows: int = field(default_factory=lambda: HELD_ROWS, compare=False)
    _held: list[pl.DataFrame] = field(default_factory=list)
    _held_count: int = 0
    _files: list[Path] = field(default_factory=list)
    _counts: Counter[int] = field(default_factory=Counter)

    @property
    def is_spilled(self) -> bool:
        """Whether its rows are on the disk."""
        return bool(self._files)

    def add(self, rows: pl.DataFrame) -> None:
        """Rows, in the order in which they come back."""
        self._held.append(rows)
        self._held_count += rows.height
        if self._held_count > self.held_rows:
            self.settle()

    def held(self) -> list[pl.DataFrame]:
        """All rows of a shelf that is not spilled."""
        return list(self._held)

    def groups(self) -> Iterator[pl.DataFrame]:
        """Rows of a spilled shelf, whole parts at a time, about `held_rows` rows each."""
        self.settle()
        parts = sorted(self._counts)
        while parts:
            rows, taken = 0, 0
            while taken < len(parts) and (not taken or rows + self._counts[parts[taken]] <= self.held_rows):
                rows += self._counts[parts[taken]]
                taken += 1
            yield self.between(parts[0], parts[taken - 1])
            parts = parts[taken:]

    def between(self, first: int, last: int) -> pl.DataFrame:
        """Rows of neighbouring parts of a spilled shelf, in the order in which they were added."""
        rows = pl.scan_parquet(self._files).filter(pl.col(PART).is_between(first, last))
        with durable.touching(self.folder):
            return rows.drop(PART).collect()

    def settle(self) -> None:
        """Puts what is held on the disk."""
        if not self._held:
            return
        rows = pl.concat(self._held).with_columns(self.part.cast(pl.Int64).alias(PART))
        rows = rows.sort(PART, maintain_order=True)
        path = self.folder / f"{len(self._files):06d}.parquet"
        # Small groups of rows, so that a few parts are found by the statistics without decoding the others.
        with durable.touching(self.folder):
            self._files.append(write(rows, path, row_group_size=4_000))
        self._counts.update(dict(rows.group_by(PART).len().iter_rows()))
        self._held, self._held_count = [], 0


def write(frame: pl.DataFrame, path: Path, *, row_group_size: int | None = None) -> Path:
    """Writes a frame as Parquet, and gives its path."""
    # Through memory, which holds the frame: writing by itself, Polars calls a full disk a ComputeError.
    data = io.BytesIO()
    # Read once or twice and removed: LZ4 takes half the time of zstd, for files 1.6 times as large.
    frame.write_parquet(data, compression="lz4", row_group_size=row_group_size)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.getbuffer())
    return path
