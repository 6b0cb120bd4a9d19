"""Every chart of a page, as shapes: where each bar, line and word is, in CSS pixels.

A chart is a `Drawing`; one macro (`drawing`) prints it as SVG, and the page's style sheet colours each shape
by its kind, so that one drawing serves light, dark and paper. Words are plain text, which the template
escapes. Days without claims are gaps, not lines: nothing measured is not zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple

import polars as pl

from tasks.report.queries import CHECKED, PARTS, STANDINGS, UNDECIDED
from tasks.tables import ACTIONS

Anchor = Literal["start", "middle", "end"]
_START: Anchor = "start"
_END: Anchor = "end"


class Path(NamedTuple):
    """An outline or a line, as SVG path data."""

    kind: str
    d: str


class Box(NamedTuple):
    """A rectangle."""

    kind: str
    x: float
    y: float
    width: float
    height: float


class Dot(NamedTuple):
    """A filled circle."""

    kind: str
    x: float
    y: float
    radius: float


class Label(NamedTuple):
    """A word or two, on its base line."""

    kind: str
    x: float
    y: float
    text: str
    anchor: Anchor = "start"


@dataclass(frozen=True)
class Drawing:
    """Shapes within a view box, drawn in the order of the fields."""

    view: tuple[float, float, float, float]
    """Left, top, width and height."""
    paths: tuple[Path, ...] = ()
    boxes: tuple[Box, ...] = ()
    dots: tuple[Dot, ...] = ()
    labels: tuple[Label, ...] = ()

    def __add__(self, other: Drawing) -> Drawing:
        """Both, within the first one's view box."""
        return Drawing(
            self.view,
            self.paths + other.paths,
            self.boxes + other.boxes,
            self.dots + other.dots,
            self.labels + other.labels,
        )


@dataclass(frozen=True)
class Card:
    """A small chart and what is said of it. All cards of a page share both axes, so the eye can compare."""

    slice: str
    first: float
    last: float
    count: int
    days: tuple[date, date]
    """First and last day that have claims."""
    changed_on: date | None
    drawing: Drawing


WIDE, NARROW, SITE = 820, 305, 1130
"""Widths: the page's column, a phone of 375 less its margins, and the site's column."""
_PHONE = 480
"""Up to this width there are fewer labels."""
_LEFT, _RIGHT, _FOOT, _HEAD = 44.0, 10.0, 22.0, 26.0
"""Room around a plot: for its numbers, half a day's label, the days, and its title."""
_GAP = 8.0
_CARD_WIDTH, _CARD_HEIGHT = 260.0, 84.0
_DISTANCES = (1, 2, 7, 14, 28, 56, 91, 182)
"""Days between two labels of an axis."""
_MARKS = 6
"""Changes of verifier or policy that get words; the others a line."""
_BAR, _SLOT, _TALL = 10.0, 34.0, 150.0
"""Of the flow: a bar's width, the least height of its place (two lines of label), and all answers' height."""


def over_time(
    series: pl.DataFrame, trend: pl.DataFrame, unit: str, width: float, *, changed: date | None
) -> Drawing:
    """Two plots, one above the other: the daily share supported with its interval, and claims by verdict.

    Args:
        series: the result of `over-time`; `unit` (day, week or month) says what its periods are.
        trend: rows of `trend` of one slice.
        changed: first day of the share's new level, drawn as a line.
    """
    starts: list[date] = series["period"].to_list()
    ends: list[date] = (
        series["period"].dt.offset_by({"day": "1d", "week": "1w", "month": "1mo"}[unit]).to_list()
    )
    x = _days(starts[0], ends[-1], _LEFT, width - _RIGHT)
    upper, lower = (_HEAD, _HEAD + 130), (2 * _HEAD + _FOOT + _GAP + 130, 2 * _HEAD + _FOOT + _GAP + 240)
    drawing = Drawing((0, 0, width, lower[1] + _FOOT))
    values = _share_values(trend)
    y = _linear(values[0], values[-1], upper[1], upper[0])
    drawing += _axis(values, y, "{:.0%}", "Share of all claims supported", width) + _share(trend, x, y)
    if changed is not None and starts[0] <= changed < ends[-1]:
        drawing += Drawing(drawing.view, paths=(Path("change", f"M{x(changed)},{upper[0]}V{upper[1]}"),))
    spans = [(x(start), x(end)) for start, end in zip(starts, ends, strict=True)]
    drawing += _stacked(series, spans, lower, width, PARTS)
    for bottom in (upper[1], lower[1]):
        drawing += _day_labels(starts[0], ends[-1], x, bottom, width)
    return drawing


