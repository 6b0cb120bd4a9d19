"""What a report says of the lake, as small frames.

Belongs here: aggregations whose size does not grow with the lake. Does not belong here: reading tables and
drawing (`tasks/report/report.py`, `tasks/report/charts.py`), sentences (`headline.py`), the claims shown one
by one (`worst.py`).

Every number is about *current* verdicts: of a claim that was judged several times, the last judgement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from tasks.tables import ACTIONS, VERDICTS

SLICES = ("agent", "model", "use_case")
NOT_RECORDED = "not recorded"
"""Shown where a slice's value is null: unknown is a value, and is counted."""


@dataclass(frozen=True)
class SummaryParameters:
    """How much a page shows. Every bound keeps the page's size apart from the lake's."""

    window_days: int = 90
    """Days up to the newest answer, where the run names no range: a quarter, the usual audit period."""

    slices: int = 15
    """Rows per table of agents, models or use cases; the rest are one row, so sums still hold."""

    daily_points: int = 120
    """More days than this are drawn as weeks, more weeks than this as months."""

    cube_rows: int = 4000
    """Combinations of agent, model and use case that the page's filter can add up; some 100 kB."""

    minimum_claims: int = 30
    """Smaller slices are listed but not named in the headline: their shares are mostly chance."""

    groups: int = 40
    """Rows of any other table on the page."""


@dataclass(frozen=True)
class Window:
    """UTC days of `produced_at` that a page covers, both ends included; None where the lake is empty."""

    first: date | None
    last: date | None


@dataclass(frozen=True)
class Totals:
    """Answers in the window and current verdicts on their claims."""

    answers: int
    claims: int
    supported: int
    contradicted: int
    insufficient: int
    conflicts: int


def window(run: Mapping[str, Any], days: Sequence[date], parameters: SummaryParameters) -> Window:
    """The days a page covers: the run's own range cut to the lake's days, else the newest days.

    `run` holds the run's parsed parameters (`since`/`until` or `from`/`to`, ISO days or None); `days` the
    days that have outputs, in any order.
    """
    if not days:
        return Window(None, None)
    first = run.get("since") or run.get("from")
    last = run.get("until") or run.get("to")
    if not first and not last:
        newest = max(days)
        return Window(max(min(days), newest - timedelta(days=parameters.window_days - 1)), newest)
    low = date.fromisoformat(first) if first else min(days)
    high = date.fromisoformat(last) if last else max(days)
    inside = [day for day in days if low <= day <= high]
    return Window(min(inside), max(inside)) if inside else Window(low, high)


def current(verdicts: pl.LazyFrame) -> pl.LazyFrame:
    """Of every claim its last verdict (by `verified_at`, then `verdict_id`); columns as they came."""
    order = ["verified_at", "verdict_id"]
    return verdicts.sort(order).unique("claim_id", keep="last", maintain_order=True)


def latest_actions(actions: pl.LazyFrame) -> pl.LazyFrame:
    """Of every output its last action (by `decided_at`, then `action_id`)."""
    return actions.sort("decided_at", "action_id").unique("output_id", keep="last", maintain_order=True)


def totals(verdicts: pl.DataFrame, outputs: pl.DataFrame) -> Totals:
    """Counts over current verdicts (`verdict`, `is_conflict`) and outputs (one row each)."""
    counts = dict(verdicts.group_by("verdict").len().iter_rows())
    return Totals(
        answers=outputs.height,
        claims=verdicts.height,
        **{verdict: counts.get(verdict, 0) for verdict in VERDICTS},
        conflicts=int(verdicts["is_conflict"].sum()),
    )


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


