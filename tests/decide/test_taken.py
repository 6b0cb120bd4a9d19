"""What was really done with answers, beside the decision that was in force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tasks.decide.taken import STATEMENT, taken
from tasks.tables import ACTIONS_TABLE

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
OUTPUTS = pl.DataFrame({"output_id": ["o", "bare"], "produced_at": [NOON, NOON]}).cast(
    {"produced_at": pl.Datetime("us", "UTC")}
)


def compared(*statements: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows about `o`, which was to be escalated at noon and delivered from two o'clock on."""
    decided = [("escalated", 0), ("delivered", 2)]
    decisions = [
        {"output_id": "o", "action_id": action, "action": action, "decided_at": NOON + timedelta(hours=hour)}
        for action, hour in decided
    ]
    rows = [{"output_id": "o", "origin": "import", "taken_at": None, **each} for each in statements]
    return taken(
        pl.DataFrame(rows, schema=STATEMENT),
        OUTPUTS,
        pl.DataFrame(decisions, schema=ACTIONS_TABLE.schema),
        run_id="r",
        now=NOON + timedelta(days=1),
    ).to_dicts()


def test_the_decision_in_force_at_that_time_is_what_counts() -> None:
    [row] = compared({"action": "delivered", "taken_at": NOON + timedelta(hours=1)})
    assert (row["decided"], row["is_deviation"], row["is_before"]) == ("escalated", True, False)
    [row] = compared({"action": "delivered", "taken_at": NOON + timedelta(hours=3)})
    assert (row["decided"], row["is_deviation"], row["is_before"]) == ("delivered", False, False)


def test_what_was_done_before_any_decision_is_held_against_the_first() -> None:
    [row] = compared({"action": "delivered", "taken_at": NOON - timedelta(hours=1)})
    assert (row["decided"], row["is_deviation"], row["is_before"]) == ("escalated", True, True)


def test_without_a_time_the_newest_decision_counts_and_without_a_decision_nothing_does() -> None:
    [row] = compared({"action": "delivered"})
    assert (row["action_id"], row["is_deviation"]) == ("delivered", False)
    [row] = compared({"output_id": "bare", "action": "delivered"})
    assert (row["decided"], row["is_deviation"], row["is_before"]) == (None, None, None)


def test_the_same_statement_is_one_row_and_one_of_an_unknown_output_none() -> None:
    assert len(compared({"action": "rephrased"}, {"action": "rephrased"})) == 1
    assert compared({"output_id": "of nobody", "action": "rephrased"}) == []
