"""The service level of reviews: ages, due times, breaches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from tasks.review import service
from tasks.review.queue import QUEUE
from tasks.tables import REVIEWS

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
DUE = {"strict@1": 24.0}


def waiting(*rows: tuple[str, str, float]) -> pl.DataFrame:
    made = [
        {"verdict_id": name, "policy": policy, "verified_at": NOW - timedelta(hours=age)}
        for name, policy, age in rows
    ]
    return pl.DataFrame(made, schema=QUEUE)


def test_what_is_older_than_its_policy_allows_is_overdue_the_longest_first() -> None:
    rows = waiting(("a", "strict@1", 25), ("b", "strict@1", 23), ("c", "lax@1", 900), ("d", "strict@1", 48))
    late = service.overdue(rows, DUE, NOW)
    assert list(late.select("verdict_id", "age_hours").iter_rows()) == [("d", 48.0), ("a", 25.0)]


def test_levels_count_by_policy_what_is_open_and_what_was_decided_and_when() -> None:
    verdicts = pl.LazyFrame(
        {
            "verdict_id": ["e", "f", "g", "h"],
            "policy": ["strict@1"] * 3 + ["lax@1"],
            "verified_at": [NOW - timedelta(days=4)] * 4,
        }
    )
    at = {"e": 10.0, "f": 30.0, "g": 50.0, "h": 90.0}
    said = [
        {"verdict_id": name, "review_id": name * 64, "reviewer": "a", "outcome": "confirmed"}
        | {"reviewed_at": NOW - timedelta(days=4) + timedelta(hours=hours)}
        for name, hours in at.items()
    ]
    said[2]["outcome"] = "unsure"
    found = service.levels(
        waiting(("a", "strict@1", 25)),
        pl.LazyFrame(said, schema=REVIEWS.schema),
        verdicts,
        DUE,
        now=NOW,
        days=30,
    )
    assert found.to_dicts() == [
        {"policy": "lax@1", "due_hours": None, "open": 0, "oldest_hours": None, "overdue": None}
        | {"decided": 1, "median_hours": 90.0, "decided_late": None},
        {"policy": "strict@1", "due_hours": 24.0, "open": 1, "oldest_hours": 25.0, "overdue": 1}
        | {"decided": 2, "median_hours": 20.0, "decided_late": 1},
    ]
    assert service.levels(
        waiting(), pl.LazyFrame(schema=REVIEWS.schema), verdicts, DUE, now=NOW, days=1
    ).is_empty()
