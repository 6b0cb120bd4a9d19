"""Whether each source and the corpus can be reached, how fast, how old the newest record is, and whether what
a source gives is as usual.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import polars as pl

from tasks import tables
from tasks.errors import SourceError
from tasks.health import signals
from tasks.health.parameters import HealthSettings
from tasks.lake.store import Lake


def check(
    sources: Mapping[str, Callable[[], object]],
    corpora: Mapping[str, Callable[[], object]],
    problems: Mapping[str, str],
    lake: Lake,
    *,
    run_id: str,
    settings: HealthSettings | None = None,
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
    today = datetime.now(UTC).date()
    rows = [row | _signals(lake, row, today, settings or HealthSettings()) for row in rows]
    rows += [_reach(name, "corpus", reach, None, run_id=run_id) for name, reach in corpora.items()]
    return pl.DataFrame(rows, schema=tables.HEALTH.schema)


def new_alarms(rows: pl.DataFrame, lake: Lake) -> list[str]:
    """Sentences on HEALTH rows that no earlier row of their target has: what is unusual, and what is down and
    was not. To be called before the rows are published.
    """
    before = lake.scan("health").sort("checked_at").collect()
    sentences = []
    for target, is_ok, error, alarms in rows.select("target", "ok", "error", "alarms").iter_rows():
        own = before.filter(pl.col("target") == target)
        known = set(own["alarms"].explode().drop_nulls())
        sentences += [f"{target}: {alarm}" for alarm in alarms or () if alarm not in known]
        if not is_ok and (own.is_empty() or own["ok"][-1]):
            sentences.append(f"{target}: down: {error}")
    return sentences


def _signals(
    lake: Lake, row: Mapping[str, object], today: date, settings: HealthSettings
) -> dict[str, object]:
    """`answers`, `usual_low`, `usual_high` and `alarms` of a source that was just reached for."""
    source, yesterday = str(row["target"]), today - timedelta(days=1)
    days = _by_day(lake, source, since=yesterday - timedelta(weeks=settings.weeks + 1))
    earlier = lake.scan("health").filter(pl.col("target") == source, pl.col("ok")).sort("checked_at").tail(30)
    latencies = earlier.select("latency_ms").drop_nulls().collect()["latency_ms"].to_list()
    volume = signals.volume(days, yesterday, settings)
    latency = row["latency_ms"]
    assert isinstance(latency, float)  # noqa: S101 - for the type checker
    pace = signals.of_pace(days, today, latency, latencies, settings.slow_factor)
    # A source that has stopped gave little yesterday, too: one cause is one alarm.
    has_stopped = any(sentence.startswith("late:") for sentence in pace)
    alarms = [
        *([] if has_stopped else signals.of_volume(volume, yesterday)),
        *signals.of_form(days, today, settings),
        *pace,
    ]
    return {
        "answers": None if volume is None else volume.answers,
        "usual_low": None if volume is None else volume.low,
        "usual_high": None if volume is None else volume.high,
        "alarms": alarms,
    }


def _by_day(lake: Lake, source: str, since: date) -> pl.DataFrame:
    """`signals.DAYS` of a source."""
    weight = 1 / pl.col("sampling_probability").fill_null(1.0)
    empty = {name: pl.col(name).is_null() for name in ("model", "session_id", "prompt")}
    empty |= {name: pl.col(name).list.len() == 0 for name in ("contexts", "tools")}
    rows = (
        lake.scan("outputs", since=since)
        .filter(pl.col("source") == source)
        .group_by(day=pl.col("produced_at").dt.date())
        .agg(
            answers=weight.sum(),
            variance=(weight**2).sum(),
            rows=pl.len().cast(pl.Int64),
            models=pl.col("model").unique(),
            **{f"no_{name}": empty[name].sum().cast(pl.Int64) for name in signals.NULLABLE},
        )
        .sort("day")
        .collect(engine="streaming")
    )
    return rows.select(signals.DAYS.names()).cast(signals.DAYS)


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
