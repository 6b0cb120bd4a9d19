"""What a report says of the lake."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report import summary
from tasks.report.checks import by_table, reconciliation
from tasks.report.summary import SummaryParameters, Window
from tasks.report.worst import WorstParameters, deciding_passages, select

BOUNDS = SummaryParameters()
COUNTS = st.integers(0, 10**7)


def verdicts(*rows: tuple[str, str, str], start: datetime = datetime(2026, 3, 1, tzinfo=UTC)) -> pl.DataFrame:
    """(agent, use case, verdict) per row, one hour apart."""
    return pl.DataFrame(
        [
            {
                "claim_id": f"c{i}",
                "verdict_id": f"v{i}",
                "agent": a,
                "model": None,
                "use_case": u,
                "verdict": v,
            }
            | {
                "is_conflict": False,
                "p_supported": 0.4,
                "p_contradicted": 0.3,
                "verifier": "m",
                "snapshot": "s",
            }
            | {"produced_at": start + timedelta(hours=i), "verified_at": start, "output_id": f"o{i}"}
            for i, (a, u, v) in enumerate(rows)
        ],
        schema_overrides={"model": pl.String},
    )


@given(st.lists(COUNTS, min_size=1, max_size=6))
def test_every_share_is_the_one_a_reader_computes_from_its_count(counts: list[int]) -> None:
    shown = summary.percentages(counts)
    if not sum(counts):
        assert set(shown) == {"–"}
        return
    numbers = {"<1%": 0, ">99%": 100}
    for count, share in zip(counts, shown, strict=True):
        assert abs(Fraction(100 * count, sum(counts)) - numbers.get(share, int(share.strip("<>%")))) <= 1
        if share not in numbers:
            assert abs(Fraction(100 * count, sum(counts)) - int(share[:-1])) <= Fraction(1, 2)
        assert (share == "0%") == (count == 0)
        assert (share == "100%") == (count == sum(counts))


def test_only_the_last_verdict_of_a_claim_counts() -> None:
    early = verdicts(("a", "u", "supported"))
    late = early.with_columns(
        verdict=pl.lit("contradicted"), verified_at=pl.col("verified_at").dt.offset_by("1d")
    )
    assert summary.current(pl.concat([late, early]).lazy()).collect()["verdict"].to_list() == ["contradicted"]


@given(st.integers(1, 40), st.integers(1, 60))
def test_slices_are_bounded_and_still_add_up(limit: int, agents: int) -> None:
    frame = verdicts(*[(f"agent {i}", "u", "supported") for i in range(agents)])
    shown = summary.by_slice(frame, frame, "agent", SummaryParameters(slices=limit))
    assert shown.height <= limit + 1
    assert shown["claims"].sum() == agents
    assert shown["is_rest"].sum() == (agents > limit)


def test_the_cube_is_bounded_and_still_adds_up() -> None:
    frame = verdicts(*[(f"agent {i}", f"case {i % 70}", "supported") for i in range(300)])
    values, cube = summary.cube(frame, frame, SummaryParameters(cube_rows=230))
    assert cube.height <= 230
    assert cube["supported"].sum() == cube["answers"].sum() == 300
    assert "all others" in values["agent"]
    indexed = summary.fold_values(frame, values)
    assert indexed["agent_index"].min() >= 0
    assert values["model"] == [summary.NOT_RECORDED]


@pytest.mark.parametrize(("days", "unit"), [(1, "day"), (120, "day"), (121, "week"), (900, "month")])
def test_a_long_series_is_drawn_in_longer_periods(days: int, unit: str) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    frame = verdicts(("a", "u", "supported")).drop("produced_at")
    frame = frame.join(
        pl.DataFrame({"produced_at": [start + timedelta(days=n) for n in range(days)]}), how="cross"
    )
    named, series = summary.over_time(frame, BOUNDS)
    assert named == unit
    assert series["claims"].sum() == days
    assert series.height <= 2 * BOUNDS.daily_points


def test_every_probability_falls_into_a_tenth() -> None:
    frame = verdicts(*[("a", "u", "supported")] * 3).with_columns(p_supported=pl.Series([0.0, 0.55, 1.0]))
    tenths = summary.scores(frame)
    assert tenths["supported"].to_list() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ({}, (date(2026, 1, 2), date(2026, 4, 1))),
        ({"since": "2025-12-31", "until": None}, (date(2026, 1, 1), date(2026, 4, 1))),
        ({"from": "2026-01-01", "to": "2026-02-01"}, (date(2026, 1, 1), date(2026, 1, 1))),
        ({"from": "2020-01-01", "to": "2020-01-31"}, (date(2020, 1, 1), date(2020, 1, 31))),
    ],
)
def test_a_page_covers_the_run_s_range_or_the_newest_quarter(
    run: dict[str, str], expected: tuple[date, date]
) -> None:
    days = [date(2026, 4, 1), date(2026, 1, 1)] if run else [date(2026, 4, 1), date(2020, 1, 1)]
    assert summary.window(run, days, BOUNDS) == Window(*expected)


def test_an_empty_lake_has_no_window() -> None:
    assert summary.window({"from": "2026-01-01"}, [], BOUNDS) == Window(None, None)


def test_worst_claims_are_ordered_bounded_and_leave_room_for_every_standing() -> None:
    rows = (
        [("a", "u", "contradicted")] * 50 + [("a", "u", "insufficient")] * 50 + [("b", "u", "insufficient")]
    )
    frame = verdicts(*rows).with_columns(
        p_contradicted=pl.int_range(pl.len()) / 200,
        p_supported=pl.when(pl.col("agent") == "b").then(0.45).otherwise(0.4),
        is_conflict=pl.int_range(pl.len()).is_between(60, 69),
    )
    chosen = select(frame, WorstParameters(claims=12, per_slice=1, maximum=14))
    assert chosen["standing"].to_list() == ["contradicted"] * 6 + ["conflict"] * 3 + ["insufficient"] * 4
    assert chosen["p_contradicted"].head(6).is_sorted(descending=True)
    assert "b" in chosen["agent"].to_list()
    assert select(frame, WorstParameters(claims=12, per_slice=50, maximum=14)).height == 14


def test_both_sides_of_a_conflict_are_shown_before_more_of_one_side() -> None:
    chosen = pl.DataFrame({"claim_id": ["c"], "verifier": ["m"], "snapshot": ["s"], "standing": ["conflict"]})
    evidence = pl.DataFrame(
        {"claim_id": "c", "verifier": "m", "snapshot": "s", "rank": r, "passage_id": f"p{r}"}
        | {"p_supported": s, "p_contradicted": c}
        for r, (s, c) in enumerate([(0.99, 0.0), (0.98, 0.0), (0.97, 0.0), (0.1, 0.8)])
    )
    shown = deciding_passages(chosen, evidence, WorstParameters(passages=2))
    assert shown["passage_id"].to_list() == ["p0", "p3"]
    assert shown["offered"].to_list() == [4, 4]


def test_validation_is_added_up_per_table_and_unchecked_is_not_passed() -> None:
    failure = {"expectation": "between", "column": "p_supported", "severity": "critical", "rows": 2}
    units = [
        {"table": "verdicts", "rows": 10, "evaluated": 7, "quarantined": 2, "failures": [failure]},
        {
            "table": "verdicts",
            "rows": 5,
            "evaluated": 7,
            "quarantined": 2,
            "failures": [failure],
            "gate_failed": True,
        },
        {"table": "claims", "rows": 0, "evaluated": 0, "failures": []},
    ]
    claims, judged = by_table(units)
    assert not claims["is_checked"]
    assert (judged["rows"], judged["evaluated"], judged["quarantined"], judged["gate_failed"]) == (
        15,
        14,
        4,
        True,
    )
    assert judged["failures"] == [failure | {"rows": 4}]


def test_a_table_that_does_not_reconcile_is_shown_as_such() -> None:
    rows = reconciliation({"claims": {"in": 3, "published": 2, "already_there": 0, "quarantined": 0}})
    assert rows[0]["adds_up"] is False
