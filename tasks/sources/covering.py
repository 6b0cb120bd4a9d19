"""Records before their ids: texts in which confidential data is covered, and what that was.

Ids of the source (id, session) and names (agent, model, use case) are kept: they hold records and answers
together, and `[sources.minimise]` hashes those that are personal. A run warns of such.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from tasks import tables
from tasks.privacy import confidential
from tasks.privacy.cover import Cover, Mark
from tasks.privacy.outline import Finding

FOUND = "found"
"""Column beside those of OUTPUTS that staged outputs have where the lake is covered."""
_FOUND = pl.List(
    pl.Struct(
        {
            "kind": pl.String,
            "label": pl.String,
            "start": pl.Int64,
            "end": pl.Int64,
            "masked": pl.String,
            "confidence": pl.Float64,
            "origin": pl.String,
            "value_hmac": pl.String,
        }
    )
)
_NAMES = ("source_id", "session_id", "agent", "model", "use_case")


def covered(frame: pl.DataFrame, cover: Cover) -> pl.DataFrame:
    """Rows of a source with texts covered and FOUND, what was found in each response."""
    texts = pl.col("contexts").list.eval(pl.element().struct.field("text")).list.join("\n")
    own = frame.select(pl.concat_str("prompt", texts, separator="\n", ignore_nulls=True)).to_series()
    responses = cover.covered(frame["response"], own)
    return frame.with_columns(
        responses.texts,
        cover.plain(frame["prompt"]),
        _contexts(frame["contexts"], cover),
        _each(frame["tools"], cover),
        cover.documents(frame["metadata"]),
        _found(responses.marks, frame.height),
    )


def personal(frame: pl.DataFrame, cover: Cover) -> dict[str, int]:
    """How many ids and names that are kept look like confidential data, by column; without those of none."""
    counts = {
        name: len({mark.row for mark in cover.covered(frame[name].cast(pl.String)).marks}) for name in _NAMES
    }
    return {name: count for name, count in counts.items() if count}


def parted(outputs: pl.DataFrame, *, run_id: str, now: datetime) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Staged outputs as OUTPUTS, and FINDINGS of what was covered in them; None where nothing is covered."""
    names = tables.OUTPUTS.schema.names()
    if FOUND not in outputs.columns:
        return outputs, None
    numbered = outputs.select("output_id", "produced_at").with_row_index("row")
    found = outputs.select(FOUND).with_row_index("row").explode(FOUND).drop_nulls(FOUND).unnest(FOUND)
    rows = [
        (row, kind, label, Finding(start, end, masked, confidence))
        for row, kind, label, start, end, masked, confidence in found.select(
            "row", "kind", "label", "start", "end", "masked", "confidence"
        ).iter_rows()
    ]
    findings = confidential.as_findings(rows, numbered, run_id=run_id, now=now)
    return outputs.select(names), findings.with_columns(found["origin"], found["value_hmac"])


def _contexts(column: pl.Series, cover: Cover) -> pl.Series:
    flat = column.explode(empty_as_null=False, keep_nulls=False)
    fields = flat.struct.unnest()
    fields = fields.with_columns(cover.plain(fields["uri"]), cover.documents(fields["text"]))
    return _regrouped(fields.to_struct("contexts"), column)


def _each(column: pl.Series, cover: Cover) -> pl.Series:
    return _regrouped(cover.plain(column.explode(empty_as_null=False, keep_nulls=False)), column)


def _regrouped(flat: pl.Series, column: pl.Series) -> pl.Series:
    """A flat series in lists as long as a column's; every list of OUTPUTS is one, if an empty one."""
    row = pl.Series("row", range(column.len()), dtype=pl.UInt32)
    rows = pl.DataFrame({"row": row, "size": column.list.len()})
    owners = rows.select(pl.col("row").repeat_by("size")).explode("row", empty_as_null=False)["row"]
    lists = (
        flat.alias("flat")
        .to_frame()
        .with_columns(row=owners)
        .group_by("row", maintain_order=True)
        .agg("flat")
    )
    joined = rows.join(lists, on="row", how="left", maintain_order="left")["flat"]
    return joined.fill_null(pl.lit([], column.dtype)).alias(column.name)


def _found(marks: Sequence[Mark], height: int) -> pl.Series:
    lists: list[list[dict[str, Any]]] = [[] for _ in range(height)]
    for mark in marks:
        one = mark.finding
        lists[mark.row].append(
            {
                "kind": mark.kind, "label": mark.label, "start": one.start, "end": one.end,
                "masked": one.masked, "confidence": one.confidence,
                "origin": mark.origin, "value_hmac": mark.value_hmac,
            }
        )  # fmt: skip
    return pl.Series(FOUND, lists, dtype=_FOUND)
