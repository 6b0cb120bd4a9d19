"""Which changes a page shows, in which order."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.report import changes
from tasks.report.parameters import ReportParameters
from tests.support import report_lake

PARAMETERS = ReportParameters()


def test_what_drifted_comes_before_the_agents_and_small_agents_are_left_out() -> None:
    agents = pl.DataFrame(
        {"value": ["a", "b&c", "tiny"], "claims": [100, 50, 3], "is_rest": [False, False, False]}
    )
    fell = report_lake.drift().head(1)

    def drifted(*names: str) -> pl.DataFrame:
        return pl.concat([fell.with_columns(slice=pl.lit(name)) for name in names])

    names = changes.trend_slices(drifted("model=m"), agents, PARAMETERS)
    assert names == ["all", "model=m", "agent=a", "agent=b%26c"]
    many = drifted(*(f"model={number}" for number in range(50)))
    assert len(changes.trend_slices(many, agents, PARAMETERS)) == 8


def test_differences_are_ranked_by_harm_and_scaled_to_what_matters() -> None:
    drift = report_lake.drift()
    rows = changes.ranked(drift).to_dicts()
    assert [row["status"] for row in rows] == ["drifted", "drifted", "stable", "too_few", "not_measured"]
    assert rows[0]["direction"] == "worse"
    assert rows[0]["high"] == pytest.approx(-4.0)  # −0.08 in thresholds of 0.02
    assert rows[0]["low"] == -changes.REACH  # −8 thresholds, cut


def test_a_reason_repeats_no_number_that_its_row_shows() -> None:
    fell, better, _, few, missing = report_lake.drift().to_dicts()
    assert changes.besides(fell) == "the day model M2 first appears"
    assert changes.besides(better) == ""
    assert changes.besides(few) == "too few to tell"
    assert changes.besides(missing) == "no rows in reviews"
