"""Lines that say what was really done with answers, read with distrust: which can be used, and why not.

Belongs here: what a line says and whether that can be. Does not belong here: files and the lake
(`imports.py`), what follows from it (`later.py`).

A line names its answer by `output_id`, or by `source_id` as its source calls it (with `source` where several
sources use that id), and says `action_taken` and, if known, `taken_at`. Ids are compared as text and never
read as numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

from tasks.files.portions import Record
from tasks.files.refusal import Refusal, shown
from tasks.tables import ACTIONS, UTC

NAMED = ("output_id", "source", "source_id", "claim_id", "taken_at")
"""Columns that are read besides the action; any other is for people."""
LINES: dict[str, pl.DataType] = {
    "line": pl.Int64(),
    **dict.fromkeys((*NAMED, "action"), pl.String()),
    "fault": pl.String(),
}
"""A line as text; `fault` where a cell is no text."""
OF_EXPORT = "is_withheld"
"""Column of `actions export`, whose `action` is the decision and not what was done."""
TOLERANCE = timedelta(days=1)
"""How far before the answer or after now something may have been done: clocks and zones differ."""


def lines(records: Iterable[tuple[int, Record]]) -> pl.DataFrame:
    """LINES of records by their line.

    Raises:
        Refusal: no line says what was done.
    """
    given = [
        (number, {str(name).strip().casefold(): value for name, value in record.items()})
        for number, record in records
    ]
    # Cells that are empty are no part of a record, so one line does not know the columns.
    columns = {name for _, record in given for name in record}
    column = "action_taken" if "action_taken" in columns or OF_EXPORT in columns else "action"
    if column not in columns:
        raise Refusal("action_taken", f"no line has an action_taken; expected one of {', '.join(ACTIONS)}")
    return pl.DataFrame([_line(number, record, column) for number, record in given], schema=LINES)


def _line(number: int, given: Record, column: str) -> dict[str, object]:
    row: dict[str, object] = {"line": number, "fault": None}
    for name in (*NAMED, "action"):
        value = given.get(column if name == "action" else name)
        if isinstance(value, datetime):
            value = value.isoformat()
        if value is None or isinstance(value, str):
            row[name] = (value or "").strip()
        elif isinstance(value, int) and not isinstance(value, bool):
            row[name] = str(value)
        else:
            row[name] = ""
            row["fault"] = f"{name} is {shown(repr(value), 40)}, expected text; save the column as text"
    return row


def resolved(rows: pl.DataFrame, outputs: pl.DataFrame) -> pl.DataFrame:
    """LINES with the output that each names.

    Args:
        outputs: output_id, source, source_id, produced_at and is_current of the outputs that lines may name.

    Returns:
        LINES with `known_id`, `produced_at` (null where no output is meant) and `sources`, how many sources
        use the line's `source_id`.
    """
    by_source = (
        outputs.filter("is_current")
        .group_by("source_id")
        .agg(pl.col("output_id", "produced_at", "source").first(), sources=pl.col("source").n_unique())
    )
    by_both = outputs.filter("is_current").unique(["source", "source_id"], keep="last")
    frame = (
        rows.with_columns(pl.col("output_id").str.to_lowercase())
        .join(
            outputs.select("output_id", _own="produced_at"), on="output_id", how="left", maintain_order="left"
        )
        .join(
            by_both.select("source", "source_id", _both="output_id", _both_at="produced_at"),
            on=["source", "source_id"],
            how="left",
            maintain_order="left",
        )
        .join(
            by_source.select("source_id", "sources", _alone="output_id", _alone_at="produced_at"),
            on="source_id",
            how="left",
            maintain_order="left",
        )
    )
    is_own, is_bare = pl.col("output_id") != "", (pl.col("source") == "") & (pl.col("sources") == 1)
    return frame.with_columns(
        known_id=pl.when(is_own)
        .then(pl.when(pl.col("_own").is_not_null()).then("output_id"))
        .otherwise(pl.coalesce("_both", pl.when(is_bare).then("_alone"))),
        produced_at=pl.when(is_own)
        .then("_own")
        .otherwise(pl.coalesce("_both_at", pl.when(is_bare).then("_alone_at"))),
    ).select(*LINES, "known_id", "produced_at", "sources")


def judged(
    rows: pl.DataFrame, foreign: pl.DataFrame, *, now: datetime
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Lines that can be used, lines that cannot (with `problem`), and how many say nothing.

    Args:
        rows: `resolved`.
        foreign: `id` and `what` of ids of the lake that are not an output's.

    Returns:
        Usable ones: line, output_id, action, taken_at (null where it is not said). Refused ones: LINES and
        `problem`.
    """
    is_blank = (pl.col("action") == "") & pl.col("fault").is_null()
    said = rows.filter(~is_blank).with_columns(
        pl.col("action").str.to_lowercase(),
        at=pl.col("taken_at")
        .str.replace("Z$", "+00:00")
        .str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False),
        named=pl.when(pl.col("output_id") != "").then("output_id").otherwise("source_id"),
    )
    # The rows of an export name an answer once for each of its claims.
    is_repeated = pl.struct("known_id", "action", "taken_at").is_first_distinct().not_()
    same = said.filter(is_repeated & (pl.col("claim_id") != "") & pl.col("known_id").is_not_null())
    said = said.join(same.select("line"), on="line", how="anti", maintain_order="left")
    said = said.join(
        foreign.rename({"id": "named", "what": "foreign"}), on="named", how="left", maintain_order="left"
    ).with_columns(
        first=pl.col("line").min().over("known_id"),
        sayings=pl.struct("action", "taken_at").n_unique().over("known_id"),
    )
    said = said.with_columns(problem=_problem(now))
    refused = said.filter(pl.col("problem").is_not_null())
    usable = said.filter(pl.col("problem").is_null())
    return (
        usable.select("line", "action", output_id="known_id", taken_at=pl.col("at").cast(UTC)),
        refused.select(*LINES, "problem"),
        rows.height - said.height,
    )


