"""Drift in words: what fell from where to where, since when, and what else first appeared on that day.

Belongs here: sentences and the coincidences in them. A coincidence is no cause, and is worded as none.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from tasks.drift import slices
from tasks.drift.comparable import Comparable
from tasks.drift.metrics import METRICS, Metric

EXPLAINED = 200
"""Drifted rows whose day is searched for coincidences, largest harm first: nobody reads more."""
NAMED = 3
"""Coincidences that one sentence names."""
_CHARACTERS = 60
"""Of a name in a sentence; sources may send any length."""


def not_measured(metric: Metric) -> str:
    """Why a metric has no value at all."""
    what = {"embeddings": "no text of these days has a cached embedding"}
    return f"{metric.words}: {what.get(metric.table, f'the table {metric.table} has no rows on these days')}"


def reasoned(rows: pl.DataFrame, chosen: Comparable, seen: pl.DataFrame) -> pl.DataFrame:
    """Adds `reason` to rows that have `status`, `changed_on` and the numbers of `series.ROWS`.

    Args:
        chosen: what was compared; its notes end every reason that they bear on.
        seen: `date, snapshot`: corpus snapshots that verdicts of a day rest on.
    """
    notes = "".join(f"; {note}" for note in chosen.notes)
    quick = rows.with_columns(
        words=pl.col("metric").replace_strict(
            {n: m.words for n, m in METRICS.items()}, return_dtype=pl.String
        )
    ).select(
        pl.when(pl.col("status") != "drifted")
        .then(
            pl.when((pl.col("current_count") == 0) & (pl.col("baseline_count") > 0))
            .then(pl.lit("vanished: no units in the window"))
            .when((pl.col("baseline_count") == 0) & (pl.col("current_count") > 0))
            .then(pl.lit("new: no units in the baseline"))
            .when(pl.col("status") == "too_few")
            .then(
                pl.format(
                    "too few to tell: {} units in the window, {} in {} baseline days",
                    pl.col("current_count").round(0).cast(pl.Int64),
                    pl.col("baseline_count").round(0).cast(pl.Int64),
                    "baseline_days",
                )
            )
            .otherwise(pl.lit("within what ordinary days show, or too small to matter"))
        )
        .alias("reason")
    )["reason"]
    reasons = [None if r is None else r + notes for r in quick.to_list()]
    drifted = rows.with_row_index("place").filter(pl.col("status") == "drifted")
    first = {} if drifted.is_empty() else _first_days(chosen.cells, seen)
    for number, row in enumerate(
        drifted.sort("harm", descending=True, nulls_last=True).iter_rows(named=True)
    ):
        besides = (
            coincidences(row["slice"], row["changed_on"], chosen.cells, first) if number < EXPLAINED else []
        )
        reasons[row["place"]] = sentence(row, besides) + notes
    return rows.with_columns(reason=pl.Series(reasons, dtype=pl.String))


def sentence(row: dict[str, object], besides: list[str]) -> str:
    """For example:

    supported share of agent A fell from 0.93 to 0.81 on 14 November 2026, the day model M2 first appears
    """
    metric = METRICS[str(row["metric"])]
    before, after = row["baseline_value"], row["current_value"]
    verb = "fell" if float(after) < float(before) else "rose"  # type: ignore[arg-type]
    said = (
        f"{metric.words} of {_short(slices.words(str(row['slice'])))} {verb} "
        f"from {_number(float(before))} to {_number(float(after))}"  # type: ignore[arg-type]
    )
    changed = row["changed_on"]
    if isinstance(changed, date):
        said += f" on {changed.day} {changed:%B %Y}"
        if besides:
            said += ", " + " and ".join(besides[:NAMED])
    return said


def coincidences(
    slice_name: str, changed: date | None, cells: pl.DataFrame, first: dict[str, pl.DataFrame]
) -> list[str]:
    """What first appears in the slice on the day of the change, or on a day beside it."""
    if changed is None:
        return []
    fixed = slices.parsed(slice_name)
    within = cells.filter(slices.rows_of(slice_name))
    start = within["date"].min()
    found = []
    for column in ("model", "verifier", "policy", "snapshot", "agent", "use_case", "source"):
        if column in fixed:
            continue
        if column == "snapshot":
            days = first.get("snapshot", pl.DataFrame(schema={"value": pl.String, "date": pl.Date}))
        else:
            days = (
                within.filter(pl.col(column).is_not_null())
                .group_by(value=pl.col(column))
                .agg(pl.col("date").min())
            )
        near = days.filter(
            (pl.col("date") - changed).dt.total_days().abs() <= 1, pl.col("date") != start
        ).sort("date", "value")
        for value, day in near.iter_rows():
            name = value[:12] if column in ("verifier", "snapshot") else _short(value)
            when = {0: "the day", -1: "the day after", 1: "the day before"}[(changed - day).days]
            found.append(f"{when} {_WORDS.get(column, column)} {name} first appears")
    return found


_WORDS = {"snapshot": "corpus snapshot", "use_case": "use case"}


def _first_days(cells: pl.DataFrame, seen: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Snapshots by first day, without those that were there from the start."""
    start = cells["date"].min()
    snapshots = seen.group_by(value=pl.col("snapshot")).agg(pl.col("date").min())
    return {"snapshot": snapshots.filter(pl.col("date") != start)}


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.0f}"


def _short(text: str) -> str:
    return text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1] + "…"