def by_slice(
    verdicts: pl.DataFrame, outputs: pl.DataFrame, column: str, parameters: SummaryParameters
) -> pl.DataFrame:
    """Verdicts per agent, model or use case, most contradicted first.

    Columns: value, answers, claims, supported, contradicted, insufficient, conflicts (Int64), is_rest.
    At most `parameters.slices` rows and one more, `is_rest`, that adds up all others.
    """
    counts = (
        _per_slice(verdicts, outputs, [column])
        .rename({column: "value"})
        .sort(["contradicted", "insufficient", "claims", "value"], descending=[True, True, True, False])
    )
    numbers = counts.columns[1:]
    shown = counts.head(parameters.slices).with_columns(is_rest=pl.lit(False))
    rest = counts.slice(parameters.slices)
    if rest.is_empty():
        return shown
    label = pl.lit(f"{rest.height:,} others").alias("value")
    return pl.concat([shown, rest.select(label, *(pl.col(n).sum() for n in numbers), is_rest=pl.lit(True))])


def cube(
    verdicts: pl.DataFrame, outputs: pl.DataFrame, parameters: SummaryParameters
) -> tuple[dict[str, list[str]], pl.DataFrame]:
    """Counts per combination of agent, model and use case, for the page's filter.

    Returns the values of each slice, and a frame whose slice columns are indices into them, with answers,
    supported, contradicted, insufficient. Rare values are folded into `all others` until the frame has at
    most `parameters.cube_rows` rows, so sums over it stay the lake's sums.
    """
    counts = _per_slice(verdicts, outputs, list(SLICES))
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
    return values, indexed.select(*SLICES, "answers", *VERDICTS).sort(SLICES)


