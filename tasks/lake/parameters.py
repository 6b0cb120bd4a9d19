"""When small files are joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from tasks.knobs import Section


@dataclass(frozen=True, kw_only=True)
class CompactionSettings(Section):
    """When a nightly run joins small files; `claimledger compact` does so at any time."""

    files: Annotated[int, Ge(2), Le(100_000)] = 16
    """Files of a table's day from which on they become one. Every commit leaves one; a reader opens each."""
    after_days: Annotated[int, Ge(0), Le(3_660)] = 3
    """Days after which a day's files are joined: few runs still add to it, and few queries are reading it."""
    days_at_once: Annotated[int, Ge(1), Le(3_660)] = 31
    """Days of files that one night joins at most, the oldest first; the rest waits for the next."""
    segments: Annotated[int, Ge(2), Le(100_000)] = 32
    """Small segments of the ledger from which on they are joined: each decision on the review page leaves
    one."""
