"""The past decided again is what the night would have decided, compared claim by claim."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import ids, tables
from tasks.decide import actions, again, verdicts
from tasks.decide.policies import Policy

NOW = datetime(2026, 11, 2, tzinfo=UTC)
SCORE = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda p: (p[0] / 40, p[1] / 40))
ACTION = st.sampled_from(tables.ACTIONS)
POLICY = st.builds(
    Policy,
    threshold_supported=st.integers(0, 20).map(lambda n: n / 20),
    threshold_contradicted=st.integers(0, 20).map(lambda n: n / 20),
    minimum_evidence=st.integers(0, 3),
    on_conflict=st.sampled_from(tables.VERDICTS),
    when_supported=ACTION,
    when_abstained=ACTION,
    when_insufficient=ACTION,
    when_contradicted=ACTION,
    tolerated_insufficient_ratio=st.sampled_from([0.0, 0.25, 0.5]),
)
CLAIM = st.tuples(st.lists(st.tuples(SCORE, st.booleans()), max_size=4), st.none() | SCORE)
"""Its passages with whether the verifier read them whole, and the scores of all read as one text."""


def night(answers, policy):
    """VERDICTS and ACTIONS as a night decides them, with the evidence that they rest on."""
    outputs, claims, evidence, together = [], [], [], []
    for number, answer in enumerate(answers):
        output_id = ids.digest("output", number)
        outputs.append({"output_id": output_id, "produced_at": NOW, "source": "s", "agent": f"a{number % 2}"})
        for ordinal, (passages, joint) in enumerate(answer):
            claim_id = ids.digest("claim", number, ordinal)
            claims.append(
                {"claim_id": claim_id, "output_id": output_id, "produced_at": NOW, "text": "A claim."}
            )
            for rank, ((yes, no), is_whole) in enumerate(passages):
                evidence.append(
                    {"claim_id": claim_id, "rank": rank, "passage_id": ids.digest("p", number, ordinal, rank)}
                    | {"origin": "context", "p_supported": yes, "p_contradicted": no}
                    | {"p_insufficient": 1 - yes - no, "tokens_offered": 9, "tokens_seen": 9 * is_whole}
                )
            if joint is not None and len(passages) > 1:
                together.append(
                    {"claim_id": claim_id, "p_supported": joint[0], "p_contradicted": joint[1]}
                    | {"p_insufficient": 1 - sum(joint)}
                )
    strings = pl.String
    outputs = pl.DataFrame(outputs, schema_overrides={"produced_at": tables.UTC}).with_columns(
        model=pl.lit(None, strings), use_case=pl.lit("support")
    )
    claims = pl.DataFrame(
        claims,
        schema={"claim_id": strings, "output_id": strings, "produced_at": tables.UTC, "text": strings},
    ).with_columns(kind=pl.lit("factual"))
    read = ("tokens_offered", "tokens_seen")
    columns = ("claim_id", "rank", "passage_id", "origin", *tables.PROBABILITIES, *read)
    schema = {name: tables.EVIDENCE.schema[name] for name in columns}
    evidence = pl.DataFrame(evidence, schema=schema)
    joint = pl.DataFrame(
        together, schema={"claim_id": strings} | dict.fromkeys(tables.PROBABILITIES, pl.Float64)
    )
    found = verdicts.decide(
        claims, evidence, outputs, [policy], verifier="v", snapshot="s", run_id="r", now=NOW, together=joint
    )
    acted = actions.act(outputs, found, [policy], claims=claims, run_id="r", now=NOW)
    stored = evidence.with_columns(verifier=pl.lit("v"), snapshot=pl.lit("s"))
    return found, acted, stored


@settings(max_examples=60)
@given(st.lists(st.lists(CLAIM, max_size=4), min_size=1, max_size=5), POLICY, POLICY)
def test_another_policy_decides_stored_scores_as_a_night_under_it_would(answers, first, second):
    recorded, acted, evidence = night(answers, first)
    expected, expected_actions, _ = night(answers, second)
    judged = recorded.with_columns(is_addressed=pl.lit(value=False))
    decided = again.verdict_columns(judged, evidence.lazy(), {"before": first, "after": second})
    assert decided["before"].to_list() == recorded["verdict"].to_list()
    assert decided["after"].to_list() == expected["verdict"].to_list()
    assert again.verdicts_by(judged, evidence.lazy(), second).to_list() == expected["verdict"].to_list()
    outputs = acted.select("output_id", "abstention_count", by_answer=pl.lit(0, pl.Int64))
    judged = judged.with_columns(**decided)
    assert again.actions_by(outputs, judged, "before", first).to_list() == acted["action"].to_list()
    assert (
        again.actions_by(outputs, judged, "after", second).to_list() == expected_actions["action"].to_list()
    )


def test_scores_of_another_judgement_of_the_same_claim_do_not_count():
    recorded, _, evidence = night([[([((0.9, 0.0), True)], None)]], Policy())
    other = evidence.with_columns(verifier=pl.lit("another"), p_supported=0.0, p_contradicted=pl.lit(0.9))
    both = pl.concat([evidence, other], how="vertical_relaxed").lazy()
    assert again.verdicts_by(recorded, both, Policy()).to_list() == ["supported"]
    two = pl.concat(
        [recorded, recorded.with_columns(verifier=pl.lit("another"), p_supported=0.0, p_contradicted=0.9)]
    )
    assert again.verdicts_by(two, both, Policy()).to_list() == ["supported", "contradicted"]


def reviewed(*rows):
    names = ("verdict_id", "reviewer", "outcome", "corrected_verdict", "reviewed_at", "review_id")
    return pl.DataFrame(rows, schema=names, orient="row")


def test_what_people_said_tells_whether_a_change_is_better():
    changed = pl.DataFrame(
        {
            "verdict_id": list("abcde"),
            "verdict": ["supported"] * 5,
            "before": ["supported"] * 5,
            "after": ["insufficient"] * 5,
        }
    )
    reviews = reviewed(
        ("a", "m", "confirmed", None, 1, "1"),
        ("b", "m", "overturned", "insufficient", 1, "2"),
        ("c", "m", "overturned", None, 1, "3"),
        ("d", "m", "confirmed", None, 1, "4"),
        ("d", "n", "overturned", "insufficient", 2, "5"),
        ("e", "m", "confirmed", None, 1, "6"),
        ("e", "m", "overturned", "contradicted", 2, "7"),
    )
    said = {row["opinion"]: row["count"] for row in again.opinions(changed, reviews).to_dicts()}
    assert said == {"worse": 1, "better": 2, "disputed": 1, "neither": 1}


def test_flows_count_what_stays_too():
    frame = pl.DataFrame({"agent": ["a", "a", "b"], "before": ["x", "x", "x"], "after": ["x", "y", "y"]})
    assert sorted(again.flows(frame).rows()) == [("a", "x", "x", 1), ("a", "x", "y", 1), ("b", "x", "y", 1)]


def test_no_scores_at_all_is_insufficient():
    recorded, _, evidence = night([[([], None)]], Policy())
    assert again.verdicts_by(recorded, evidence.lazy(), Policy(minimum_evidence=0)).to_list() == [
        "insufficient"
    ]
    assert np.isclose(recorded["p_insufficient"][0], 1)
