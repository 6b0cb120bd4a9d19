"""Whether an answer that failed its verification was caught before its user had it: frames in, frame out.

An answer fails with its first action that is not `delivered`: what later audits say of it again makes nothing
late. It is verified when its verdicts are recorded (`recorded_at`), for before that nobody could act.

1. late, delivered_first: delivered before the recording; `hours` lie between.
2. late, delivered_anyway: the action really taken is `delivered`, not before the recording.
3. caught, recorded_first: delivered after the recording.
4. late, delivered_first without `hours`: a flag of the record says delivered, and nothing says when.
5. caught, held: the action really taken is not `delivered`; or the record, as the run that verified it had
   read it, says that it was not delivered. An older reading says nothing of the moment of the recording.
6. unknown, not_known: none of these is known.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tasks import ids
from tasks.schema import conform
from tasks.tables import ACTIONS, CAUGHT, UTC

DELIVERED = ACTIONS[0]
FAILURE = ("output_id", "action_id", "action", "decided_at", "recorded_at", "produced_at", "run_id")
"""Columns of an output's first action that is not `delivered`; `run_id` is that of the action."""

DELIVERY = {
    "output_id": pl.String(),
    "delivered_at": UTC,
    "is_delivered": pl.Boolean(),
    "run_id": pl.String(),
    "action_taken": pl.String(),
    "taken_at": UTC,
}
"""What is known of an output's delivery; `run_id` is the run that read its record, `taken_at` null where the
time of the action really taken is not known."""
_STATES = {
    "recorded_first": "caught",
    "held": "caught",
    "delivered_first": "late",
    "delivered_anyway": "late",
    "not_known": "unknown",
}


def first_failures(
    actions: pl.DataFrame, known: pl.DataFrame, recorded_at: datetime | None = None, run_id: str = ""
) -> pl.DataFrame:
    """The first failure (FAILURE) of each output that has one and none in `known` (CAUGHT).

    Args:
        actions: ACTIONS_TABLE, old and new ones of the outputs.
        recorded_at: when the actions of `run_id` are recorded; those of others were when they were decided.
    """
    is_new = pl.col("run_id") == run_id
    return (
        actions.filter(pl.col("action") != DELIVERED)
        .join(known.select("output_id"), on="output_id", how="anti")
        .sort("decided_at", "action_id")
        .unique("output_id", keep="first", maintain_order=True)
        .with_columns(recorded_at=pl.when(is_new).then(pl.lit(recorded_at, UTC)).otherwise("decided_at"))
        .select(FAILURE)
    )


def caught(failures: pl.DataFrame, deliveries: pl.DataFrame, *, run_id: str, now: datetime) -> pl.DataFrame:
    """CAUGHT, one row per failure, in their order.

    Args:
        failures: FAILURE of outputs.
        deliveries: DELIVERY, at most one row per output; of outputs without one nothing is known.
    """
    frame = failures.join(
        deliveries.select(*DELIVERY).rename({"run_id": "read_by"}),
        on="output_id",
        how="left",
        maintain_order="left",
    )
    recorded, taken = pl.col("recorded_at"), pl.col("action_taken")
    at = pl.coalesce("delivered_at", pl.when(taken == DELIVERED).then("taken_at"))
    frame = frame.with_columns(delivered_at=at).with_columns(because=_because())
    hours = (recorded - pl.col("delivered_at")).dt.total_microseconds() / 3_600e6
    frame = frame.with_columns(
        state=pl.col("because").replace_strict(_STATES, return_dtype=pl.String),
        hours=pl.when(pl.col("because").replace_strict(_STATES) == "late").then(hours.clip(0)),
        known_at=pl.max_horizontal(recorded, pl.lit(now, UTC)),
        run_id=pl.lit(run_id),
    )
    moment = frame["delivered_at"].dt.epoch("us").cast(pl.String).fill_null("")
    named = [frame["action_id"], frame["state"], frame["because"], moment]
    frame = frame.with_columns(caught_id=ids.digest_rows("caught", named))
    return conform(CAUGHT, frame.select(CAUGHT.schema.names()))


def _because() -> pl.Expr:
    """Why an output is in its state, out of FAILURE and DELIVERY."""
    at, taken = pl.col("delivered_at"), pl.col("action_taken")
    is_delivered = pl.col("is_delivered")
    is_read_now = pl.col("read_by") == pl.col("run_id")
    return (
        pl.when(at < pl.col("recorded_at"))
        .then(pl.lit("delivered_first"))
        .when((taken == DELIVERED) & (at.is_not_null() | ~is_delivered.fill_null(value=False)))
        .then(pl.lit("delivered_anyway"))
        .when(at.is_not_null())
        .then(pl.lit("recorded_first"))
        .when(is_delivered)
        .then(pl.lit("delivered_first"))
        .when((taken != DELIVERED) | (~is_delivered & is_read_now))
        .then(pl.lit("held"))
        .otherwise(pl.lit("not_known"))
    )


def changed(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The rows (CAUGHT) that say something else than the current ones of their outputs (`known`, CAUGHT)."""
    said = ["output_id", "state", "because", "delivered_at"]
    return rows.join(known.select(said), on=said, how="anti", nulls_equal=True, maintain_order="left")
