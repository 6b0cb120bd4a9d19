"""Charts: geometry that says what the numbers say, and nothing but shapes and words."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report import charts
from tasks.report.queries import STANDINGS

START = date(2026, 3, 1)
NAMES = {"contradicted": "Contradicted", "delivered": "Delivered"}


def trend(name: str, values: dict[int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (START + timedelta(days=day), name, value, max(value - 0.1, 0), min(value + 0.1, 1), 10.0)
            for day, value in values.items()
        ],
        schema=["date", "slice", "value", "ci_low", "ci_high", "count"],
        orient="row",
    )


def over_time(days: int = 5, changed: int | None = None) -> charts.Drawing:
    series = pl.DataFrame(
        {
            "period": [START + timedelta(days=n) for n in range(days)],
            "supported": [2] * days,
            "contradicted": [1] * days,
            "unsettled": [1] * days,
            "unchecked": [1] * days,
        }
    )
    shares = trend("all", dict.fromkeys(range(days), 0.5))
    day = None if changed is None else START + timedelta(days=changed)
    return charts.over_time(series, shares, "day", 300, changed=day)


def test_every_period_has_its_three_parts_one_on_the_other() -> None:
    boxes = over_time().boxes
    for verdict in ("supported", "contradicted", "unsettled", "unchecked"):
        assert len([box for box in boxes if box.kind == f"part {verdict}"]) == 5
    first = boxes[:3]
    assert len({box.x for box in first}) == 1
    for lower, upper in pairwise(first):
        assert upper.y + upper.height == pytest.approx(lower.y, abs=0.11)
    assert first[0].height == pytest.approx(2 * first[1].height, abs=0.11)


def test_the_interval_is_a_band_and_the_change_point_a_line_where_it_is_in_the_chart() -> None:
    kinds = [path.kind for path in over_time(changed=2).paths]
    assert (kinds.count("band"), kinds.count("line"), kinds.count("change")) == (1, 1, 1)
    assert "change" not in [path.kind for path in over_time(changed=50).paths]


@pytest.mark.parametrize("days", [1, 2, 30, 365, 2000])
@pytest.mark.parametrize("width", [charts.WIDE, charts.NARROW])
def test_the_days_below_a_plot_do_not_touch(days: int, width: int) -> None:
    series = pl.DataFrame({"period": [START, START + timedelta(days=days - 1)]}).with_columns(
        supported=1, contradicted=0, unsettled=0, unchecked=0
    )
    drawing = charts.over_time(series, trend("all", {0: 0.5}), "day", width, changed=None)
    for label in drawing.labels:
        assert -0.01 <= label.x <= width
    places = [label.x for label in drawing.labels if label.anchor == "middle"][: len(drawing.labels) // 2]
    assert all(later - earlier > 34 for earlier, later in pairwise(sorted(set(places))))


@pytest.mark.parametrize("highest", [1, 3, 7, 12, 99, 100, 101, 526, 4_999, 10**6])
def test_an_axis_of_counts_has_few_round_lines(highest: int) -> None:
    tenths = pl.DataFrame(
        {"low": [0.0], "high": [0.1], "supported": [highest], "contradicted": [0], "unsettled": [0]}
    )
    drawing = charts.scores(tenths, charts.WIDE)
    ticks = [label for label in drawing.labels if label.kind == "tick" and label.anchor == "end"]
    values = [int(label.text.replace(",", "")) for label in ticks]
    assert values[-1] >= highest
    assert 2 <= len(values) <= 7
    assert re.fullmatch("[125]0*", str(values[1]))


def test_all_small_charts_share_their_axes_and_gaps_stay_gaps() -> None:
    rows = pl.concat([trend("all", {0: 0.9, 1: 0.8, 4: 0.6}), trend("agent=a", {1: 0.5})])
    whole, one = charts.cards(rows, ["all", "agent=a", "agent=absent"], {"all": START + timedelta(days=4)})
    lines = [path.d for path in whole.drawing.paths if path.kind == "line"]
    assert len(lines) == 2  # three days are missing
    assert [path.d for path in whole.drawing.paths if path.kind == "change"] == ["M260.0,0V84"]
    assert "change" not in [path.kind for path in one.drawing.paths]
    assert [label for label in one.drawing.labels if label.kind == "tick"] == [
        label for label in whole.drawing.labels if label.kind == "tick"
    ]
    # A lower share is drawn lower.
    heights = [float(y) for y in re.findall(r",([\d.]+)", lines[0])]
    assert heights == sorted(heights)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_every_point_lies_inside_its_chart(values: list[float]) -> None:
    (card,) = charts.cards(trend("all", dict(enumerate(values))), ["all"], {})
    for path in card.drawing.paths:
        if path.kind in ("line", "band"):
            for x, y in re.findall(r"([\d.e+-]+),([\d.e+-]+)", path.d):
                assert -0.11 <= float(x) <= 260.11
                assert -0.11 <= float(y) <= 84.11


def test_no_rows_are_no_charts() -> None:
    assert charts.cards(trend("all", {}), ["all"], {}) == []


def test_a_point_per_run_lies_inside_the_site_s_chart() -> None:
    started = [datetime(2026, 3, 1 + n, 3, tzinfo=UTC) for n in range(5)]
    runs = pl.DataFrame({"started_at": started, "share": [0.0, 0.25, 0.5, 0.75, 1.0]}).with_columns(
        changed=pl.Series([[], [], ["verifier"], [], ["verifier", "policy"]], dtype=pl.List(pl.String))
    )
    drawing = charts.share_by_run(runs, charts.SITE)
    marks = [label.text for label in drawing.labels if label.kind == "change-day"]
    assert marks == ["new verifier", "new verifier and policy"]
    assert len([path for path in drawing.paths if path.kind == "change"]) == 2
    dots = drawing.dots
    assert [dot.x for dot in dots] == sorted(dot.x for dot in dots)
    assert [dot.y for dot in dots] == sorted((dot.y for dot in dots), reverse=True)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(STANDINGS), st.sampled_from(["delivered", "escalated"]), st.integers(1, 10**6)
        ),
        min_size=1,
        unique_by=lambda link: link[:2],
    )
)
def test_ribbons_have_the_width_of_their_answers(links: list[tuple[str, str, int]]) -> None:
    frame = pl.DataFrame(links, schema=["standing", "action", "answers"], orient="row")
    drawing = charts.flow(frame, NAMES, 800)
    assert len(drawing.paths) == len(links)
    numbers = [label for label in drawing.labels if label.kind == "number-of"]
    sides = {anchor: [label for label in numbers if label.anchor == anchor] for anchor in ("end", "start")}
    sums = [sum(int(label.text.replace(",", "")) for label in side) for side in sides.values()]
    assert sums == [frame["answers"].sum()] * 2
    for side in sides.values():
        assert all(upper.y + 30 <= lower.y for upper, lower in pairwise(side))  # two lines have room
    assert min(box.y for box in drawing.boxes) >= 0
    assert max(box.y + box.height for box in drawing.boxes) <= drawing.view[3] + 0.11


def test_several_runs_of_one_day_say_their_date_once() -> None:
    started = [datetime(2026, 11, 27, 3 + n, tzinfo=UTC) for n in range(12)]
    runs = pl.DataFrame({"started_at": started, "share": [0.5] * 12}).with_columns(
        changed=pl.lit([], dtype=pl.List(pl.String))
    )
    labels = [label.text for label in charts.share_by_run(runs, charts.SITE).labels]
    assert labels.count("27 Nov") == 1
