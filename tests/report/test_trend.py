"""Small charts and ribbons: which slices, and geometry that says what the numbers say."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.drift.daily import SERIES
from tasks.report import changes, flow, trend
from tasks.report.summary import SummaryParameters
from tasks.report.trend import TrendParameters
from tests.support import report_lake

PARAMETERS = TrendParameters()
START = date(2026, 3, 1)


def series(name: str, values: dict[int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (START + timedelta(days=d), name, "supported_share", v, max(v - 0.1, 0), min(v + 0.1, 1), 10.0)
            for d, v in values.items()
        ],
        schema=SERIES,
        orient="row",
    )


def test_what_drifted_comes_before_the_agents_and_small_agents_are_left_out() -> None:
    agents = pl.DataFrame(
        {"agent": ["a", "b&c", "tiny"], "claims": [100, 50, 3], "is_rest": [False, False, False]}
    )
    assert trend.wanted(agents, ["model=m"], 30, PARAMETERS) == ["all", "model=m", "agent=a", "agent=b%26c"]
    assert len(trend.wanted(agents, [f"model={n}" for n in range(50)], 30, PARAMETERS)) == 8


def test_all_charts_share_their_axes_and_gaps_stay_gaps() -> None:
    rows = pl.concat([series("all", {0: 0.9, 1: 0.8, 4: 0.6}), series("agent=a", {1: 0.5})])
    whole, one = trend.cards(
        rows, ["all", "agent=a", "agent=absent"], {"all": START + timedelta(days=4)}, PARAMETERS
    )
    assert len(whole.line) == 2  # three days are missing
    assert whole.change == PARAMETERS.width
    assert (one.ends, one.ticks) == (whole.ends, whole.ticks)
    assert one.change is None
    # A lower share stands lower, and the better end of the interval higher.
    heights = [float(y) for y in re.findall(r",([\d.]+)", whole.line[0])]
    assert heights == sorted(heights)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_every_point_lies_inside_its_chart(values: list[float]) -> None:
    (card,) = trend.cards(series("all", dict(enumerate(values))), ["all"], {}, PARAMETERS)
    for path in (*card.line, *card.band):
        for x, y in re.findall(r"([\d.e+-]+),([\d.e+-]+)", path):
            assert -0.11 <= float(x) <= PARAMETERS.width + 0.11
            assert -0.11 <= float(y) <= PARAMETERS.height + 0.11


def test_no_rows_are_no_charts() -> None:
    assert trend.cards(pl.DataFrame(schema=SERIES), ["all"], {}, PARAMETERS) == []


def test_every_answer_flows_from_its_worst_verdict_to_its_action() -> None:
    frames = report_lake.rows().frames()
    verdicts = frames["verdicts"].sort("verified_at").unique("claim_id", keep="last")
    links = flow.flow(frames["outputs"], verdicts, frames["actions"])
    assert links["answers"].sum() == frames["outputs"].height
    found = {(s, a): n for s, a, n in links.iter_rows()}
    assert found["contradicted", "escalated"] == 2
    assert found["conflict", "rephrased"] == 1
    assert found["no_claims", "delivered"] == 1
    without = flow.flow(frames["outputs"], verdicts, frames["actions"].clear())
    assert set(without["action"]) == {"undecided"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(flow.STANDINGS),
            st.sampled_from(["delivered", "escalated"]),
            st.integers(1, 10**6),
        ),
        min_size=1,
        unique_by=lambda link: link[:2],
    )
)
def test_ribbons_have_the_width_of_their_answers(links: list[tuple[str, str, int]]) -> None:
    frame = pl.DataFrame(links, schema=["standing", "action", "answers"], orient="row")
    drawing = flow.drawn(frame, 800, (100, 100))
    assert len(drawing.ribbons) == len(links)
    assert sum(node.answers for node in drawing.left) == sum(node.answers for node in drawing.right)
    for nodes in (drawing.left, drawing.right):
        for upper, lower in pairwise(nodes):
            assert upper.label_y + 30 <= lower.label_y  # two lines of label have room
        assert min(node.y for node in nodes) >= 0
        assert max(node.y + node.height for node in nodes) <= drawing.height + 0.01


def test_differences_are_ranked_by_harm_and_scaled_to_what_matters() -> None:
    drift = report_lake.drift()
    rows = changes.ranked(drift, SummaryParameters()).to_dicts()
    assert [row["status"] for row in rows] == ["drifted", "drifted", "stable", "too_few", "not_measured"]
    assert rows[0]["direction"] == "worse"
    assert rows[0]["high"] == pytest.approx(-4.0)  # −0.08 in thresholds of 0.02
    assert rows[0]["low"] == -changes.REACH  # −8 thresholds, cut
    assert changes.counts(drift) == {
        "worse": 1, "better": 1, "changed": 0, "stable": 1, "too_few": 1, "not_measured": 1
    }  # fmt: skip


def test_the_newest_report_is_shown_where_the_run_has_none_of_its_own() -> None:
    mine = report_lake.drift()
    newer = mine.with_columns(
        run_id=pl.lit("b" * 64),
        report_id=pl.lit("c" * 64),
        window_end=pl.col("window_end") + timedelta(days=1),
    )
    both = pl.concat([mine, newer])
    assert set(changes.newest_drift(both, report_lake.RUN_ID)["run_id"]) == {report_lake.RUN_ID}
    assert set(changes.newest_drift(both, "d" * 64)["run_id"]) == {"b" * 64}
    assert changes.newest_drift(both.clear(), "d" * 64).is_empty()


def test_a_reason_repeats_no_number_that_its_row_shows() -> None:
    fell, better, _, few, missing = report_lake.drift().to_dicts()
    assert changes.besides(fell) == "the day model M2 first appears"
    assert changes.besides(better) == ""
    assert changes.besides(few) == "too few to tell"
    assert changes.besides(missing) == "no rows in reviews"
