"""Drift in words: what fell from where to where, since when, and what else first appeared on that day.

A coincidence is not a cause, and is worded as none.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from tasks.drift import slices
from tasks.drift.comparable import Comparable
from tasks.drift.metrics import METRICS, Metric

SEARCHED = 200
"""Drifted rows whose day is searched for coincidences, largest harm first: nobody reads more."""
NAMED = 3
"""Coincidences that one sentence names."""
MOST_DECIMALS = 7
"""Of a number in a sentence; smaller ones are written with an exponent."""
_CHARACTERS = 60
"""Of a name in a sentence; sources may send any length."""
_WORDS = {"snapshot": "corpus snapshot", "use_case": "use case"}


def not_measured(metric: Metric, *, has_rows: bool) -> str:
    """Why a metric has no value at all; `has_rows`: whether its table holds any on these days."""
    if metric.table == "embeddings":
        return f"{metric.words}: no text of these days has a cached embedding"
    if metric.name == "lag_hours" and has_rows:
        return f"{metric.words}: these days were over before the first audit of their sources"
    return f"{metric.words}: the table {metric.table} has no rows on these days"


def with_reasons(rows: pl.DataFrame, selection: Comparable, seen: pl.DataFrame) -> pl.DataFrame:
    """Adds `reason` to rows that have `status`, `changed_on`, `harm` and the numbers of `series.ROWS`.

    Args:
        selection: what was compared; its notes end every reason.
        seen: `date, snapshot`: corpus snapshots that verdicts of a day rest on.
    """
    numbered = rows.with_row_index("place")
    drifted = numbered.filter(pl.col("status") == "drifted").sort("harm", descending=True, nulls_last=True)
    snapshots = _first_days(seen, "snapshot")
    sentences = []
    columns = ("place", "metric", "slice", "baseline_value", "current_value", "changed_on")
    for number, (place, metric, name, before, after, day) in enumerate(drifted.select(columns).iter_rows()):
        besides = coincidences(name, day, selection.cells, snapshots) if day and number < SEARCHED else []
        sentences.append((place, sentence(METRICS[metric], name, (before, after), day, besides)))
    texts = pl.DataFrame(sentences, {"place": pl.UInt32, "sentence": pl.String}, orient="row")
    notes = pl.lit("".join(f"; {note}" for note in selection.notes))
    return (
        numbered.join(texts, on="place", how="left", maintain_order="left")
        .with_columns(reason=pl.coalesce("sentence", _undrifted()) + notes)
        .drop("place", "sentence")
    )


def _undrifted() -> pl.Expr:
    """The reason of a row that has not drifted."""
    current, baseline = pl.col("current_count"), pl.col("baseline_count")
    few = pl.format(
        "too few to tell: {} units in the window, {} in {} baseline days",
        current.round(0).cast(pl.Int64),
        baseline.round(0).cast(pl.Int64),
        "baseline_days",
    )
    return (
        pl.when((current == 0) & (baseline > 0))
        .then(pl.lit("vanished: no units in the window"))
        .when((baseline == 0) & (current > 0))
        .then(pl.lit("new: no units in the baseline"))
        .when(pl.col("status") == "too_few")
        .then(few)
        .otherwise(pl.lit("within ordinary variation, or too small to matter"))
    )


def sentence(
    metric: Metric, slice_name: str, values: tuple[float, float], day: date | None, besides: list[str]
) -> str:
    """For example:

    supported share of agent A fell from 0.93 to 0.81 on 14 November 2026, the day model M2 first appears
    """
    before, after = values
    verb = "fell" if after < before else "rose"
    change = "{} from {} to {}".format(verb, *_numbers(before, after))
    text = f"{metric.words} of {_short(slices.words(slice_name))} {change}"
    if day is None:
        return text
    text += f" on {day.day} {day:%B %Y}"
    return f"{text}, {' and '.join(besides[:NAMED])}" if besides else text


def coincidences(slice_name: str, changed: date, cells: pl.DataFrame, snapshots: pl.DataFrame) -> list[str]:
    """What first appears in the slice on the day of the change, or on a day beside it."""
    within = cells.filter(slices.rows_of(slice_name))
    if within.is_empty():
        return []
    near = (pl.col("date") - changed).dt.total_days().abs() <= 1
    is_new = ~pl.col("date").is_in([cells["date"].min(), within["date"].min()])
    notes = []
    for column in ("model", "verifier", "policy", "snapshot", "agent", "use_case", "source"):
        if column in slices.parsed(slice_name):
            continue
        days = snapshots if column == "snapshot" else _first_days(within, column)
        for value, day in days.filter(near, is_new).sort("date", "value").iter_rows():
            name = value[:12] if column in ("verifier", "snapshot") else _short(value)
            when = {0: "the day", -1: "the day after", 1: "the day before"}[(changed - day).days]
            notes.append(f"{when} {_WORDS.get(column, column)} {name} first appears")
    return notes


def _first_days(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """`value, date`: the first day of each value."""
    return frame.drop_nulls(column).group_by(value=pl.col(column)).agg(pl.col("date").min())


def _short(text: str) -> str:
    return text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…"


def _numbers(before: float, after: float) -> tuple[str, str]:
    """Two numbers with as few digits as let a reader see that they differ."""
    fewest = 2 if max(abs(before), abs(after)) < 10 else 0
    for decimals in range(fewest, MOST_DECIMALS):
        first, second = (f"{value:,.{decimals}f}" for value in (before, after))
        if first != second:
            return first, second
    return f"{before:.3g}", f"{after:.3g}"
