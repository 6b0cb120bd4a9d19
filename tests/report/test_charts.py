"""Charts: real Vega, themed by the page, and nothing in them but shapes and text."""

from __future__ import annotations

import re
from datetime import date, timedelta

import polars as pl
import pytest

from tasks.report import charts


@pytest.fixture(scope="module")
def drawing() -> str:
    series = pl.DataFrame(
        {
            "period": [date(2026, 3, 1) + timedelta(days=n) for n in range(5)],
            "claims": [4] * 5, "supported": [2] * 5, "contradicted": [1] * 5, "insufficient": [1] * 5,
        }
    )  # fmt: skip
    shares = pl.DataFrame(
        {"date": series["period"], "value": [0.5] * 5, "ci_low": [0.4] * 5, "ci_high": [0.6] * 5}
    )
    return charts.over_time(series, shares, "day", 300, changed=date(2026, 3, 3))


def test_colours_are_the_page_s_own(drawing: str) -> None:
    used = set(re.findall(r'"(var[^"]+)"', drawing))
    assert {"var(--supported)", "var(--contradicted)", "var(--insufficient)"} <= used
    assert not re.search(r'(?:fill|stroke)="#', drawing)


def test_the_interval_is_a_band_and_the_change_point_a_dashed_line(drawing: str) -> None:
    assert len(re.findall(r'fill="var\(--supported\)" opacity="0.18"', drawing)) == 1
    assert len(re.findall(r'stroke="var\(--contradicted\)"[^>]*stroke-dasharray="4,3"', drawing)) == 1


def test_every_period_has_its_three_parts(drawing: str) -> None:
    for verdict in ("supported", "contradicted", "insufficient"):
        assert len(re.findall(rf'fill="var\(--{verdict}\)" stroke="var\(--surface\)"', drawing)) == 5


def test_the_drawing_keeps_no_style_link_or_name(drawing: str) -> None:
    assert not re.search(r"\b(?:style|href|class|id|on\w+)=", drawing)


def test_foreign_elements_and_attributes_are_left_out() -> None:
    hostile = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" onload="x()"><script>x()</script>'
        '<a href="javascript:x()">t</a><rect fill="url(http://evil.example)" style="x" width="1"/>'
        "<foreignObject><b>b</b></foreignObject><text>&lt;b&gt;</text></svg>"
    )
    assert charts.clean(hostile) == (
        '<svg viewBox="0 0 1 1" aria-hidden="true" focusable="false">'
        '<rect width="1" /><text>&lt;b&gt;</text></svg>'
    )


@pytest.mark.parametrize("text", ["<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>", "<html/>"])
def test_what_is_no_drawing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the chart"):
        charts.clean(text)
