"""Small charts of a few slices' supported share over time: which slices, and the points of each drawing.

Belongs here: choice and geometry. Does not belong here: the values and their intervals
(`drift.daily_series`), whether a change is real (the `drift` table says that), markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import polars as pl

from tasks.drift import slices

COLUMNS = ("agent", "model", "use_case", "source")
METRIC = "supported_share"


@dataclass(frozen=True)
class TrendParameters:
    """How many small charts a page holds, and of what size their viewBox is (CSS pixels)."""

    cards: int = 9
    """Three rows of three on a desk; more are not looked at."""

    drifted: int = 5
    """Cards that slices which drifted may take."""

    width: float = 260
    height: float = 84


@dataclass(frozen=True)
class Card:
    """One small chart. Paths are SVG path data; `change` is None where no change point is known."""

    slice: str
    where: dict[str, str]
    first: float
    last: float
    count: int
    band: tuple[str, ...]
    line: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    change: float | None
    changed_on: date | None
    days: tuple[date, date]
    """First and last day that have claims; `ends` are those of the axis, which all charts share."""
    ends: tuple[date, date]
    ticks: tuple[tuple[float, str], ...]


def wanted(
    agents: pl.DataFrame, drifted: Sequence[str], minimum: int, parameters: TrendParameters
) -> list[str]:
    """Names of the slices to draw: all, what drifted (in the order given), then the agents.

    `agents` has agent, claims, is_rest, most contradicted first; those with fewer than `minimum`
    claims are left out, because their daily shares are mostly chance.
    """
    known = [name for name in drifted if set(slices.parsed(name)) <= set(COLUMNS)][: parameters.drifted]
    enough = agents.filter(pl.col("claims") >= minimum, ~pl.col("is_rest"))
    named = (
        enough.select(slices.name(["agent"]).alias("slice"))["slice"].to_list() if enough.height > 1 else []
    )
    return list(dict.fromkeys([slices.ALL, *known, *named]))[: parameters.cards]


def cards(
    rows: pl.DataFrame, names: Sequence[str], changes: dict[str, date], parameters: TrendParameters
) -> list[Card]:
    """Small charts, all with the same two axes, so that they can be compared by eye.

    Args:
        rows: `drift.daily_series(...)` of one metric.
        names: the slices in the order wanted; those without rows have no chart.
        changes: slice to the first day of its new level.

    A line breaks where a day has no claims: nothing measured is not zero.
    """
    if rows.is_empty():
        return []
    first, last = rows["date"].min(), rows["date"].max()
    assert isinstance(first, date)  # noqa: S101 - for the type checker: the column is of dates
    assert isinstance(last, date)  # noqa: S101
    low, high = rounded_out(rows)
    days = max((last - first).days, 1)

    def x(day: date) -> float:
        return round(parameters.width * (day - first).days / days, 1)

    def y(value: float) -> float:
        return round(parameters.height * (high - value) / (high - low), 1)

    drawn = []
    for name in names:
        part = rows.filter(pl.col("slice") == name).sort("date")
        if part.is_empty():
            continue
        points = [
            (row["date"], x(row["date"]), y(row["value"]), y(row["ci_low"]), y(row["ci_high"]))
            for row in part.iter_rows(named=True)
        ]
        runs = _unbroken(points)
        changed = changes.get(name)
        inside = changed is not None and first <= changed <= last
        drawn.append(
            Card(
                slice=name,
                where=slices.parsed(name),
                first=part["value"][0],
                last=part["value"][-1],
                count=int(part["count"].sum()),
                band=tuple(
                    _path([(p[1], p[4]) for p in r] + [(p[1], p[3]) for p in reversed(r)]) + "Z" for r in runs
                ),
                line=tuple(_path([(p[1], p[2]) for p in r]) for r in runs),
                # A run of one point has no line; the newest value is marked on every chart.
                dots=tuple(dict.fromkeys((r[-1][1], r[-1][2]) for r in runs if len(r) == 1 or r is runs[-1])),
                change=x(changed) if changed is not None and inside else None,
                changed_on=changed,
                days=(points[0][0], points[-1][0]),
                ends=(first, last),
                ticks=tuple((y(value), f"{value:.0%}") for value in (low, (low + high) / 2, high)),
            )
        )
    return drawn


def rounded_out(rows: pl.DataFrame) -> tuple[float, float]:
    """The shares' axis: all intervals, widened to tenths, and to two tenths so that noise cannot fill it."""
    low, high = float(rows["ci_low"].min()), float(rows["ci_high"].max())  # type: ignore[arg-type]
    low, high = int(low * 10) / 10, -int(-high * 10 // 1) / 10
    while high - low < 0.19:
        low, high = max(low - 0.1, 0.0), min(high + 0.1, 1.0)
    return low, high


_Point = tuple[date, float, float, float, float]


def _unbroken(points: list[_Point]) -> list[list[_Point]]:
    """Points in runs of consecutive days."""
    runs = [[points[0]]]
    for previous, point in pairwise(points):
        if (point[0] - previous[0]).days > 1:
            runs.append([])
        runs[-1].append(point)
    return runs


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)
