"""How far each day of a range is."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from tasks.backfill.days import DAYS, days
from tasks.tables import ERASED


def at(day: int) -> datetime:
    return datetime(2026, 11, day, 23, 59, 59, tzinfo=UTC)


def test_every_day_has_its_stages_and_its_state() -> None:
    outputs = pl.LazyFrame(
        {
            "output_id": ["a", "b", "gone"],
            "response": ["yes", "no", ERASED],
            "produced_at": [at(1), at(2), at(2)],
        }
    )
    claims = pl.LazyFrame(
        {
            "claim_id": ["a1", "a2", "b1", "b2"],
            "kind": ["factual", "other", "factual", "factual"],
            "produced_at": [at(1), at(1), at(2), at(2)],
        }
    )
    verdicts = pl.LazyFrame({"claim_id": ["a1", "a1", "b1"], "produced_at": [at(1), at(1), at(2)]})
    actions = pl.LazyFrame({"output_id": ["a", "a"], "produced_at": [at(1), at(1)]})
    refused = pl.LazyFrame(
        {
            "check": ["unit_set_aside", "unit_set_aside", "json"],
            "raw": [
                '{"output_id":"c","produced_at":"2026-11-03 10:00:00.000000 UTC"}',
                '{"output_id":"a","produced_at":"2026-11-01 10:00:00.000000 UTC"}',
                "not JSON",
            ],
        }
    )
    frame = days(
        outputs, claims, verdicts, actions, refused, since=date(2026, 11, 1), until=date(2026, 11, 4)
    )
    assert frame.schema == DAYS
    assert [row[1:] for row in frame.rows()] == [
        (1, 1, 1, 1, 0, "complete"),
        (1, 2, 1, 0, 0, "1 to judge"),
        (0, 0, 0, 0, 1, "set aside"),
        (0, 0, 0, 0, 0, "empty"),
    ]
