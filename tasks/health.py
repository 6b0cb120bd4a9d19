"""Whether each source and the corpus can be reached, how fast, and how old the newest record is."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from tasks import tables
from tasks.lake.store import Lake


def check(
    sources: Mapping[str, str],
    corpora: Mapping[str, str],
    problems: Mapping[str, str],
    lake: Lake,
    *,
    run_id: str,
) -> pl.DataFrame:
    """One HEALTH row per source and corpus, which are given as name and path.

    `problems` are what the pull found wrong, by source: one that was reached and gave nothing is not healthy.
    """
    newest = dict(
        lake.scan("outputs").group_by("source").agg(pl.col("produced_at").max()).collect().iter_rows()
    )
    rows = [
        _reach(name, "source", path, newest.get(name), run_id=run_id, error=problems.get(name))
        for name, path in sources.items()
    ]
    rows += [_reach(name, "corpus", path, None, run_id=run_id) for name, path in corpora.items()]
    return pl.DataFrame(rows, schema=tables.HEALTH.schema)


def _reach(
    target: str,
    kind: str,
    path: str,
    newest: datetime | None,
    *,
    run_id: str,
    error: str | None = None,
) -> dict[str, object]:
    checked_at = datetime.now(UTC)
    started = time.perf_counter()
    matches = glob.glob(path, recursive=True)
    if not matches:
        error = f"{path}: nothing there"
    elif not error and not all(os.access(match, os.R_OK) for match in matches):
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