def scores(tenths: pl.DataFrame, width: float) -> Drawing:
    """Histogram of the probability of support, stacked by verdict. `tenths` is `summary.all_tenths(...)`."""
    x = _linear(0, 1, _LEFT, width - _RIGHT)
    top, bottom = _HEAD, _HEAD + 150
    spans = [(x(low), x(high)) for low, high in tenths.select("low", "high").iter_rows()]
    every = 1 if width > _PHONE else 2
    labels = [Label("tick", x(n / 10), bottom + 16, f"{n / 10:.1f}", "middle") for n in range(0, 11, every)]
    title = "Verifier's probability that the evidence supports the claim"
    labels.append(Label("title", width - _RIGHT, bottom + 32, title, "end"))
    drawing = Drawing((0, 0, width, bottom + 38), labels=tuple(labels))
    return drawing + _stacked(tenths, spans, (top, bottom), width, CHECKED)


def share_by_run(runs: pl.DataFrame, width: float) -> Drawing:
    """Share of the checked claims with support, a point per run, and a line where the verifier or the policy
    changed. `runs` has started_at (UTC, rising), share and changed (list of verifier, policy)."""
    seconds = runs["started_at"].dt.epoch("s").to_list()
    first, last = runs["started_at"].dt.date()[0], runs["started_at"].dt.date()[-1] + timedelta(days=1)
    start = seconds[0] - seconds[0] % 86400
    x = _linear(start, start + 86400 * (last - first).days, _LEFT, width - _RIGHT)
    top, bottom = _HEAD, _HEAD + 150
    y = _linear(0, 1, bottom, top)
    points = [(x(at), y(share)) for at, share in zip(seconds, runs["share"].to_list(), strict=True)]
    radius = 2.0 if runs.height > 60 else 3.0
    drawing = Drawing(
        (0, 0, width, bottom + _FOOT),
        paths=(Path("line", _line(points)),),
        dots=tuple(Dot("dot", *point, radius) for point in points),
    )
    marks = [
        (at, f"new {' and '.join(changed)}")
        for (at, _), changed in zip(points, runs["changed"].to_list(), strict=True)
        if changed
    ]
    drawing += Drawing(
        drawing.view,
        paths=tuple(Path("change", f"M{at},{top}V{bottom}") for at, _ in marks),
        labels=tuple(
            Label("change-day", at + 4, top + 10 + 13 * (place % 3), words)
            if at < width - 130
            else Label("change-day", at - 4, top + 10 + 13 * (place % 3), words, _END)
            for place, (at, words) in enumerate(marks[-_MARKS:])
        ),
    )
    axis = _axis([0, 0.25, 0.5, 0.75, 1], y, "{:.0%}", "Share of checked claims supported", width)
    days = _days(first, last, _LEFT, width - _RIGHT)
    return drawing + axis + _day_labels(first, last, days, bottom, width)


def cards(trend: pl.DataFrame, names: Sequence[str], changed_on: dict[str, date]) -> list[Card]:
    """Small charts of slices, in the order of `names`; those without rows have none.

    Args:
        trend: rows of `trend`.
        changed_on: slice to the first day of its new level.
    """
    if trend.is_empty():
        return []
    first, last = _ends(trend)
    x = _days(first, last, 0, _CARD_WIDTH)
    low, high = _reach(trend)
    y = _linear(low, high, _CARD_HEIGHT, 0)
    lines = [(y(value), f"{value:.0%}") for value in (low, (low + high) / 2, high)]
    frame = Drawing(
        (-32, -7, 300, 112),
        paths=tuple(Path("grid", f"M0,{at}H{_CARD_WIDTH:g}") for at, _ in lines),
        labels=(
            *(Label("tick", -5, at + 3.5, text, "end") for at, text in lines),
            Label("tick", 0, 100, _day(first)),
            Label("tick", _CARD_WIDTH, 100, _day(last), "end"),
        ),
    )
    parts = ((name, trend.filter(pl.col("slice") == name).sort("date")) for name in names)
    return [
        _card(name, rows, frame + _share(rows, x, y, is_small=True), x, changed_on.get(name))
        for name, rows in parts
        if rows.height
    ]


