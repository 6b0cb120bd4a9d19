"""Days, shares, slices and the filter, out of query results."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report import summary
from tasks.report.parameters import ReportParameters
from tasks.report.queries import Window

BOUNDS = ReportParameters()
COUNTS = st.integers(0, 10**7)


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


@given(st.integers(1, 40), st.integers(1, 60))
def test_slices_are_bounded_and_still_add_up(limit: int, agents: int) -> None:
    rows = pl.DataFrame({"agent": [f"agent {i}" for i in range(agents)]}).with_columns(
        answers=1, claims=2, supported=2, contradicted=0, unsettled=0, unchecked=0
    )
    shown = summary.slice_table(rows, "agent", ReportParameters(slices=limit)).rows
    assert shown.height <= limit + 1
    assert shown["claims"].sum() == 2 * agents
    assert shown["is_rest"].sum() == (agents > limit)


def test_the_cube_is_bounded_and_still_adds_up() -> None:
    counts = pl.DataFrame(
        {"agent": [f"agent {i}" for i in range(300)], "use_case": [f"case {i % 70}" for i in range(300)]}
    ).with_columns(
        model=pl.lit("not recorded"),
        answers=1,
        claims=1,
        supported=1,
        contradicted=0,
        unsettled=0,
        unchecked=0,
    )
    cube = summary.cube(counts, ReportParameters(cube_rows=230))
    assert len(cube.rows) <= 230
    assert sum(row[3] for row in cube.rows) == sum(row[4] for row in cube.rows) == 300
    assert "all others" in cube.values["agent"]
    folded = next(name for name in counts["agent"] if name not in cube.values["agent"])
    assert cube.place("agent", folded) is None
    assert cube.nearest("agent", folded) == cube.values["agent"].index("all others")
    assert cube.place("model", None) == 0
    assert cube.place("source", "desk") is None


@pytest.mark.parametrize(("days", "unit"), [(1, "day"), (120, "day"), (121, "week"), (900, "month")])
def test_a_long_series_is_drawn_in_longer_periods(days: int, unit: str) -> None:
    first = date(2024, 1, 1)
    assert summary.period(Window(first, first + timedelta(days=days - 1)), BOUNDS) == unit
    assert summary.period(Window(), BOUNDS) == "day"


def test_every_tenth_and_every_action_is_shown_also_where_there_is_none() -> None:
    scores = pl.DataFrame(
        {"tenth": [5], "claims": [2], "supported": [2], "contradicted": [0], "unsettled": [0]},
        schema_overrides={"tenth": pl.Int32},
    )
    tenths = summary.all_tenths(scores)
    assert tenths["supported"].to_list() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
    assert tenths.select("low", "high").row(5) == pytest.approx((0.5, 0.6))
    actions = summary.all_actions(pl.DataFrame({"action": ["escalated"], "answers": [3]}))
    assert actions.rows() == [("delivered", 0, "0%"), ("rephrased", 0, "0%"), ("escalated", 3, "100%")]


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
