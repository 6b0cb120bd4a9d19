"""The budgets that bound hostile files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from tasks.knobs import Section


@dataclass(frozen=True, kw_only=True)
class LimitSettings(Section):
    """Budgets that bound what one hostile file can cost; what exceeds one is refused by name."""

    max_record_bytes: Annotated[int, Ge(1024)] = 16 * 2**20
    """Bytes of one record."""
    max_file_bytes: Annotated[int, Ge(1024)] = 4 * 2**30
    """Bytes of one file after decompression."""
    max_columns: Annotated[int, Ge(1)] = 2000
    """Columns of a CSV or Parquet file."""
    max_depth: Annotated[int, Ge(1)] = 200
    """Nesting of JSON."""
