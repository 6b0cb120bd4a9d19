"""What the page says of failed answers: how many were caught before their users had them, and which not."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.report import caught, report
from tasks.report.page import Page
from tests.support import report_lake


def counts(**values: float | None) -> pl.DataFrame:
    """The query's row for all agents."""
    row = {"agent": "all agents", "failed": 6, "caught": 3, "late": 1, "unknown": 2, "share": 0.75}
    return pl.DataFrame([row | {"ci_low": 0.3, "ci_high": 0.954, "hours": 9.4} | values])


def test_the_sentence_says_share_interval_delay_and_what_is_not_known() -> None:
    [sentence] = caught.sentences(counts())
    assert sentence.text == (
        "Of 4 failed answers whose delivery is known 3 were caught before the customer (75%, 95% interval "
        "30% to 95%), and 1 had been delivered, 9 hours before detection (median); for 2 it is "
        "unknown."
    )
    assert sentence.tone == "worse"


@pytest.mark.parametrize("none", [counts().clear(), counts(caught=0, late=0, share=None)])
def test_nothing_is_said_where_nothing_failed_or_no_delivery_is_known(none: pl.DataFrame) -> None:
    assert caught.sentences(none) == []


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    lake, _ = report_lake.build(tmp_path_factory.mktemp("lake"))
    return report.gather(lake, report_lake.RUN_ID, checkpoint=None, now=report_lake.NOW)


def test_the_page_names_every_late_answer_and_what_was_really_done(page: Page) -> None:
    row = page.caught.row(0, named=True)
    assert {name: row[name] for name in ("failed", "caught", "late", "unknown")} == {
        "failed": 4, "caught": 1, "late": 1, "unknown": 2
    }  # fmt: skip
    assert (row["share"], row["hours"]) == (0.5, 9.0)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.0945, 0.9055), abs=1e-3)
    assert page.late.select("source_id", "because", "hours").rows() == [("ada-wrong", "delivered_first", 9.0)]
    assert page.taken.select("decided", "action", "is_deviation", "answers").rows() == [
        ("escalated", "delivered", True, 1),
        ("rephrased", "rephrased", False, 1),
    ]
    html = report.render(page)
    assert "1 late answer by name" in html
    assert "yes, before it was decided" in html
