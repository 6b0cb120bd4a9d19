"""A lake with what a period may hold: good nights, one that failed, one that was missed, an erased answer, a
rotated key; for the tests of the evidence pack."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from tasks import ids, tables
from tasks.lake.store import Lake
from tasks.ledger import recording
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.rotate import rotate
from tasks.review.erase import erase
from tests.support import ledger_lake
from tests.support.ledger_lake import ACTOR, NIGHT, POLICIES

SINCE, UNTIL = date(2026, 11, 1), date(2026, 11, 6)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
ERASED = ids.digest("output", 0)
HOSTILE = '=HYPERLINK("http://evil.example","<script>alert(1)</script>")'
"""Name of an agent: a formula for a spreadsheet, and markup for a browser."""
RECONCILED = {"rows_already_there": 0, "rows_filtered": 0, "rows_joined": 0}


def build(folder: Path) -> tuple[Lake, LedgerSettings]:
    """Nights of 2, 3 (failed), 5 and 6 November; that of the 4th did not run. Answers are of the 1st."""
    lake, wanted = Lake.open(str(folder / "lake")), ledger_lake.settings(folder)
    night(lake, wanted, 0, day=2)
    night(lake, wanted, 1, day=3, status="failed", stage="judge", reason="the disk was full")
    night(lake, wanted, 2, day=5)
    reviews(lake, wanted)
    rotate(lake, wanted, run_id=ids.digest("rotation"), now=NIGHT + timedelta(days=3), actor=ACTOR)
    erase(
        lake, wanted, ERASED, reason="ticket 4711", run_id=ids.digest("erase"), now=NIGHT + timedelta(days=3),
        actor=ACTOR,
    )  # fmt: skip
    night(lake, wanted, 3, day=6, agent=HOSTILE, verdict="contradicted")
    return lake, wanted


def night(
    lake: Lake,
    wanted: LedgerSettings,
    number: int,
    *,
    day: int,
    status: str = "completed",
    agent: str | None = None,
    verdict: str = "supported",
    **values: object,
) -> str:
    """One run of a November day at 3 o'clock with three answers, or with none where it does not complete."""
    run_id, at = ids.digest("run", number), datetime(2026, 11, day, 3, tzinfo=UTC)
    row = ledger_lake.run_row(run_id, started_at=at, finished_at=at + timedelta(minutes=1), **RECONCILED)
    recording.record_start(lake, wanted, POLICIES, row | {"status": "running"}, actor=ACTOR)
    if status == "completed":
        rows = ledger_lake.frames(run_id, start=number * 100)
        changes = [pl.lit(agent or "support-bot").alias("agent"), pl.lit(verdict).alias("verdict")]
        rows["verdicts"] = rows["verdicts"].with_columns(changes)
        rows["outputs"] = rows["outputs"].with_columns(changes[0])
        rows["actions"] = rows["actions"].with_columns(outcome=pl.lit(verdict))
        if number == 3:
            rows |= deliveries(rows["actions"], run_id, at)
        lake.commit(run_id, "unit", rows, run_day=at.date())
    finished = {"status": status, **values} | ({} if status == "completed" else {"rows_in": 0, "rows_out": 0})
    frame = pl.DataFrame([row | finished], schema=tables.RUNS.schema)
    health = pl.DataFrame(
        [{"target": "bot", "kind": "source", "checked_at": at, "ok": number != 2, "run_id": run_id}],
        schema=tables.HEALTH.schema,
    )
    lake.commit(run_id, "run", {"runs": frame, "health": health}, run_day=at.date())
    recording.record(lake, wanted, POLICIES, run_id=run_id, now=at, actor=ACTOR)
    return run_id


def deliveries(actions: pl.DataFrame, run_id: str, at: datetime) -> dict[str, pl.DataFrame]:
    """Of a night's three answers one was held, one delivered first and one delivered all the same."""
    states = [("caught", "held", None), ("late", "delivered_first", 2.5), ("late", "delivered_anyway", 0.0)]
    rows, taken = [], []
    for act, (state, because, hours) in zip(actions.to_dicts(), states, strict=True):
        kept = {name: act[name] for name in ("output_id", "action_id", "produced_at")} | {"run_id": run_id}
        sent = None if hours is None else at - timedelta(hours=hours)
        rows.append(
            kept
            | {"caught_id": ids.digest("caught", act["action_id"]), "action": "escalated", "decided_at": at}
            | {"recorded_at": at, "known_at": at, "delivered_at": sent, "state": state}
            | {"because": because, "hours": hours}
        )
        taken.append(
            kept
            | {"taken_id": ids.digest("taken", act["action_id"]), "decided": "escalated", "origin": "import"}
            | {"action": "delivered" if sent else "escalated", "is_deviation": sent is not None}
            | {"is_before": bool(hours), "taken_at": sent, "noted_at": at}
        )
    return {
        "caught": pl.DataFrame(rows, schema=tables.CAUGHT.schema),
        "actions_taken": pl.DataFrame(taken, schema=tables.ACTIONS_TAKEN.schema),
    }


def reviews(lake: Lake, wanted: LedgerSettings) -> None:
    """Three verdicts confirmed, one overturned."""
    run_id, at = ids.digest("reviews"), NIGHT + timedelta(days=2)
    rows = [
        {
            "review_id": ids.digest("review", number),
            "verdict_id": ids.digest("verdict", *number),
            "claim_id": ids.digest("claim", *number),
            "reviewer": "desk",
            "outcome": "overturned" if number == (1, 0) else "confirmed",
            "corrected_verdict": "contradicted" if number == (1, 0) else None,
            "reviewed_at": at,
            "produced_at": ledger_lake.NOON,
            "run_id": run_id,
        }
        for number in ((1, 0), (1, 1), (2, 0), (2, 1))
    ]
    lake.commit(
        run_id, "reviews", {"reviews": pl.DataFrame(rows, schema=tables.REVIEWS.schema)}, run_day=at.date()
    )
    recording.record(lake, wanted, POLICIES, run_id=run_id, now=at, actor=ACTOR)
