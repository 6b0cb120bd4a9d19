"""Alarms: which drifted rows people hear of, and the one message that says so.

Quiet by default: an alarm is sent on the night on which it is new, all of a night's alarms in one message,
and what never stops is sent once.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import polars as pl

from tasks.drift.metrics import METRICS
from tasks.knobs import Section
from tasks.visible import visible

LINES = 5
"""Slices that a message names; the report has the rest."""
RAISED = pl.Schema(
    {
        "slice": pl.String,
        "metric": pl.String,
        "difference": pl.Float64,
        "harm": pl.Float64,
        "changed_on": pl.Date,
        "reason": pl.String,
        "part_of": pl.String,
        "nights": pl.Int32,
        "is_new": pl.Boolean,
    }
)


@dataclass(frozen=True)
class AlarmRule(Section):
    """Drifted rows that raise an alarm: all conditions together."""

    metric: str = "supported_share"
    """A metric's name, or `*`."""
    slice: str = "*"
    """Pattern of slice names, in which `*` matches anything: `all`, `agent=*`, `*model=gpt-4*`."""
    direction: Literal["worse", "up", "down", "any"] = "worse"
    """Which way it must have drifted."""
    size: float = 0.0
    """Smallest difference in the metric's unit; below the metric's own threshold nothing drifts anyway."""
    nights: int = 1
    """Nights in a row on which the row must have drifted the same way, this one included."""

    def __post_init__(self) -> None:
        """Raises ValueError for a rule that could never raise anything."""
        if self.metric != "*" and self.metric not in METRICS:
            raise ValueError(f"alarms: {self.metric!r} is not a metric; known: *, {', '.join(METRICS)}")
        if self.nights < 1:
            raise ValueError(f"alarms: nights is {self.nights}, expected 1 or more")
        if self.direction == "worse" and self.metric != "*" and METRICS[self.metric].bad == "neither":
            raise ValueError(
                f"alarms: {self.metric} has no direction that counts as worse; use up, down or any"
            )


DEFAULT_RULES = (AlarmRule("supported_share"), AlarmRule("contradicted_share"))
"""What an agent's owner must hear of: answers that the evidence no longer supports, or speaks against."""


def raised(rows: pl.DataFrame, history: pl.DataFrame, rules: Sequence[AlarmRule]) -> pl.DataFrame:
    """RAISED rows: what no simpler slice explains first, then by harm.

    Args:
        rows: one report's rows of the `drift` table.
        history: rows of earlier reports, of windows that end before this one's.
    """
    drifted = rows.filter(pl.col("status") == "drifted")
    if drifted.is_empty():
        return pl.DataFrame(schema=RAISED)
    window_end: date = drifted["window_end"][0]
    before = (
        history.filter(pl.col("status") == "drifted", pl.col("window_end") < window_end)
        .select("slice", "metric", "window_end", rises=pl.col("difference") > 0)
        .unique()
    )
    drifted = (
        drifted.with_columns(rises=pl.col("difference") > 0)
        .join(_runs(before, window_end), on=["slice", "metric", "rises"], how="left")
        .with_columns(nights=pl.col("nights").fill_null(0).cast(pl.Int32) + 1)
    )
    names = drifted["slice"].unique().to_list()
    hits = [(_matches(rule, names), pl.col("nights") == rule.nights) for rule in rules]
    return (
        drifted.filter(pl.any_horizontal(pl.lit(False), *(hit for hit, _ in hits)))
        .with_columns(is_new=pl.any_horizontal(pl.lit(False), *(hit & is_first for hit, is_first in hits)))
        .sort(pl.col("part_of").is_not_null(), -pl.col("harm"), -pl.col("difference").abs(), nulls_last=True)
        .select(RAISED.names())
        .cast(RAISED)
    )


def _runs(before: pl.DataFrame, window_end: date) -> pl.DataFrame:
    """`slice, metric, rises, nights`: how many nights in a row, up to the last one, a row had drifted."""
    ago = (pl.lit(window_end) - pl.col("window_end")).dt.total_days()
    return (
        before.with_columns(ago=ago)
        .sort("ago")
        .group_by("slice", "metric", "rises", maintain_order=True)
        # Nights 1, 2, 3 ago are at places 1, 2, 3; the first gap ends the run.
        .agg(nights=(pl.col("ago") == pl.int_range(1, pl.len() + 1)).cum_prod().sum().cast(pl.Int32))
    )


def _matches(rule: AlarmRule, names: Sequence[str]) -> pl.Expr:
    # Only `*` is a pattern: names of agents may hold brackets and question marks.
    pattern = re.compile(fnmatch.translate(re.sub(r"([\[?])", r"[\1]", rule.slice)))
    direction = {
        "worse": pl.col("direction") == "worse",
        "up": pl.col("difference") > 0,
        "down": pl.col("difference") < 0,
        "any": pl.lit(True),
    }[rule.direction]
    return (
        pl.col("slice").is_in([name for name in names if pattern.match(name)])
        & (pl.lit(rule.metric == "*") | (pl.col("metric") == rule.metric))
        & direction
        & (pl.col("difference").abs() >= rule.size)
        & (pl.col("nights") >= rule.nights)
    )


def message(alarms: pl.DataFrame, link: str) -> tuple[str, str] | None:
    """Title and body of a message about the new alarms (RAISED rows), or None where none is new.

    One line per slice, its most harmful change; parts of a change that has a line of its own have none. Names
    from traces are made harmless to read.
    """
    new = alarms.filter(pl.col("is_new"))
    named = new.filter(pl.col("part_of").is_null())["slice"].implode()
    new = new.filter(~pl.col("part_of").is_in(named).fill_null(value=False))
    if new.is_empty():
        return None
    reasons = new.unique("slice", keep="first", maintain_order=True)["reason"]
    lines = [f"- {visible(reason)}" for reason in reasons.head(LINES)]
    if (more := len(reasons) - LINES) > 0:
        lines.append(f"- and {more} more {'slice' if more == 1 else 'slices'}")
    title = f"claimledger: {len(reasons)} {'slice' if len(reasons) == 1 else 'slices'} changed"
    return title, "\n".join([*lines, "", f"Report: {link}"])


def needed_since(rules: Sequence[AlarmRule], window_end: date) -> date:
    """Earliest `window_end` of the history that the rules look at."""
    return window_end - timedelta(days=max((rule.nights for rule in rules), default=1) + 1)
