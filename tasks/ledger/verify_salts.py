"""The salts of a lake's outputs for all processes that check rows: one file, read by each, held by none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.ledger.vault import SALTS


@dataclass(frozen=True)
class Salts:
    """An Arrow file of output_id and salt. A look-up goes through all of it, so there is one per segment."""

    path: Path

    @classmethod
    def write(cls, path: Path, frames: Iterable[pl.DataFrame]) -> Salts:
        """Writes the salts of many files as one; this process alone holds them all, and only meanwhile."""
        salts = pl.concat([SALTS.empty(), *frames]).unique("output_id", keep="first", maintain_order=True)
        salts.write_ipc(path, compression="uncompressed")
        return cls(path)

    def of(self, outputs: pl.Series) -> pl.DataFrame:
        """output_id and salt (Binary) of outputs (n); null where there is none."""
        is_wanted = pl.col("output_id").is_in(outputs.drop_nulls().implode())
        kept = pl.scan_ipc(self.path).filter(is_wanted).collect()
        return (
            outputs.alias("output_id")
            .to_frame()
            .join(kept, on="output_id", how="left", maintain_order="left")
        )