def _problem(now: datetime) -> pl.Expr:
    """Why a line cannot be used; null where it can."""
    at, named = pl.col("at"), pl.col("named").str.slice(0, 80)
    is_unknown = pl.col("known_id").is_null()
    return (
        pl.when(pl.col("fault").is_not_null())
        .then("fault")
        .when(named == "")
        .then(pl.lit("it names no answer; give output_id or source_id"))
        .when(is_unknown & pl.col("foreign").is_not_null())
        .then(pl.format("{} is the id of {}, expected that of an output", named, "foreign"))
        .when(is_unknown & (pl.col("sources") > 1) & (pl.col("source") == ""))
        .then(pl.format("{} is an id of {} sources; add a column source", named, "sources"))
        .when(is_unknown)
        .then(pl.format("no output of this lake is called {}", named))
        .when(~pl.col("action").is_in(ACTIONS))
        .then(
            pl.format(
                "action_taken is {}, expected one of {}",
                pl.col("action").str.slice(0, 60),
                pl.lit(", ".join(ACTIONS)),
            )
        )
        .when((pl.col("taken_at") != "") & at.is_null())
        .then(pl.format("taken_at is {}, expected ISO 8601 with a zone", pl.col("taken_at").str.slice(0, 60)))
        .when(at > pl.lit(now + TOLERANCE, UTC))
        .then(pl.format("taken_at {} lies in the future", "taken_at"))
        .when(at < pl.col("produced_at") - TOLERANCE)
        .then(pl.format("taken_at {} is more than a day before the answer", "taken_at"))
        .when(pl.col("sayings") > 1)
        .then(pl.lit("other lines contradict it; it is unclear which is right"))
        .when(pl.col("line") > pl.col("first"))
        .then(pl.format("line {} says the same about this answer", "first"))
    )
