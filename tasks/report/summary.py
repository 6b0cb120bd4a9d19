"""What a report says of the lake: days, totals, shares, slices and the filter, out of query results.

Every number is about *current* verdicts: of a claim that was judged several times, the last judgement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from tasks.report.parameters import ReportParameters
from tasks.report.queries import CHECKED, NOT_RECORDED, PARTS, SLICES, Window
from tasks.tables import ACTIONS

_OTHERS = "all others"
_COUNTS = ("answers", "claims", *PARTS)


@dataclass(frozen=True)
class Totals:
    """Answers in the window and current verdicts on their claims."""

    answers: int
    claims: int
    supported: int
    contradicted: int
    unsettled: int
    """The evidence leaves them open."""
    unchecked: int
    """Could not be checked at all; no share below counts them."""
    checked: int
    conflicts: int
    abstained: int = 0
    """Answers that only say that they do not know."""
    in_part: int = 0
    """Answers that say so of a part and make claims besides."""
    overlooked: int = 0
    """Of the abstained: with a sentence close to the question in their evidence."""


@dataclass(frozen=True)
class SliceTable:
    """Claims per agent, model or use case: value, answers, claims, one column a part, is_rest."""

    column: str
    title: str
    rows: pl.DataFrame


@dataclass(frozen=True)
class Filter:
    """What the page's filter adds up: values per slice, and rows of three indices into them and five counts.

    The counts are answers, supported, contradicted, unsettled and unchecked.
    """

    values: Mapping[str, list[str]]
    rows: list[tuple[int, ...]]

    def place(self, column: str, value: str | None) -> int | None:
        """The index of a slice's value; None where it was folded into all others."""
        known = self.values.get(column, [])
        name = NOT_RECORDED if value is None else value
        return known.index(name) if name in known else None

    def nearest(self, column: str, value: str | None) -> int | None:
        """The index of a slice's value, or of all others."""
        place = self.place(column, value)
        return self.place(column, _OTHERS) if place is None else place


def window(
    run_parameters: Mapping[str, object], days: Sequence[date], parameters: ReportParameters
) -> Window:
    """The days a page covers: the run's own range cut to the lake's days, else the newest days.

    Args:
        run_parameters: the run's own (`since`/`until` or `from`/`to`, ISO days or None).
        days: the days that have outputs, in any order.
    """
    if not days:
        return Window()
    first = run_parameters.get("since") or run_parameters.get("from")
    last = run_parameters.get("until") or run_parameters.get("to")
    if not first and not last:
        newest = max(days)
        return Window(max(min(days), newest - timedelta(days=parameters.window_days - 1)), newest)
    low = date.fromisoformat(str(first)) if first else min(days)
    high = date.fromisoformat(str(last)) if last else max(days)
    inside = [day for day in days if low <= day <= high]
    return Window(min(inside), max(inside)) if inside else Window(low, high)


def newest_days(whole: Window, days: int) -> Window:
    """The window, or its newest days where it is longer."""
    if whole.first is None or whole.last is None:
        return whole
    return Window(max(whole.first, whole.last - timedelta(days=days - 1)), whole.last)


def period(verdict_days: Window, parameters: ReportParameters) -> str:
    """day, week or month: whichever keeps a series over these days readable."""
    if verdict_days.first is None or verdict_days.last is None:
        return "day"
    span = (verdict_days.last - verdict_days.first).days + 1
    if span > parameters.daily_points * 7:
        return "month"
    return "week" if span > parameters.daily_points else "day"


def percentages(counts: Sequence[int]) -> list[str]:
    """Whole percent, halves up, in the order given: each is what a reader computes from its count.

    They may add up to 99 or 101. What is not nothing is never shown as 0%, and what is not everything
    never as 100%. An empty total gives dashes: no share of nothing is a number.
    """
    whole = sum(counts)
    if not whole:
        return ["–"] * len(counts)
    rounded = [(200 * count + whole) // (2 * whole) for count in counts]
    return [
        "<1%" if count and not percent else ">99%" if percent == 100 and count < whole else f"{percent}%"
        for count, percent in zip(counts, rounded, strict=True)
    ]


def slice_table(rows: pl.DataFrame, column: str, parameters: ReportParameters) -> SliceTable:
    """The result of `by-COLUMN`: its first rows, and one more, `is_rest`, that adds up all others."""
    named = rows.rename({column: "value"})
    shown = named.head(parameters.slices).with_columns(is_rest=pl.lit(value=False))
    rest = named.slice(parameters.slices)
    if rest.height:
        label = pl.lit(f"{rest.height:,} others").alias("value")
        others = rest.select(label, pl.col(_COUNTS).sum(), is_rest=pl.lit(value=True))
        shown = pl.concat([shown, others])
    return SliceTable(column, column.replace("_", " ").capitalize(), shown)


def all_tenths(scores: pl.DataFrame) -> pl.DataFrame:
    """The result of `scores` with all ten rows, and `low` and `high`, the ends of each tenth."""
    return (
        pl.DataFrame({"tenth": range(10)}, {"tenth": pl.Int32})
        .join(scores, on="tenth", how="left", maintain_order="left")
        .with_columns(pl.col(CHECKED).fill_null(0))
        .with_columns(low=pl.col("tenth") / 10, high=(pl.col("tenth") + 1) / 10)
    )


def all_actions(actions: pl.DataFrame) -> pl.DataFrame:
    """The result of `actions` in the vocabulary's order, unused ones as 0, with `share` in words."""
    counts = pl.DataFrame({"action": ACTIONS}).join(actions, on="action", how="left", maintain_order="left")
    counts = counts.with_columns(pl.col("answers").fill_null(0))
    return counts.with_columns(share=pl.Series(percentages(counts["answers"].to_list()), dtype=pl.String))


def cube(counts: pl.DataFrame, parameters: ReportParameters) -> Filter:
    """The result of `CUBE` for the page's filter.

    Rare values are folded into `all others` until there are at most `parameters.cube_rows` rows, so sums over
    it stay the lake's sums.
    """
    folded = counts
    for limit in (200, 50, 25, 14):  # 15 cubed is under the default bound
        folded = _fold(counts, limit)
        if folded.height <= parameters.cube_rows:
            break
    values = {column: folded[column].unique().sort().to_list() for column in SLICES}
    indexed = folded.with_columns(
        pl.col(column).replace_strict(values[column], range(len(values[column])), return_dtype=pl.Int64)
        for column in SLICES
    )
    return Filter(values, indexed.select(*SLICES, "answers", *PARTS).sort(SLICES).rows())


def _fold(counts: pl.DataFrame, limit: int) -> pl.DataFrame:
    folded = counts
    for column in SLICES:
        sizes = counts.group_by(column).agg(pl.col("claims", "answers").sum())
        if sizes.height > limit:
            order = sizes.sort(["claims", "answers", column], descending=[True, True, False])
            kept = pl.col(column).is_in(order[column].head(limit).implode())
            folded = folded.with_columns(pl.when(kept).then(pl.col(column)).otherwise(pl.lit(_OTHERS)))
    return folded.group_by(SLICES).agg(pl.col(_COUNTS).sum())