def _card(
    name: str, rows: pl.DataFrame, drawing: Drawing, x: Callable[[date], float], changed: date | None
) -> Card:
    if changed is not None and 0 <= x(changed) <= _CARD_WIDTH:
        at = x(changed)
        labels = (
            (Label("change-day", at, 100, _day(changed), "middle"),) if 34 < at < _CARD_WIDTH - 34 else ()
        )
        path = Path("change", f"M{at},0V{_CARD_HEIGHT:g}")
        drawing += Drawing(drawing.view, paths=(path,), labels=labels)
    shares = rows["value"].to_list()
    count = int(rows["count"].sum())
    return Card(name, shares[0], shares[-1], count, _ends(rows), changed, drawing)


def flow(links: pl.DataFrame, names: Mapping[str, str], width: float) -> Drawing:
    """From verdicts to actions: ribbons as wide as their answers, between two columns of bars.

    Args:
        links: the result of `flow`.
        names: standings and actions in words.
    """
    left_room, right_room = (136.0, 120.0) if width > _PHONE else (98.0, 84.0)
    whole = int(links["answers"].sum())
    scale = _TALL / whole if whole else 0.0
    left, right = _column(links, "standing", scale), _column(links, "action", scale)
    x0, x1 = left_room, width - right_room - _BAR
    bottom = max(place.y + place.height for place in (*left, *right))
    drawing = Drawing((0, 0, width, bottom), paths=_ribbons(links, left, right, (x0 + _BAR, x1), scale))
    for column, x, text_x, anchor in ((left, x0, x0 - 8, _END), (right, x1, x1 + _BAR + 8, _START)):
        for place in column:
            middle = place.y + place.height / 2
            bar = Box(place.name, x, round(middle - place.bar / 2, 1), _BAR, round(place.bar, 1))
            name = names.get(place.name, place.name)
            labels = (
                Label("name", text_x, round(middle - 3, 1), name, anchor),
                Label("number-of", text_x, round(middle + 12, 1), f"{place.answers:,}", anchor),
            )
            drawing += Drawing(drawing.view, boxes=(bar,), labels=labels)
    return drawing


class _Place(NamedTuple):
    """Where a bar and its two lines of label are; the bar is in the middle."""

    name: str
    answers: int
    y: float
    height: float
    bar: float


def _column(links: pl.DataFrame, column: str, scale: float) -> list[_Place]:
    """The places of one side, from top to bottom, in the vocabularies' order."""
    order = (*STANDINGS, *ACTIONS, UNDECIDED)
    sums: list[tuple[str, int]] = links.group_by(column).agg(pl.col("answers").sum()).rows()
    places, top = [], 0.0
    for name, answers in sorted(
        sums, key=lambda row: (order.index(row[0]) if row[0] in order else 99, row[0])
    ):
        bar = max(answers * scale, 1.5)
        places.append(_Place(name, answers, top, max(bar, _SLOT), bar))
        top += places[-1].height + 6
    return places


def _ribbons(
    links: pl.DataFrame,
    left: Sequence[_Place],
    right: Sequence[_Place],
    ends: tuple[float, float],
    scale: float,
) -> tuple[Path, ...]:
    x0, x1 = ends
    middle = (x0 + x1) / 2
    tops, ribbons = (
        [{each.name: each.y + (each.height - each.bar) / 2 for each in c} for c in (left, right)],
        [],
    )
    for standing, action, answers in links.select("standing", "action", "answers").iter_rows():
        thick = answers * scale
        a, b = tops[0][standing], tops[1][action]
        tops[0][standing], tops[1][action] = a + thick, b + thick
        path = (
            f"M{x0:.1f},{a:.1f}C{middle:.1f},{a:.1f} {middle:.1f},{b:.1f} {x1:.1f},{b:.1f}"
            f"L{x1:.1f},{b + thick:.1f}C{middle:.1f},{b + thick:.1f} {middle:.1f},{a + thick:.1f} "
            f"{x0:.1f},{a + thick:.1f}Z"
        )
        ribbons.append(Path(f"ribbon {standing}", path))
    return tuple(ribbons)


# Parts of plots -------------------------------------------------------------------------------------------


def _linear(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: round(start + (end - start) * (value - low) / span, 1)


def _days(first: date, last: date, start: float, end: float) -> Callable[[date], float]:
    place = _linear(first.toordinal(), last.toordinal(), start, end)
    return lambda day: place(day.toordinal())


def _ends(trend: pl.DataFrame) -> tuple[date, date]:
    days: list[date] = trend["date"].sort().to_list()
    return days[0], days[-1]


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)


