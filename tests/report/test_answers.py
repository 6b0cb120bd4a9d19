"""Five questions of whoever is responsible, answered from results of queries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.report import answers, summary
from tasks.report.changes import notable
from tests.report.test_headline import counts, total
from tests.support import report_lake

TARGETS = {
    "policy": pl.String,
    "checked": pl.Int64,
    "supported": pl.Int64,
    "contradicted": pl.Int64,
    "target_supported_ratio": pl.Float64,
    "maximum_contradicted_ratio": pl.Float64,
}


def agents(*rows: tuple[str, int, int]) -> pl.DataFrame:
    """Agents with claims and contradicted ones, all of them checked."""
    frame = pl.DataFrame(rows, schema=["value", "claims", "contradicted"], orient="row")
    return frame.with_columns(unchecked=0, is_rest=False)


def targets(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TARGETS, orient="row")


def texts(sentences: list[Any]) -> list[str]:
    return [sentence.text for sentence in sentences]


def test_an_agent_is_ranked_only_with_enough_contradictions() -> None:
    counted = total(90, supported=90, contradicted=7)
    assert texts(answers.wrong(counted, agents(("a", 40, 6), ("b", 10, 1))))[0] == (
        "7 claims say otherwise than the evidence, most often of agent a (6 of its 40 checked claims, 15%)."
    )
    two = texts(answers.wrong(total(9, supported=9, contradicted=2), agents(("a", 398, 2), ("b", 10, 0))))
    assert two == ["2 claims say otherwise than the evidence (agent a)."]


def test_nothing_wrong_and_nothing_checked_are_two_things() -> None:
    assert texts(answers.wrong(total(3, supported=3), agents())) == ["Nothing could be checked."]
    assert texts(answers.wrong(total(3, unchecked=3), agents())) == ["Nothing was checked, so it is unknown."]


def test_results_stand_against_the_target_of_their_policy() -> None:
    counted = total(100, supported=55, contradicted=3, unsettled=42)
    said = answers.how_bad(counted, targets(("p@1", 100, 55, 3, 0.9, 0.01)))
    assert texts(said) == [
        "Policy p@1, of the checked claims: 55% supported (90% asked: missed by 35 points), "
        "3.0% contradicted (1.0% allowed: exceeded by 2.0 points)."
    ]
    assert [sentence.tone for sentence in said] == ["worse"]
    half = answers.how_bad(counted, targets(("p@1", 100, 55, 3, 0.5, 0.01)))
    assert [sentence.tone for sentence in half] == ["worse"]
    met = answers.how_bad(counted, targets(("p@1", 100, 55, 3, 0.5, None)))
    assert texts(met) == ["Policy p@1, of the checked claims: 55% supported (50% asked: met)."]
    assert met[0].tone == "better"
    none = texts(answers.how_bad(counted, targets(("p@1", 100, 55, 3, None, None))))
    assert none[0].startswith("55% of the checked claims are supported and 3% contradicted. No target")


def test_since_when_is_the_day_of_the_most_harmful_change_and_unknown_is_said() -> None:
    drift = notable(report_lake.drift())
    said = texts(answers.since_when(drift, counts(worse=3, stable=2)))
    assert said == [
        "Supported share of agent ada fell from 0.93 to 0.81 on 2 March 2026, the day model M2 first "
        "appears. 2 more comparisons got worse."
    ]
    assert texts(answers.since_when([], counts())) == [
        "Not measured yet: `claimledger drift` compares a window with its baseline."
    ]
    assert "too few rows to tell" in texts(answers.since_when([], counts(too_few=7)))[0]


def test_what_is_to_be_done_is_what_should_have_been_done() -> None:
    frame = pl.DataFrame({"action": ["escalated", "rephrased", "delivered"], "answers": [1, 2, 3]})
    said = texts(answers.to_do(total(6, supported=5, contradicted=1), summary.all_actions(frame)))
    assert said[0] == (
        "By policy 1 answer should have gone to a person and 2 should have been rephrased; 3 "
        "needed no action."
    )
    assert said[1].startswith("Start with the ten worst claims")


def night(at: int, **values: Any) -> dict[str, Any]:
    row = {"started_at": datetime(2026, 3, at, 3, tzinfo=UTC), "verifier": "v", "policy": "p@1"}
    return row | {"claims": 10, "supported": 8, "contradicted": 1, "unsettled": 1, "unchecked": 0} | values


def test_this_run_stands_beside_the_one_before_and_a_changed_verifier_is_said() -> None:
    nights = pl.DataFrame([night(20, verifier="w"), night(19, supported=9, unsettled=0)])
    assert texts(answers.since_last(nights)) == [
        "This run judged 10 claims: of those checked 80% supported and 10% contradicted; the run before it "
        "(19 March, 03:00 UTC) 10: 90% and 10%.",
        "The verifier changed in between, so the two are not comparable.",
    ]
    assert texts(answers.since_last(nights.head(1)))[0].startswith("There is no earlier run of this kind")
    quiet = pl.DataFrame([night(20, claims=0), night(19)])
    assert texts(answers.since_last(quiet)) == [
        "Nothing new was judged; the run before it (19 March, 03:00 UTC) judged 10 claims."
    ]
