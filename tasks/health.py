"""Whether each source and the corpus can be reached, how fast, and how old the newest record is."""

from __future__ import annotations

import glob
import os
import time
from datetime import UTC, datetime

import polars as pl

from tasks import tables
from tasks.lake.store import Lake
from tasks.settings import Settings


def check(settings: Settings, lake: Lake, *, run_id: str) -> pl.DataFrame:
    """One HEALTH row per source and, where configured, the corpus."""
    newest = {
        row["source"]: row["produced_at"]
        for row in lake.scan("outputs")
        .group_by("source")
        .agg(pl.col("produced_at").max())
        .collect()
        .iter_rows(named=True)
    }
    rows = [_reach(s.name, "source", s.path, newest.get(s.name), run_id) for s in settings.sources]
    if settings.corpus.path:
        rows.append(_reach(settings.corpus.name, "corpus", settings.corpus.path, None, run_id))
    return pl.DataFrame(rows, schema=tables.HEALTH.schema)


def _reach(target: str, kind: str, path: str, newest: datetime | None, run_id: str) -> dict[str, object]:
    checked_at = datetime.now(UTC)
    started = time.perf_counter()
    error = None
    matches = glob.glob(path, recursive=True)
    if not matches:
        error = f"{path}: nothing there"
    elif not all(os.access(match, os.R_OK) for match in matches):
        error = f"{path}: not readable"
    return {
        "target": target,
        "kind": kind,
        "checked_at": checked_at,
        "ok": error is None,
        "latency_ms": (time.perf_counter() - started) * 1000,
        "lag_s": (checked_at - newest).total_seconds() if newest else None,
        "error": error,
        "run_id": run_id,
    }
