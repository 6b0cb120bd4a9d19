"""What must be rephrased or escalated, out of the lake and into files that a pipeline acts on.

Belongs here: reading the lake and writing JSON Lines or CSV. Does not belong here: which answers are listed
(`review/pending_actions.py`).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from tasks.errors import InputError
from tasks.lake.store import Lake
from tasks.review import review_sheets, reviews
from tasks.review.pending_actions import Rows, by_claim, pending
from tasks.tables import ERASED


def waiting(
    lake: Lake, since: date | None = None, until: date | None = None, action: str | None = None
) -> pl.DataFrame:
    """Answers of these UTC days that must be rephrased or escalated: columns `pending_actions.PENDING`.

    Left out: what another output supersedes, whenever that was produced, and what was erased.
    """

    def of_days(table: str) -> pl.LazyFrame:
        return lake.scan(table, since=since, until=until)

    replaced = lake.scan("outputs").select(output_id="supersedes").drop_nulls()
    outputs = of_days("outputs").join(replaced, on="output_id", how="anti")
    return pending(
        Rows(
            actions=of_days("actions"),
            outputs=outputs.filter(pl.col("response") != ERASED),
            claims=of_days("claims"),
            verdicts=of_days("verdicts"),
            passages=lake.scan("passages"),
            findings=of_days("findings"),
            reviews=of_days("reviews"),
            actions_taken=of_days("actions_taken"),
        ),
        action,
    )


def require_kind(path: Path) -> None:
    """Refuses a name that says neither JSON Lines nor CSV.

    Raises:
        InputError: it ends otherwise.
    """
    if path.suffix not in (".jsonl", ".csv"):
        raise InputError(f"{path}: give a name that ends in .jsonl (one answer a line) or .csv (one claim)")


def export(lake: Lake, found: pl.DataFrame, path: Path) -> int:
    """Writes `waiting`, an answer a line of JSON Lines or a claim a row of CSV; the number of lines.

    The path is noted, so that an erasure reaches it.

    Raises:
        InputError: a name that ends neither in .jsonl nor in .csv.
        LakeError: the file cannot be written.
    """
    require_kind(path)
    frame = found.with_columns(pl.col("produced_at").dt.to_string("iso:strict"))
    if path.suffix == ".jsonl":
        data = frame.write_ndjson().encode()
    else:
        frame = by_claim(frame)
        texts = frame.with_columns(
            pl.col("p_supported").round(3).cast(pl.String).str.strip_suffix(".0"),
            pl.col("is_withheld", "is_overturned", "is_done").replace_strict({True: "yes", False: "no"}),
        ).select(pl.all().cast(pl.String).fill_null(""))
        data = review_sheets.write(tuple(texts.columns), [list(row) for row in texts.iter_rows()])
    reviews.write_noted(lake, path, found["output_id"].to_list(), data)
    return frame.height
