"""Whether a failed answer was caught before its user had it, told by the clock of the recorded verdicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tasks.decide.caught import DELIVERY, caught, changed, first_failures
from tasks.tables import ACTIONS_TABLE, CAUGHT

RECORDED = datetime(2026, 11, 2, 3, tzinfo=UTC)
BEFORE, AFTER = RECORDED - timedelta(hours=6, minutes=30), RECORDED + timedelta(minutes=1)


def actions(*rows: tuple[str, str, datetime, str]) -> pl.DataFrame:
    """ACTIONS_TABLE of (output, action, decided_at, run)."""
    made = [
        {
            "action_id": f"{output} {action} {decided:%d}", "output_id": output, "run_id": run,
            "decided_at": decided, "produced_at": BEFORE, "action": action, "policy": "p@1", "reason": "",
            "verdict_ids": [], "abstention_count": 0, "outcome": "contradicted",
        }
        for output, action, decided, run in rows
    ]  # fmt: skip
    return pl.DataFrame(made, schema=ACTIONS_TABLE.schema)


def state(**known: Any) -> tuple[str, str, float | None]:
    """State, reason and hours of one escalated answer of run `now`, given what is known of its delivery."""
    failures = first_failures(
        actions(("o", "escalated", RECORDED - timedelta(minutes=5), "now")), CAUGHT.empty(), RECORDED, "now"
    )
    row = {"output_id": "o", "run_id": "now", **known}
    rows = caught(failures, pl.DataFrame([row], schema=DELIVERY), run_id="now", now=RECORDED)
    return rows.select("state", "because", "hours").row(0)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"delivered_at": BEFORE, "is_delivered": True}, ("late", "delivered_first", 6.5)),
        # Decided five minutes before it was recorded: nobody could have acted on it in between.
        (
            {"delivered_at": RECORDED - timedelta(minutes=3), "is_delivered": True},
            ("late", "delivered_first", 0.05),
        ),
        ({"delivered_at": AFTER, "is_delivered": True}, ("caught", "recorded_first", None)),
        ({"delivered_at": AFTER, "action_taken": "rephrased"}, ("caught", "recorded_first", None)),
        ({"is_delivered": True}, ("late", "delivered_first", None)),
        ({"is_delivered": True, "action_taken": "delivered"}, ("late", "delivered_first", None)),
        ({"is_delivered": False}, ("caught", "held", None)),
        ({"is_delivered": False, "run_id": "an earlier run"}, ("unknown", "not_known", None)),
        ({"action_taken": "escalated"}, ("caught", "held", None)),
        (
            {"is_delivered": False, "action_taken": "delivered", "taken_at": AFTER},
            ("late", "delivered_anyway", 0.0),
        ),
        ({"delivered_at": AFTER, "action_taken": "delivered"}, ("late", "delivered_anyway", 0.0)),
        ({"action_taken": "delivered"}, ("late", "delivered_anyway", None)),
        ({"action_taken": "delivered", "taken_at": BEFORE}, ("late", "delivered_first", 6.5)),
        ({}, ("unknown", "not_known", None)),
    ],
)
def test_the_state_follows_from_delivery_and_recording_alone(
    known: dict[str, Any], expected: tuple[str, str, float | None]
) -> None:
    found = state(**known)
    assert found[:2] == expected[:2]
    assert found[2] == (expected[2] if expected[2] is None else pytest.approx(expected[2]))


def test_an_output_of_which_nothing_was_read_is_unknown() -> None:
    failures = first_failures(actions(("o", "rephrased", RECORDED, "now")), CAUGHT.empty(), RECORDED, "now")
    rows = caught(failures, pl.DataFrame(schema=DELIVERY), run_id="now", now=RECORDED)
    assert rows["state"].to_list() == ["unknown"]


def test_only_the_first_failure_of_an_output_counts_and_what_passed_has_none() -> None:
    decided = actions(
        ("twice", "delivered", BEFORE, "old"),
        ("twice", "rephrased", RECORDED, "old"),
        ("twice", "escalated", AFTER, "new"),
        ("passed", "delivered", RECORDED, "new"),
    )
    [failure] = first_failures(decided, CAUGHT.empty(), AFTER, "new").to_dicts()
    assert (failure["output_id"], failure["action"]) == ("twice", "rephrased")
    # Of a release that kept no time of recording it is the time of the decision.
    assert failure["recorded_at"] == RECORDED
    known = caught(
        first_failures(decided, CAUGHT.empty(), AFTER, "new"),
        pl.DataFrame(schema=DELIVERY),
        run_id="new",
        now=AFTER,
    )
    assert first_failures(decided, known, AFTER, "new").is_empty()


def test_a_row_is_added_only_where_it_says_something_new() -> None:
    failures = first_failures(actions(("o", "escalated", RECORDED, "now")), CAUGHT.empty(), RECORDED, "now")

    def rows(at: datetime | None, now: datetime) -> pl.DataFrame:
        said = {"output_id": "o", "run_id": "now", "delivered_at": at}
        return caught(failures, pl.DataFrame([said], schema=DELIVERY), run_id="now", now=now)

    unknown = rows(None, RECORDED)
    assert changed(rows(None, AFTER), unknown).is_empty()
    [late] = changed(rows(BEFORE, AFTER), unknown).to_dicts()
    assert (late["state"], late["known_at"]) == ("late", AFTER)
    assert late["caught_id"] != unknown["caught_id"].item()
