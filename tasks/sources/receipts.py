"""What a pull read and set aside, in files of its folder, to be compared with what its sources count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.files import durable
from tasks.sources.shelves import write
from tasks.tables import OUTPUTS

READ = pl.Schema({"source": pl.String, "source_id": pl.String, "output_id": pl.String, "day": pl.Date})
"""What readers handed over in this run."""
SET_ASIDE = pl.Schema({"source": pl.String, "id": pl.String, "fate": pl.String})
"""Records that are not outputs, and why; of one id the last row counts."""
DELIVERED = {name: OUTPUTS.schema[name] for name in ("output_id", "delivered_at", "action_taken")}
"""When an output was delivered and what was done with it; one of both may be null."""


@dataclass(frozen=True)
class Receipt:
    """Staged by the pull: what was read and set aside, and what the sources counted."""

    folder: Path

    @property
    def draft(self) -> Path:
        """Parquet of `completeness.DRAFT`."""
        return self.folder / "counts.parquet"

    def add_read(self, rows: pl.DataFrame) -> None:
        """Rows of READ; all of one record are added at once."""
        self._add("read", rows.select(READ.names()).cast(READ))

    def add_aside(self, rows: pl.DataFrame) -> None:
        """Rows of SET_ASIDE."""
        self._add("aside", rows.select(SET_ASIDE.names()).cast(SET_ASIDE))

    def groups(self) -> Iterator[pl.DataFrame]:
        """READ rows as they were added."""
        return map(pl.read_parquet, self._files("read"))

    def read(self) -> pl.LazyFrame:
        """All READ rows."""
        return _scan(self._files("read"), READ)

    def aside(self) -> pl.LazyFrame:
        """All SET_ASIDE rows, in the order in which they were added."""
        return _scan(self._files("aside"), SET_ASIDE)

    def _files(self, name: str) -> list[Path]:
        return sorted((self.folder / name).glob("*.parquet"))

    def _add(self, name: str, rows: pl.DataFrame) -> None:
        with durable.touching(self.folder):
            write(rows, self.folder / name / f"{len(self._files(name)):06d}.parquet")


def _scan(files: list[Path], schema: pl.Schema) -> pl.LazyFrame:
    return pl.scan_parquet(files) if files else schema.to_frame().lazy()
