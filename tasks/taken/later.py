"""What is learnt of outputs after they were published, held against what the lake says of them.

Belongs here: reading the lake for it. Does not belong here: which state follows (`decide/caught.py`), and
what is a deviation (`decide/taken.py`).
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tasks.decide import caught, taken
from tasks.lake import current
from tasks.lake.store import Lake
from tasks.tables import UTC


def learnt(
    lake: Lake, statements: pl.DataFrame, delivered: pl.DataFrame, *, run_id: str, now: datetime
) -> dict[str, pl.DataFrame]:
    """Rows of `actions_taken` and `caught` that are new by what is said of published outputs.

    Args:
        statements: `taken.STATEMENT`; those of outputs that are not published are left out.
        delivered: `output_id` and `delivered_at` of outputs, as their source says by now.
    """
    ids = pl.concat([statements.select("output_id"), delivered.select("output_id")]).unique()

    def of_outputs(table: str) -> pl.DataFrame:
        return lake.scan(table).join(ids.lazy(), on="output_id", how="semi").collect()

    outputs = (
        lake.scan("outputs")
        .select("output_id", "produced_at", "delivered_at", "is_delivered", "run_id")
        .join(ids.lazy(), on="output_id", how="semi")
        .collect()
    )
    decisions, before = of_outputs("actions"), of_outputs("actions_taken")
    rows = taken.taken(statements, outputs, decisions, run_id=run_id, now=now)
    rows = rows.join(before.select("taken_id"), on="taken_id", how="anti", maintain_order="left")
    last = current.ACTIONS_TAKEN.of(pl.concat([before, rows]).lazy()).collect()
    known = current.CAUGHT.of(of_outputs("caught").lazy()).collect()
    said = _deliveries(outputs, delivered, known, last)
    failures = pl.concat([_known_failures(known, decisions), caught.first_failures(decisions, known)])
    states = caught.caught(failures, said, run_id=run_id, now=now)
    return {"actions_taken": rows, "caught": caught.changed(states, known)}


def _known_failures(known: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """FAILURE of outputs that have a row of CAUGHT; the run is that of the action."""
    return (
        known.drop("run_id")
        .join(decisions.select("action_id", "run_id"), on="action_id", maintain_order="left")
        .select(caught.FAILURE)
    )


def _deliveries(
    outputs: pl.DataFrame, delivered: pl.DataFrame, known: pl.DataFrame, last: pl.DataFrame
) -> pl.DataFrame:
    """DELIVERY of outputs: the newest time that a source or an import said, then what was known before."""
    newest = delivered.drop_nulls("delivered_at").unique("output_id", keep="last")
    parts = (
        newest.select("output_id", newest="delivered_at"),
        known.select("output_id", before="delivered_at"),
        last.select("output_id", "taken_at", action_taken="action"),
    )
    frame = outputs
    for part in parts:
        frame = frame.join(part, on="output_id", how="left", maintain_order="left")
    return frame.with_columns(delivered_at=pl.coalesce("newest", "delivered_at", "before").cast(UTC)).select(
        *caught.DELIVERY
    )
