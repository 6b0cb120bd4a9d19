"""What one would expect to be there and is not: agents and use cases that fell silent, missing numbers.

Belongs here: days of agents and use cases, and numbered ids of sources. Does not belong here: nights
(`nights.py`), and what a source itself counts (table `completeness`).
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

IMPROBABLE = 0.001
"""Probability, by an agent's own share of active days, under which days without an answer are a gap; the same
as of the signals of health."""
ACTIVE_DAYS = 7
"""An agent that answered on fewer days has no habit to deviate from."""
NUMBERED = 20
"""Ids of a source with one beginning, from which on they are taken for a numbering."""
DENSE = 0.5
"""Share of the numbers between the lowest and the highest that must be there, for the same."""
GAPS_NAMED = 5
AGENTS = pl.Schema(
    {
        "agent": pl.String(),
        "source": pl.String(),
        "first_day": pl.Date(),
        "last_day": pl.Date(),
        "active_days": pl.Int64(),
        "answers": pl.Int64(),
        "gap_days": pl.Int64(),
        "gap_from": pl.Date(),
        "gap_probability": pl.Float64(),
        "state": pl.String(),
    }
)
USE_CASES = ["use_case", *(name for name in AGENTS if name not in ("agent", "source"))]
NUMBERS = pl.Schema(
    {
        "source": pl.String(),
        "beginning": pl.String(),
        "lowest": pl.Int64(),
        "highest": pl.Int64(),
        "present": pl.Int64(),
        "missing": pl.Int64(),
        "gaps": pl.String(),
    }
)


def agents(
    outputs: pl.LazyFrame, earlier: pl.LazyFrame, declared: pl.DataFrame, *, since: date, until: date
) -> pl.DataFrame:
    """One row per agent and source of the period (AGENTS), and per agent that was expected and not seen.

    `state` is seen, gap (days without an answer that its own share of active days makes improbable), silent
    (no answer in the period, though it gave some in the one before) or unseen (declared, and no answer).

    Args:
        outputs: of the period; earlier: of as many days before. Columns agent, source, produced_at.
        declared: names of declared agents, column name.
    """
    days = (
        outputs.group_by("agent", "source", day=pl.col("produced_at").dt.date())
        .agg(answers=pl.len())
        .sort("agent", "source", "day")
        .collect()
    )
    before = earlier.select("agent", "source").unique().collect()
    edges = days.group_by("agent", "source").agg(pl.col("day").max())
    # The days up to the period's end are a gap too, if the agent went silent.
    ends = edges.select(
        "agent", "source", day=pl.lit(until + timedelta(days=1)), answers=pl.lit(0, pl.UInt32)
    )
    known = days.join(before, on=["agent", "source"], how="semi").select("agent", "source").unique()
    starts = known.with_columns(day=pl.lit(since - timedelta(days=1)), answers=pl.lit(0, pl.UInt32))
    steps = (
        pl.concat([days, ends, starts])
        .sort("agent", "source", "day")
        .with_columns(previous=pl.col("day").shift(1).over("agent", "source"))
        .with_columns(gap=(pl.col("day") - pl.col("previous")).dt.total_days().fill_null(1) - 1)
    )
    rows = steps.group_by("agent", "source").agg(
        first_day=pl.col("day").filter(pl.col("answers") > 0).min(),
        last_day=pl.col("day").filter(pl.col("answers") > 0).max(),
        active_days=(pl.col("answers") > 0).sum().cast(pl.Int64),
        answers=pl.col("answers").sum().cast(pl.Int64),
        gap_days=pl.col("gap").max(),
        without=pl.col("gap").sum(),
        gap_from=(pl.col("previous") + pl.duration(days=1)).get(pl.col("gap").arg_max()),
    )
    # Laplace's rule of succession, the gap itself left out: what the agent's other days say of it.
    others = pl.col("active_days") + pl.col("without") - pl.col("gap_days")
    share = (pl.col("active_days") + 1) / (others + 2)
    rows = rows.with_columns(gap_probability=((1 - share) ** pl.col("gap_days")).round(9))
    is_gap = (pl.col("active_days") >= ACTIVE_DAYS) & (pl.col("gap_probability") < IMPROBABLE)
    rows = rows.with_columns(
        state=pl.when(is_gap & (pl.col("gap_days") > 0)).then(pl.lit("gap")).otherwise(pl.lit("seen")),
        gap_from=pl.when(pl.col("gap_days") > 0).then("gap_from"),
    )
    silent = before.join(days, on=["agent", "source"], how="anti").with_columns(state=pl.lit("silent"))
    names = pl.concat([days.select("agent"), before.select("agent")])
    unseen = (
        declared.select(agent="name").unique().join(names, on="agent", how="anti")
        .with_columns(state=pl.lit("unseen"))
    )  # fmt: skip
    parts = [rows.drop("without"), silent, unseen]
    every = pl.concat([pl.DataFrame(schema=AGENTS), *parts], how="diagonal_relaxed")
    return every.select(pl.col(n).cast(t) for n, t in AGENTS.items()).sort("agent", "source", nulls_last=True)


def use_cases(outputs: pl.LazyFrame, earlier: pl.LazyFrame, *, since: date, until: date) -> pl.DataFrame:
    """As `agents`, one row per use case (USE_CASES), whichever agents and sources answer for it; none is
    declared.
    """
    one = pl.lit("", pl.String).alias("source")
    current, before = (frame.select("produced_at", one, agent="use_case") for frame in (outputs, earlier))
    nobody = pl.DataFrame(schema={"name": pl.String})
    rows = agents(current, before, nobody, since=since, until=until).rename({"agent": "use_case"})
    return rows.select(USE_CASES)


def numbers(outputs: pl.LazyFrame, everything: pl.LazyFrame) -> pl.DataFrame:
    """One row per numbering of a source (NUMBERS): ids that end in a number and begin alike.

    `missing` counts numbers between the lowest and the highest of the period that no record has, whatever its
    day; `gaps` names the first of them as ranges.

    Args:
        outputs: of the period; everything: of all time. Columns source, source_id.
    """
    own = _numbered(outputs)
    bounds = (
        own.group_by("source", "beginning")
        .agg(
            lowest=pl.col("number").min(), highest=pl.col("number").max(), present=pl.col("number").n_unique()
        )
        .filter(
            (pl.col("present") >= NUMBERED)
            & (pl.col("present") >= DENSE * (pl.col("highest") - pl.col("lowest") + 1))
        )
        .collect()
    )
    if bounds.is_empty():
        return pl.DataFrame(schema=NUMBERS)
    present = (
        _numbered(everything)
        .join(bounds.lazy().drop("present"), on=["source", "beginning"])
        .filter(pl.col("number").is_between("lowest", "highest"))
        .select("source", "beginning", "lowest", "highest", "number")
        .unique()
        .sort("source", "beginning", "number")
        .with_columns(previous=pl.col("number").shift(1).over("source", "beginning"))
        .with_columns(gap=(pl.col("number") - pl.col("previous")).fill_null(1) - 1)
    )
    first, last = pl.col("previous") + 1, pl.col("number") - 1
    named = pl.when(pl.col("gap") == 1).then(first.cast(pl.String)).otherwise(pl.format("{}-{}", first, last))
    return (
        present.group_by("source", "beginning", "lowest", "highest")
        .agg(
            present=pl.len().cast(pl.Int64),
            missing=pl.col("gap").sum(),
            gaps=named.filter(pl.col("gap") > 0).head(GAPS_NAMED).str.join(" "),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in NUMBERS.items())
        .sort("source", "beginning")
        .collect()
    )


def _numbered(outputs: pl.LazyFrame) -> pl.LazyFrame:
    parts = pl.col("source_id").str.extract_groups(r"^(?<beginning>.*?)(?<number>\d{1,15})$")
    return (
        outputs.select("source", parts=parts)
        .unnest("parts")
        .drop_nulls("number")
        .with_columns(pl.col("number").cast(pl.Int64))
    )
