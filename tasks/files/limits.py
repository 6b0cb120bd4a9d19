"""The budgets that bound hostile files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from tasks.knobs import Section


@dataclass(frozen=True, kw_only=True)
class LimitSettings(Section):
    """Budgets that bound what one hostile file can cost; whatever exceeds one is refused by name."""

    max_record_bytes: Annotated[int, Ge(1024)] = 16 * 2**20
    """Bytes of one record."""
    max_file_bytes: Annotated[int, Ge(1024)] = 4 * 2**30
    """Bytes of one file after decompression."""
    max_columns: Annotated[int, Ge(1)] = 2000
    """Columns of a CSV or Parquet file."""
    max_depth: Annotated[int, Ge(1)] = 200
    """Nesting of JSON."""
    max_html_depth: Annotated[int, Ge(16), Le(10_000)] = 512
    """Nesting of HTML elements in a document of the corpus; browsers stop at 512 as well."""
    max_document_seconds: Annotated[float, Gt(0), Le(86_400)] = 120.0
    """Seconds to read one HTML, PDF or office document; raise it for PDFs of thousands of pages."""
    max_document_memory_bytes: Annotated[int, Ge(512 * 2**20)] = 2 * 2**30
    """Bytes of memory of the process that reads these documents (enforced on Linux)."""
