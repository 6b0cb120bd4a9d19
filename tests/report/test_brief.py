"""What a terminal says of a run: counts that add up, and the worst claims without what must not be logged."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tasks.lake.store import Lake
from tasks.report.brief import Brief, brief, worst_claims
from tasks.tables import FINDINGS
from tests.support import report_lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return report_lake.build(tmp_path_factory.mktemp("brief") / "lake")[0]


@pytest.fixture(scope="module")
def summary(lake: Lake) -> Brief:
    result = brief(lake, report_lake.RUN_ID, lake.days("verdicts"))
    assert result is not None
    return result


def test_its_numbers_are_those_of_the_run_and_every_verdict_is_one_of_them(
    lake: Lake, summary: Brief
) -> None:
    verdicts = lake.scan("verdicts").filter(pl.col("run_id") == report_lake.RUN_ID).collect()
    counts = dict(verdicts["verdict"].value_counts().iter_rows())
    assert (summary.supported, summary.contradicted) == (counts["supported"], counts["contradicted"])
    assert summary.unsettled + sum(summary.unchecked.values()) == counts["insufficient"]
    actions = lake.scan("actions").collect()["action"].value_counts()
    assert summary.actions == dict(actions.iter_rows())
    assert summary.is_first


def test_the_surest_contradiction_is_first_with_the_sentence_that_decided(summary: Brief) -> None:
    worst = summary.worst[0]
    assert (worst.text, worst.verdict, worst.probability) == (
        "The warranty lasts 24 months.", "contradicted", 0.95,
    )  # fmt: skip
    assert worst.sentence == "The warranty lasts 12 months from delivery."
    assert worst.document_uri == "https://handbook.example/warranty"


def test_hostile_text_is_made_visible_and_kept_to_a_line(summary: Brief) -> None:
    shown = next(claim for claim in summary.worst if "script" in claim.text)
    for text in (shown.text, shown.sentence or "", shown.agent, shown.document_uri or ""):
        assert not any(character in text for character in "\x1b\u202e\u200b\n")


def test_an_answer_with_confidential_data_is_left_to_the_report(tmp_path: Path) -> None:
    lake, _ = report_lake.build(tmp_path / "lake")
    days = lake.days("verdicts")
    wrong = lake.scan("outputs").filter(pl.col("source_id") == "ada-wrong").collect()
    finding = lake.scan("findings").head(1).collect().with_columns(
        finding_id=pl.lit("f" * 64), output_id=wrong["output_id"], produced_at=wrong["produced_at"]
    ).select(FINDINGS.schema.names())  # fmt: skip
    assert any("24 months" in claim.text for claim in worst_claims(lake, report_lake.RUN_ID, days, 10))
    lake.commit(report_lake.RUN_ID, "one-more", {"findings": finding}, run_day=days[-1])
    assert all("24 months" not in claim.text for claim in worst_claims(lake, report_lake.RUN_ID, days, 10))


def test_a_run_that_judged_nothing_has_none(lake: Lake) -> None:
    assert brief(lake, report_lake.RUN_ID, []) is None
    assert brief(lake, "another run", lake.days("verdicts")) is None
