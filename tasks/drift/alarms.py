"""Alarms: which drifted rows somebody is told of, and the one message that tells it.

Belongs here: rules and words. Does not belong here: what drifted (`table.py`), sending
(`tasks/drift/notify.py`). Quiet by default: an alarm is told on the night on which it is new, all of a
night's alarms in one message, and what never stops is told once.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Literal

import polars as pl

from tasks.drift.metrics import METRICS
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
class AlarmRule:
    """Drifted rows that raise an alarm: all conditions together."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    metric: str = "supported_share"
    """A metric's name, or `*`."""
    slice: str = "*"
    """Pattern of slice names, in which `*` stands for anything: `all`, `agent=*`, `*model=gpt-4*`."""
    direction: Literal["worse", "up", "down", "any"] = "worse"
    size: float = 0.0
    """Smallest difference in the metric's unit; below the metric's own threshold nothing drifts anyway."""
    nights: int = 1
    """Nights in a row on which the row must have drifted the same way, this one included."""

    def __post_init__(self) -> None:
        """Raises ValueError for a rule that could never raise anything."""
        if self.metric != "*" and self.metric not in METRICS:
            raise ValueError(f"alarms: {self.metric!r} is no metric; known: *, {', '.join(METRICS)}")
        if self.nights < 1:
            raise ValueError(f"alarms: nights is {self.nights}, expected 1 or more")
        if self.direction == "worse" and self.metric != "*" and METRICS[self.metric].bad == "neither":
            raise ValueError(f"alarms: {self.metric} has no worse direction; use up, down or any")


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
    drifted = drifted.with_columns(rises=pl.col("difference") > 0).join(
        _runs(before, window_end), on=["slice", "metric", "rises"], how="left"
    )
    drifted = drifted.with_columns(nights=pl.col("nights").fill_null(0).cast(pl.Int32) + 1)
    hit = pl.any_horizontal(
        [_matches(rule, drifted["slice"].unique().to_list()) for rule in rules] or [False]
    )
    fresh = pl.any_horizontal(
        [
            _matches(rule, drifted["slice"].unique().to_list()) & (pl.col("nights") == rule.nights)
            for rule in rules
        ]
        or [False]
    )
    return (
        drifted.filter(hit)
        .with_columns(is_new=fresh)
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
        # Nights 1, 2, 3 ago stand at places 1, 2, 3; the first gap ends the run.
        .agg(nights=(pl.col("ago") == pl.int_range(1, pl.len() + 1)).cum_prod().sum().cast(pl.Int32))
    )


def _matches(rule: AlarmRule, names: Sequence[str]) -> pl.Expr:
    # Only `*` is a pattern: names of agents may hold brackets and question marks.
    pattern = re.compile(fnmatch.translate(re.sub(r"([\[?])", r"[\1]", rule.slice)))
    wanted = [name for name in names if pattern.match(name)]
    way = {
        "worse": pl.col("direction") == "worse",
        "up": pl.col("difference") > 0,
        "down": pl.col("difference") < 0,
        "any": pl.lit(value=True),
    }[rule.direction]
    metric = pl.lit(value=True) if rule.metric == "*" else pl.col("metric") == rule.metric
    large = pl.col("difference").abs() >= rule.size
    return metric & pl.col("slice").is_in(wanted) & way & large & (pl.col("nights") >= rule.nights)


def message(alarms: pl.DataFrame, link: str) -> tuple[str, str] | None:
    """Title and body that tell the new alarms (RAISED rows), or None where none is new.

    One line per slice, its most harmful change; parts of a change that has a line of its own have none. Names
    from traces are made harmless to read.
    """
    new = alarms.filter(pl.col("is_new"))
    named = new.filter(pl.col("part_of").is_null())["slice"].implode()
    new = new.filter(~pl.col("part_of").is_in(named).fill_null(value=False))
    if new.is_empty():
        return None
    lines = new.unique("slice", keep="first", maintain_order=True)
    said = [f"- {visible(reason)}" for reason in lines["reason"].head(LINES).to_list()]
    more = lines.height - LINES
    if more > 0:
        said.append(f"- and {more} more {'slice' if more == 1 else 'slices'}")
    count = lines.height
    title = f"claimledger: {count} {'slice' if count == 1 else 'slices'} changed"
    return title, "\n".join([*said, "", f"Report: {link}"])


def needed_since(rules: Sequence[AlarmRule], window_end: date) -> date:
    """Earliest `window_end` of the history that the rules look at."""
    return window_end - timedelta(days=max((rule.nights for rule in rules), default=1) + 1)