def _reach(trend: pl.DataFrame) -> tuple[float, float]:
    """The shares' axis: all intervals, widened to tenths, and to two tenths so that noise cannot fill it."""
    if trend.is_empty():
        return 0.0, 1.0
    lowest, highest = min(trend["ci_low"].to_list()), max(trend["ci_high"].to_list())
    low, high = math.floor(lowest * 10) / 10, math.ceil(highest * 10) / 10
    while high - low < 0.19:
        low, high = max(low - 0.1, 0.0), min(high + 0.1, 1.0)
    return low, high


def _share(
    trend: pl.DataFrame, x: Callable[[date], float], y: Callable[[float], float], *, is_small: bool = False
) -> Drawing:
    """Band, line and dots of one slice's share; a small chart marks its newest value and lonely days only."""
    rows = trend.sort("date").select("date", "value", "ci_low", "ci_high").iter_rows()
    points = [(day, x(day), y(value), y(low), y(high)) for day, value, low, high in rows]
    runs: list[list[tuple[date, float, float, float, float]]] = [points[:1]] if points else []
    for earlier, later in pairwise(points):
        if (later[0] - earlier[0]).days > 1:
            runs.append([])
        runs[-1].append(later)
    bands = [[(p[1], p[4]) for p in run] + [(p[1], p[3]) for p in reversed(run)] for run in runs]
    marked = [run[-1] for run in runs if len(run) == 1 or run is runs[-1]] if is_small else points
    return Drawing(
        (0, 0, 0, 0),
        paths=(
            *(Path("band", f"{_line(band)}Z") for band in bands),
            *(Path("line", _line([(p[1], p[2]) for p in run])) for run in runs),
        ),
        dots=tuple(Dot("dot", point[1], point[2], 2.6) for point in marked),
    )


def _share_values(trend: pl.DataFrame) -> list[float]:
    """Round values of the shares' axis, three to six of them, around all intervals."""
    low, high = _reach(trend)
    step = 0.2 if high - low > 0.5 else 0.1 if high - low > 0.25 else 0.05
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _axis(
    values: Sequence[float], y: Callable[[float], float], words: str, title: str, width: float
) -> Drawing:
    """Horizontal lines with their values at the left, and the title above them."""
    top = min(y(value) for value in values)
    return Drawing(
        (0, 0, 0, 0),
        paths=tuple(Path("grid", f"M{_LEFT:g},{y(value)}H{width - _RIGHT:g}") for value in values),
        labels=(
            Label("title", 0, top - 13, title),
            *(Label("tick", _LEFT - 6, y(value) + 4, words.format(value), "end") for value in values),
        ),
    )


def _stacked(
    counts: pl.DataFrame,
    spans: Sequence[tuple[float, float]],
    ends: tuple[float, float],
    width: float,
    parts: Sequence[str],
) -> Drawing:
    """Bars of several parts, one bar per span; `counts` has a column a part."""
    highest = max((sum(row) for row in counts.select(parts).iter_rows()), default=0)
    step = _step(highest)
    values = [float(step * n) for n in range(math.ceil(highest / step) + 1)]
    y = _linear(0, values[-1] or 1, ends[1], ends[0])
    boxes = []
    for (left, right), row in zip(spans, counts.select(parts).iter_rows(), strict=True):
        below = 0
        for part, count in zip(parts, row, strict=True):
            low, high = y(below), y(below + count)
            below += count
            if count:
                boxes.append(Box(f"part {part}", left, high, round(right - left, 1), round(low - high, 1)))
    axis = _axis(values, y, "{:,.0f}", "Claims", width)
    return axis + Drawing(axis.view, boxes=tuple(boxes))


def _step(highest: int) -> int:
    """A round distance between the lines of an axis of counts, so that there are three to six."""
    power = int("1" + "0" * max(len(str(highest)) - 2, 0))
    return next(size * power for size in (1, 2, 5, 10, 20, 50) if highest <= 5 * size * power)


def _day_labels(first: date, last: date, x: Callable[[date], float], bottom: float, width: float) -> Drawing:
    """Days at equal distances below a plot, as many as fit."""
    least = (last - first).days / (8 if width > _PHONE else 4)
    every = next((days for days in _DISTANCES if days >= least), math.ceil(least))
    days = [first + timedelta(days=n) for n in range(0, (last - first).days, every)]
    labels = [Label("tick", x(day), bottom + 16, _day(day), "middle") for day in days]
    ticks = [Path("tick", f"M{x(day)},{bottom}v4") for day in days]
    return Drawing((0, 0, 0, 0), paths=tuple(ticks), labels=tuple(labels))
