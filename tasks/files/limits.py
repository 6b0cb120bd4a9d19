"""The budgets that bound hostile files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """Budgets that bound what one hostile file can cost; what exceeds one is refused by name."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "str_strip_whitespace": True}

    max_record_bytes: Annotated[int, Ge(1024)] = 16 * 2**20
    max_file_bytes: Annotated[int, Ge(1024)] = 4 * 2**30
    """After decompression."""
    max_columns: Annotated[int, Ge(1)] = 2000
    max_depth: Annotated[int, Ge(1)] = 200
    """Nesting of JSON."""
