"""What was really done with answers, beside what was decided: frames in, frame out.

What was done is compared with the decision that was in force at that time; where it was done before any
decision, with the first (`is_before`). Without a time it is the newest decision so far.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tasks import ids
from tasks.schema import conform
from tasks.tables import ACTIONS_TAKEN, UTC

STATEMENT = {"output_id": pl.String(), "action": pl.String(), "taken_at": UTC, "origin": pl.String()}
"""What somebody says was done with an output; `taken_at` may be null."""


def taken(
    statements: pl.DataFrame,
    outputs: pl.DataFrame,
    decisions: pl.DataFrame,
    *,
    run_id: str,
    now: datetime,
) -> pl.DataFrame:
    """ACTIONS_TAKEN, one row per statement about one of the outputs, each once.

    Args:
        statements: STATEMENT.
        outputs: `output_id` and `produced_at` of the outputs.
        decisions: ACTIONS_TABLE of them; an output without one is compared with nothing.
    """
    decided = decisions.select("output_id", "action_id", "decided_at", decided="action").sort("decided_at")
    frame = (
        statements.select(*STATEMENT)
        .join(outputs.select("output_id", "produced_at"), on="output_id", maintain_order="left")
        .with_columns(moment=pl.coalesce("taken_at", pl.lit(now, UTC)))
        .sort("moment", maintain_order=True)
        .join_asof(
            decided.with_columns(moment="decided_at"),
            on="moment",
            by="output_id",
            strategy="backward",
            check_sortedness=False,
        )
        .join(
            decided.unique("output_id", keep="first", maintain_order=True),
            on="output_id",
            how="left",
            suffix="_first",
            maintain_order="left",
        )
        .with_columns(
            is_before=pl.when(pl.col("decided_first").is_not_null()).then(pl.col("decided").is_null()),
            decided=pl.coalesce("decided", "decided_first"),
            action_id=pl.coalesce("action_id", "action_id_first"),
        )
        .with_columns(
            is_deviation=pl.col("action") != pl.col("decided"),
            noted_at=pl.lit(now, UTC),
            run_id=pl.lit(run_id),
        )
    )
    moments = frame["taken_at"].dt.epoch("us").cast(pl.String).fill_null("")
    named = [frame["output_id"], frame["action"], moments, frame["origin"]]
    frame = frame.with_columns(taken_id=ids.digest_rows("action taken", named))
    return conform(
        ACTIONS_TAKEN,
        frame.select(ACTIONS_TAKEN.schema.names()).unique("taken_id", keep="first", maintain_order=True),
    )