def fold_values(frame: pl.DataFrame, values: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """The slice columns as indices into `values`; a value that was folded becomes `all others`."""
    return frame.with_columns(
        pl.when(pl.col(column).fill_null(NOT_RECORDED).is_in(list(known)))
        .then(pl.col(column).fill_null(NOT_RECORDED))
        .otherwise(pl.lit(_OTHERS))
        .replace_strict(list(known), range(len(known)), default=-1, return_dtype=pl.Int64)
        .alias(f"{column}_index")
        for column, known in values.items()
    )


def over_time(verdicts: pl.DataFrame, parameters: SummaryParameters) -> tuple[str, pl.DataFrame]:
    """Verdicts per day, week or month of `produced_at`, whichever keeps the series readable.

    Returns the unit's name and a frame: period (Date, first day), claims, supported, contradicted,
    insufficient. Periods without claims are absent: nothing measured is not zero.
    """
    day = pl.col("produced_at").dt.date()
    span = 0
    if not verdicts.is_empty():
        first, last = verdicts.select(day.min().alias("first"), day.max().alias("last")).row(0)
        span = (last - first).days + 1
    unit, every = "day", "1d"
    if span > parameters.daily_points:
        unit, every = "week", "1w"
    if span > parameters.daily_points * 7:
        unit, every = "month", "1mo"
    series = (
        verdicts.group_by(day.dt.truncate(every).alias("period"))
        .agg(pl.len().cast(pl.Int64).alias("claims"), *_verdict_counts())
        .sort("period")
    )
    return unit, series.tail(parameters.daily_points * 2)


def scores(verdicts: pl.DataFrame) -> pl.DataFrame:
    """How sure the verifier was: claims per tenth of `p_supported` and verdict.

    Columns: low, high (Float64, the tenth), supported, contradicted, insufficient. Always ten rows.
    """
    tenth = (pl.col("p_supported") * 10).floor().clip(0, 9).cast(pl.Int64).alias("tenth")
    counts = verdicts.group_by(tenth).agg(*_verdict_counts())
    return (
        pl.DataFrame({"tenth": range(10)}, schema={"tenth": pl.Int64})
        .join(counts, on="tenth", how="left")
        .with_columns(pl.col(VERDICTS).fill_null(0))
        .sort("tenth")
        .select((pl.col("tenth") / 10).alias("low"), ((pl.col("tenth") + 1) / 10).alias("high"), *VERDICTS)
    )


def by_action(actions: pl.DataFrame) -> pl.DataFrame:
    """Answers per action in the vocabulary's order; columns action, answers. Unused actions are 0."""
    counts = actions.group_by("action").agg(pl.len().cast(pl.Int64).alias("answers"))
    return (
        pl.DataFrame({"action": ACTIONS}, schema={"action": pl.String})
        .join(counts, on="action", how="left", maintain_order="left")
        .with_columns(pl.col("answers").fill_null(0))
    )


def action_reasons(actions: pl.DataFrame, parameters: SummaryParameters) -> pl.DataFrame:
    """Most frequent (action, policy) pairs: action, policy, answers, reason (the most frequent one)."""
    return (
        actions.group_by("action", "policy", "reason")
        .agg(pl.len().cast(pl.Int64).alias("answers"))
        .sort(["answers", "reason"], descending=[True, False])
        .group_by("action", "policy", maintain_order=True)
        .agg(pl.col("answers").sum(), pl.col("reason").first())
        .sort(["answers", "action", "policy"], descending=[True, False, False])
        .head(parameters.groups)
    )


def findings_by_kind(findings: pl.LazyFrame, parameters: SummaryParameters) -> pl.LazyFrame:
    """Findings by kind: kind, detector, findings, answers, example (masked, never the text).

    `example_output_id` names the answer that the example is from, so that erasing it finds the example.
    """
    return (
        findings.group_by("kind", "detector")
        .agg(
            pl.len().cast(pl.Int64).alias("findings"),
            pl.col("output_id").n_unique().cast(pl.Int64).alias("answers"),
            pl.col("masked", "output_id")
            .sort_by("confidence", "finding_id", descending=[True, False])
            .first()
            .name.map(lambda name: {"masked": "example", "output_id": "example_output_id"}[name]),
        )
        .sort(["findings", "kind", "detector"], descending=[True, False, False])
        .head(parameters.groups)
    )


def quarantine_by_check(quarantine: pl.LazyFrame, parameters: SummaryParameters) -> pl.LazyFrame:
    """Refused rows by table, source and check: rows, and reason and locator of the first as an example."""
    return (
        quarantine.group_by("table", "source", "check")
        .agg(
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("reason", "locator").sort_by("locator", "row_sha256").first(),
        )
        .sort(["rows", "table", "source", "check"], descending=[True, False, False, False])
        .head(parameters.groups)
    )


def _verdict_counts() -> list[pl.Expr]:
    return [(pl.col("verdict") == name).sum().cast(pl.Int64).alias(name) for name in VERDICTS]


_OTHERS = "all others"


def _per_slice(verdicts: pl.DataFrame, outputs: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Answers and verdicts per combination; a combination without any claim counts its answers."""
    named = [pl.col(c).fill_null(NOT_RECORDED) for c in columns]
    answers = outputs.group_by(named).agg(pl.len().cast(pl.Int64).alias("answers"))
    judged = verdicts.group_by(named).agg(
        pl.len().cast(pl.Int64).alias("claims"),
        *_verdict_counts(),
        pl.col("is_conflict").sum().cast(pl.Int64).alias("conflicts"),
    )
    return answers.join(judged, on=columns, how="full", coalesce=True).with_columns(
        pl.col("answers", "claims", *VERDICTS, "conflicts").fill_null(0)
    )


def _fold(counts: pl.DataFrame, limit: int) -> pl.DataFrame:
    folded = counts
    for column in SLICES:
        sizes = counts.group_by(column).agg(pl.col("claims", "answers").sum())
        if sizes.height > limit:
            kept = sizes.sort(["claims", "answers", column], descending=[True, True, False])[column].head(
                limit
            )
            folded = folded.with_columns(
                pl.when(pl.col(column).is_in(kept.implode())).then(pl.col(column)).otherwise(pl.lit(_OTHERS))
            )
    return folded.group_by(SLICES).agg(pl.col("answers", "claims", *VERDICTS).sum())
