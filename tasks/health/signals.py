"""What is unusual about a source: its volume, its form, its pace. Frames in, sentences out.

Each sentence begins with its kind (`volume`, `late`, `slow`, `field`, `model`) and says what would be usual,
so that the same state of the same day gives the same sentence, which is sent once.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median

import polars as pl

from tasks.health.parameters import HealthSettings
from tasks.visible import visible

ROBUST = 1.4826
"""Median absolute deviation to standard deviation, for normal values."""
LEAST_WEEKDAYS = 4
LIVE_DAYS = 14
"""A source that gave nothing for longer has ended, or is down; its lag says so, not a volume a day."""
LEAST_ROWS = 10
"""Answers of a day below which no share says anything."""
BASELINE_DAYS = 28
CHANCE_Z = 3.09
"""One-sided p of 0.001: at some ten fields and thirty nights one false alarm in three months."""
NULLABLE = ("model", "session_id", "prompt", "contexts", "tools")
"""Fields of `outputs` that may be empty, counted as `no_NAME`."""
SLOW_MS = 1_000.0
LEAST_CHECKS = 5
NAME_CHARACTERS = 60
DAYS = pl.Schema(
    {
        "day": pl.Date(),
        "answers": pl.Float64(),
        "variance": pl.Float64(),
        "rows": pl.Int64(),
        "models": pl.List(pl.String),
        **{f"no_{name}": pl.Int64() for name in NULLABLE},
    }
)
"""One source by UTC day: answers weighted by their sampling probability, the variance that chance and the
sample give this sum (the sum of squared weights), and rows as they are."""


@dataclass(frozen=True)
class Volume:
    """Answers of a day, and between what they would be usual; without bounds where nothing is usual yet."""

    answers: float
    low: float | None = None
    high: float | None = None
    middle: float = 0.0
    weeks: int = 0


def volume(days: pl.DataFrame, day: date, settings: HealthSettings) -> Volume | None:
    """Of a whole day of a source that still gives something; None for one that does not.

    The bounds are the median of the same weekday of the weeks before and, to each side, the largest of
    `volume_deviations` robust deviations, `volume_share` of the median, and three times the standard
    deviation that chance gives a count: its root where every answer is audited, and more where a sample
    stands for them (a share of 0.01 gives ten times as much).
    """
    counts: Mapping[date, float] = dict(days.select("day", "answers").iter_rows())
    if not counts or max(counts) < day - timedelta(days=LIVE_DAYS):
        return None
    first = min(counts)
    weeks = [day - timedelta(weeks=number) for number in range(1, settings.weeks + 1)]
    same = [counts.get(each, 0.0) for each in weeks if each >= first]
    answers = counts.get(day, 0.0)
    variances: Mapping[date, float] = dict(days.select("day", "variance").iter_rows())
    if len(same) < LEAST_WEEKDAYS:
        return Volume(answers)
    middle = median(same)
    spread = ROBUST * median(abs(each - middle) for each in same)
    chance = median(variances.get(each, 0.0) for each in weeks if each >= first)
    tolerance = max(
        settings.volume_deviations * spread, settings.volume_share * middle, 3 * math.sqrt(chance)
    )
    return Volume(answers, max(0.0, middle - tolerance), middle + tolerance, middle, len(same))


def of_volume(found: Volume | None, day: date) -> list[str]:
    """A sentence where a day has fewer or more answers than is usual."""
    if found is None or found.low is None or found.high is None:
        return []
    if found.low <= found.answers <= found.high:
        return []
    weekday = calendar.day_name[day.weekday()]
    return [
        f"volume: {found.answers:,.0f} answers on {weekday}, {day}; usual for a {weekday} are "
        f"{found.middle:,.0f} ({found.low:,.0f} to {found.high:,.0f}, over {found.weeks} weeks)"
    ]


def of_form(days: pl.DataFrame, before: date, settings: HealthSettings) -> list[str]:
    """Sentences on the newest whole day against the four weeks before it: a field that vanished, a share of
    empty ones that jumped, a model that was never seen.
    """
    whole = days.filter(pl.col("day") < before).sort("day")
    if whole.height < 2:
        return []
    day: date = whole["day"][-1]
    if day < before - timedelta(days=LIVE_DAYS):
        return []
    now, past = whole.tail(1), whole.filter(pl.col("day") < day)
    recent = past.filter(pl.col("day") >= day - timedelta(days=BASELINE_DAYS))
    sentences = []
    for name in NULLABLE:
        counts = [int(frame[each].sum()) for frame in (now, recent) for each in (f"no_{name}", "rows")]
        sentences += _emptied(name, counts, day, settings)
    known = set(past["models"].explode().drop_nulls())
    new = [each for each in now["models"].item() if each is not None and each not in known]
    if known and new:
        named = ", ".join(visible(each)[:NAME_CHARACTERS] for each in sorted(new)[:3])
        sentences.append(f"model: {named} first answered on {day}")
    return sentences


def _emptied(name: str, counts: Sequence[int], day: date, settings: HealthSettings) -> list[str]:
    empty, rows, empty_before, rows_before = counts
    if rows < LEAST_ROWS or rows_before < LEAST_ROWS:
        return []
    share, usual = empty / rows, empty_before / rows_before
    pooled = (empty + empty_before) / (rows + rows_before)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / rows_before))
    if deviation == 0 or share - usual < settings.null_share or (share - usual) / deviation < CHANCE_Z:
        return []
    if empty == rows:
        return [f"field: {name} vanished on {day}; before, {1 - usual:.0%} of the answers had it"]
    return [f"field: {name} is empty in {share:.0%} of the answers of {day}, usually in {usual:.0%}"]


def of_pace(
    days: pl.DataFrame, today: date, latency_ms: float, earlier_ms: Sequence[float], factor: float
) -> list[str]:
    """Sentences on a source that gives nothing for longer than it ever paused, or answers slowly."""
    sentences = []
    held = sorted(days["day"])
    pauses = [(later - earlier).days for earlier, later in pairwise(held)]
    if len(pauses) >= LEAST_CHECKS:
        quiet = (today - held[-1]).days
        if max(pauses) + 1 < quiet <= BASELINE_DAYS:
            longest = "1 day" if max(pauses) == 1 else f"{max(pauses)} days"
            sentences.append(f"late: nothing since {held[-1]}; the longest pause before was {longest}")
    if len(earlier_ms) >= LEAST_CHECKS and latency_ms > max(SLOW_MS, factor * median(earlier_ms)):
        sentences.append(f"slow: more than {factor:g} times its usual {median(earlier_ms):,.0f} ms to answer")
    return sentences
