"""Deliveries through real nights: told with the answer, told later, and never told."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.lake import views
from tasks.ledger import verify
from tests.support.caught_lake import Bot, at, soon


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Bot:
    """A night, and a second one in which the export says more of the same answers."""
    bot = Bot(tmp_path_factory.mktemp("bot"))
    first = {
        "sent-early": {"sent": at(10)},
        "held": {"sent": ""},
        "held-then-sent-early": {"sent": ""},
        "held-then-sent": {"sent": ""},
        "silent": {},
        "silent-then-sent": {},
        "done-anyway": {"sent": "", "done": ""},
        "escalated": {"done": "escalated"},
        "right": {"sent": at(10), "is_right": True},
    }
    bot.export(**first)
    bot.audit()
    more = {
        "held-then-sent-early": {"sent": at(11)},
        "held-then-sent": {"sent": soon()},
        "silent-then-sent": {"sent": at(12)},
        "done-anyway": {"sent": soon(), "done": "delivered"},
    }
    bot.export(**(first | more))
    bot.audit()
    return bot


def test_an_answer_that_is_told_again_with_its_delivery_is_not_judged_again(nights: Bot) -> None:
    assert nights.rows("outputs").height == 9
    assert nights.rows("verdicts")["claim_id"].is_unique().all()


def test_each_failed_answer_is_in_one_state_and_the_newest_knowledge_counts(nights: Bot) -> None:
    now = nights.rows("outputs").select("output_id", name="source_id")
    current = views.current_caught(nights.lake.root).collect().join(now, on="output_id")
    assert {
        name: (state, because)
        for name, state, because in current.select("name", "state", "because").iter_rows()
    } == {
        "sent-early": ("late", "delivered_first"),
        "held": ("caught", "held"),
        "held-then-sent-early": ("late", "delivered_first"),
        "held-then-sent": ("caught", "recorded_first"),
        "silent": ("unknown", "not_known"),
        "silent-then-sent": ("late", "delivered_first"),
        "done-anyway": ("late", "delivered_anyway"),
        "escalated": ("caught", "held"),
    }
    hours = dict(current.select("name", "hours").drop_nulls().iter_rows())
    assert hours["sent-early"] == pytest.approx(hours["silent-then-sent"] + 2, abs=0.1)
    assert hours["done-anyway"] == 0


def test_what_was_known_before_stays_in_the_table(nights: Bot) -> None:
    rows = nights.rows("caught").filter(pl.col("name") == "silent-then-sent").sort("known_at")
    assert rows["state"].to_list() == ["unknown", "late"]
    assert rows["recorded_at"].n_unique() == 1


def test_what_was_really_done_is_a_row_beside_the_decision_and_an_event(nights: Bot) -> None:
    taken = nights.rows("actions_taken").select("name", "action", "decided", "is_deviation", "origin")
    assert sorted(taken.rows()) == [
        ("done-anyway", "delivered", "escalated", True, "source"),
        ("escalated", "escalated", "escalated", False, "source"),
    ]
    events = nights.lake.scan("events").filter(pl.col("kind") == "action_taken").collect()
    assert events["actor"].null_count() == 0
    assert sorted(events["subject_id"]) == sorted(nights.rows("actions_taken")["taken_id"])


def test_the_lake_verifies_and_a_changed_row_of_either_table_is_found(nights: Bot) -> None:
    settings = nights.settings.ledger
    done = verify.verify(nights.lake, settings)
    assert (done.findings, done.unverifiable) == ([], [])
