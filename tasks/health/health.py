"""Whether each source and the corpus can be reached, how fast, and how old the newest record is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import polars as pl

from tasks import tables
from tasks.errors import SourceError
from tasks.lake.store import Lake


def check(
    sources: Mapping[str, Callable[[], object]],
    corpora: Mapping[str, Callable[[], object]],
    problems: Mapping[str, str],
    lake: Lake,
    *,
    run_id: str,
) -> pl.DataFrame:
    """One HEALTH row per source and corpus, each given as its name and what reaches for it.

    What cannot be reached raises SourceError or OSError. `problems` are what the pull found wrong, by source:
    one that was reached and gave nothing is not healthy.
    """
    newest = dict(
        lake.scan("outputs").group_by("source").agg(pl.col("produced_at").max()).collect().iter_rows()
    )
    rows = [
        _reach(name, "source", reach, newest.get(name), run_id=run_id, problem=problems.get(name))
        for name, reach in sources.items()
    ]
    rows += [_reach(name, "corpus", reach, None, run_id=run_id) for name, reach in corpora.items()]
    return pl.DataFrame(rows, schema=tables.HEALTH.schema)


def _reach(
    target: str,
    kind: str,
    reach: Callable[[], object],
    newest: datetime | None,
    *,
    run_id: str,
    problem: str | None = None,
) -> dict[str, object]:
    checked_at = datetime.now(UTC)
    started = time.perf_counter()
    error = problem
    try:
        reach()
    except (SourceError, OSError) as failure:
        error = str(failure)
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
