"""A person's score of a whole answer reviews its claims, where it is certain which are meant, and once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.reviews import take_scores
from flows.run import opened, record_events
from tasks import ids
from tasks.lake.store import Lake
from tasks.ledger import verify
from tasks.review import reviews, scores
from tasks.settings import Settings
from tasks.sources import score_pull
from tasks.sources.human_scores import SCORES, ScoreSettings
from tasks.sources.langfuse import LangfuseSettings
from tasks.tables import REVIEWS
from tests.support import ledger_lake
from tests.support.ledger_lake import NIGHT, night

MEANS = {"correct": {"1": "supported", "0": "contradicted"}}


def verdicts(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Current verdicts: trace, claim, verdict."""
    return pl.DataFrame(
        [
            {"source": "bot", "source_id": trace, "verdict_id": ids.digest("v", claim), "claim_id": claim,
             "verdict": verdict}
            for trace, claim, verdict in rows
        ]
    )  # fmt: skip


def score(trace: str, verdict: str, comment: str | None = None) -> pl.DataFrame:
    row = ("bot", trace, f"s-{trace}", verdict, "ada", comment, "2026-11-19T12:00:00+00:00")
    return pl.DataFrame([row], schema=SCORES, orient="row")


CURRENT = verdicts(("two", "a", "supported"), ("two", "b", "contradicted"), ("one", "c", "insufficient"))


def outcomes(found: pl.DataFrame, known: pl.DataFrame | None = None) -> Any:
    sheet, counts = scores.lines(found, CURRENT, REVIEWS.empty() if known is None else known)
    return sheet.select("claim_id", "outcome", "corrected_verdict").rows(), counts


def test_supported_is_said_of_every_claim_of_the_answer() -> None:
    assert outcomes(score("two", "supported"))[0] == [
        ("a", "confirmed", ""),
        ("b", "overturned", "supported"),
    ]


def test_contradicted_is_said_of_the_only_claim_or_of_the_one_that_the_comment_names() -> None:
    assert outcomes(score("one", "contradicted"))[0] == [("c", "overturned", "contradicted")]
    rows, counts = outcomes(score("two", "contradicted", "something is wrong"))
    assert (rows, counts[scores.UNATTRIBUTED]) == ([], 1)
    named = f"verdict {ids.digest('v', 'b')} is right"
    assert outcomes(score("two", "contradicted", named))[0] == [("b", "confirmed", "")]


def test_a_score_of_an_answer_that_was_not_audited_is_counted() -> None:
    assert outcomes(score("elsewhere", "supported")) == (
        [], {scores.WITHOUT_ANSWER: 1, scores.UNATTRIBUTED: 0, scores.KNOWN: 0}
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    lake = Lake.open(str(tmp_path / "lake"))
    lake.ensure_tables(NIGHT.date())
    night(lake, ledger_lake.settings(tmp_path), 0)
    export = tmp_path / "scores.jsonl"
    common = {"source": "ANNOTATION", "name": "correct", "updated_at": "2026-11-10 12:00:00.000000"}
    rows = [
        {"id": "s1", "trace_id": "0", "value": 1, "author_user_id": "ada", "comment": "yes", **common},
        {"id": "s2", "trace_id": "1", "value": 0, "author_user_id": "ada", **common},
        {"id": "s3", "trace_id": "2", "value": 1, "author_user_id": "", **common},
        {"id": "s4", "trace_id": "0", "value": 0, "author_user_id": "judge", **common, "source": "EVAL"},
    ]
    export.write_text("\n".join(map(json.dumps, rows)))
    source = LangfuseSettings(
        name="bot", kind="langfuse", path=str(tmp_path / "observations"),
        reviews=ScoreSettings(verdicts=MEANS, path=str(export)),
    )  # fmt: skip
    return Settings(lake=str(tmp_path / "lake"), ledger=ledger_lake.settings(tmp_path), sources=(source,))


def test_scores_become_reviews_with_their_own_time_in_lake_and_ledger_exactly_once(
    settings: Settings,
) -> None:
    with opened("nightly audit", settings, {}) as run:
        take_scores(run)
        record_events(run)
        counts, published = run.record.scores["bot"], run.record.counts["reviews"]
        taken = score_pull.pull(settings.sources[0], settings.limits, Path(), NIGHT)
        again, left = reviews.of_scores(run.lake, taken.frame(), "bot", run_id="0" * 64, now=NIGHT)
    assert counts == {
        "read": 4, "not_of_a_person": 1, "without_an_audited_answer": 0, "of_no_certain_claim": 1,
        "already_there": 0, "reviews": 2,
    }  # fmt: skip
    # A score that names nobody is in quarantine, because a review without a reviewer is none.
    assert (published.published, published.quarantined) == (2, 2)
    assert (again.reviews.height, left[scores.KNOWN]) == (0, 2)
    lake = Lake.open(settings.lake)
    rows = lake.scan("reviews").collect()
    assert rows["reviewer"].unique().to_list() == ["ada"]
    assert rows["outcome"].to_list() == ["confirmed", "confirmed"]
    assert rows["reviewed_at"].unique().to_list() == [datetime(2026, 11, 10, 12, tzinfo=UTC)]
    assert "reviewer is empty" in lake.scan("quarantine").collect()["reason"][0]
    assert lake.scan("events").filter(pl.col("kind") == "review").collect().height == 2
    assert verify.verify(lake, settings.ledger).findings == []


def test_a_source_whose_scores_cannot_be_read_is_a_problem_and_the_run_goes_on(settings: Settings) -> None:
    Path(settings.sources[0].reviews.path).unlink()  # type: ignore[attr-defined]
    with opened("nightly audit", settings, {}) as run:
        take_scores(run)
        assert run.record.problems[0].startswith("scores were not taken: ")
