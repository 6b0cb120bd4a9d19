"""The rows that an erasure blanks, and what is left in them; who calls it is `erase.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from tasks import ids
from tasks.files import durable, parquet
from tasks.lake import commits
from tasks.lake.store import Lake
from tasks.review.occurrence import Texts
from tasks.tables import ERASED, TABLES


@dataclass(frozen=True)
class Change:
    """One table file with the output's rows blanked."""

    table: str
    file: commits.File
    data: bytes
    rows: int


Plan = tuple[pl.Expr, dict[str, pl.Expr]]
"""Which rows of a table, and the values they get; without values the rows go."""


def changes(lake: Lake, output_ids: Sequence[str], own: Texts, *, keeps_reviews: bool) -> list[Change]:
    """Every file of a table that holds something of the outputs, as it is to be."""
    mine = pl.col("output_id").is_in(list(output_ids))
    claim_ids = lake.scan("claims").filter(mine).select("claim_id").collect()["claim_id"].to_list()
    verdict_ids = lake.scan("verdicts").filter(mine).select("verdict_id").collect()["verdict_id"].to_list()
    digests = {each: ids.digest("erased", each) for each in output_ids}
    digest = pl.col("output_id").replace_strict(digests, default=None, return_dtype=pl.String)
    plans = _plans(mine, digest) | {
        "quarantine": (
            pl.col("locator").is_in([*output_ids, *claim_ids, *verdict_ids])
            | pl.col("locator").str.contains_any(list(output_ids))
            # The same answer, refused another time for its form.
            | pl.col("raw").map_elements(own.are_in, return_dtype=pl.Boolean),
            {"raw": pl.lit(ERASED)},
        ),
    }
    if not keeps_reviews:
        plans["reviews"] = (
            pl.col("claim_id").is_in(claim_ids) | pl.col("verdict_id").is_in(verdict_ids),
            {"comment": pl.lit(None, pl.String), "reviewer": pl.lit(ERASED)},
        )
    found = [_change(name, path, *plan) for name, plan in plans.items() for path in lake.files(name)]
    return [change for change in found if change]


def rows_of(lake: Lake, output_ids: Sequence[str]) -> dict[str, int]:
    """Rows that lose something, by output, in the tables that name their output."""
    mine = pl.col("output_id").is_in(list(output_ids))
    frames = [
        lake.scan(table).filter(which).group_by("output_id").len()
        for table, (which, _) in _plans(mine, pl.lit(None, pl.String)).items()
    ]
    counts = pl.concat(frames).group_by("output_id").agg(pl.col("len").sum()).collect()
    return dict(counts.select("output_id", pl.col("len").cast(pl.Int64)).iter_rows())


def _plans(mine: pl.Expr, digest: pl.Expr) -> dict[str, Plan]:
    """Of the tables whose rows name their output; `digest` stands for every digest of what it said."""
    blank = pl.lit(ERASED)
    return {
        "outputs": (
            mine,
            {
                "source_id": blank,
                "session_id": pl.lit(None, pl.String),
                "prompt": pl.lit(None, pl.String),
                "response": blank,
                "contexts": pl.col("contexts").list.head(0),
                "tools": pl.col("tools").list.head(0),
                "metadata": pl.lit("{}"),
                "language": pl.lit(None, pl.String),
                "content_sha256": digest,
            },
        ),
        "claims": (mine, {"text": blank}),
        # One id for all: which passages there were says what was said.
        "evidence": (mine & (pl.col("origin") != "corpus"), {"passage_id": digest}),
        "verdicts": (mine, {"reason": blank, "evidence_ids": pl.col("evidence_ids").list.head(0)}),
        "actions": (mine, {"reason": blank}),
        "findings": (
            mine,
            {"masked": blank, "origin": pl.lit(None, pl.String), "value_hmac": pl.lit(None, pl.String)},
        ),
        "flips": (mine, {"reason": blank}),
        "reaudits": (mine & pl.col("reason").is_not_null(), {"reason": blank}),
        "passages": (mine, {}),
    }


def _change(table: str, path: Path, which: pl.Expr, values: dict[str, pl.Expr]) -> Change | None:
    declared = TABLES[table]
    which = which.fill_null(value=False)
    old = parquet.scan(declared, [path]).collect()
    touched = int(old.select(which.sum()).item())
    if not touched:
        return None
    if values:
        new = old.with_columns(
            pl.when(which).then(expression).otherwise(pl.col(name)).alias(name)
            for name, expression in values.items()
        )
    else:
        new = old.filter(~which)
    if new.equals(old):
        return None
    data = parquet.encode(declared, new)
    day = datetime.fromisoformat(path.parent.name.removeprefix("date=")).date()
    was = (path.name, durable.sha256_file(path))
    return Change(table, commits.describe(table, day, data, new.height, was), data, touched)
