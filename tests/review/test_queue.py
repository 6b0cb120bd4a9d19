"""The review queue: who waits, why, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from tasks import ids
from tasks.review.queue import QUEUE, QueueParameters, queue
from tasks.tables import REVIEWS

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
VERDICTS = {
    "verdict_id": pl.String,
    "claim_id": pl.String,
    "output_id": pl.String,
    "verdict": pl.String,
    "reason": pl.String,
    "agent": pl.String,
    "use_case": pl.String,
    "policy": pl.String,
    "is_conflict": pl.Boolean,
    "p_supported": pl.Float64,
    "p_contradicted": pl.Float64,
    "p_insufficient": pl.Float64,
    "threshold_supported": pl.Float64,
    "threshold_contradicted": pl.Float64,
    "produced_at": pl.Datetime("us", "UTC"),
    "verified_at": pl.Datetime("us", "UTC"),
}


def verdict(name: str, verdict: str = "supported", p: float = 0.95, **values: object) -> dict[str, object]:
    scores = {f"p_{n}": (1 - p) / 2 for n in ("supported", "contradicted", "insufficient")}
    return {
        "verdict_id": name,
        "claim_id": f"claim of {name}",
        "output_id": f"output of {name}",
        "verdict": verdict,
        "reason": "because",
        "agent": "bot",
        "use_case": "support",
        "policy": "default@1",
        "is_conflict": False,
        "threshold_supported": 0.5,
        "threshold_contradicted": 0.5,
        "produced_at": NOON,
        "verified_at": NOON,
        **scores,
        f"p_{verdict}": p,
        **values,
    }


def review(number: int, **values: object) -> dict[str, object]:
    """The review of somebody, a minute after the one before."""
    at = NOON + timedelta(minutes=number)
    return {
        "review_id": f"{number:064x}",
        "reviewer": "a",
        "outcome": "confirmed",
        "reviewed_at": at,
    } | values


def waiting(
    *verdicts: dict[str, object],
    escalated: dict[str, list[str]] | None = None,
    reviews: list[dict[str, str]] | None = None,
    flips: dict[str, str] | None = None,
    parameters: QueueParameters | None = None,
) -> list[tuple[str, str]]:
    found = queue(
        pl.DataFrame(list(verdicts), schema=VERDICTS),
        pl.DataFrame(
            [{"output_id": o, "action": "escalated", "verdict_ids": v} for o, v in (escalated or {}).items()],
            schema={"output_id": pl.String, "action": pl.String, "verdict_ids": pl.List(pl.String)},
        ),
        pl.DataFrame([review(n, **each) for n, each in enumerate(reviews or [])], schema=REVIEWS.schema),
        pl.DataFrame(
            {"verdict_id": list(flips or {}), "detail": list((flips or {}).values())},
            schema={"verdict_id": pl.String, "detail": pl.String},
        ),
        parameters or QueueParameters(),
    )
    assert dict(found.schema) == QUEUE
    return list(found.select("verdict_id", "because").iter_rows())


def test_a_clear_verdict_waits_for_nobody():
    assert waiting(verdict("a"), verdict("b", "contradicted"), verdict("c", "insufficient")) == []


def test_each_reason_is_named_and_the_most_urgent_comes_first():
    found = waiting(
        verdict("close", p=0.52),
        verdict("conflict", is_conflict=True),
        verdict("older", "supported", claim_id="k", verified_at=NOON - timedelta(days=1)),
        verdict("newer", "contradicted", claim_id="k"),
        verdict("wrong", "contradicted", output_id="o"),
        verdict("beside", "supported", output_id="o"),
        verdict("flipped"),
        escalated={"o": ["wrong", "beside"]},
        flips={"flipped": "new verifier"},
    )
    assert found == [
        ("flipped", "flip"),
        ("wrong", "escalated"),
        ("newer", "disputed"),
        ("conflict", "conflict"),
        ("close", "low margin"),
    ]


def test_what_was_reviewed_leaves_and_an_overturned_claim_makes_its_other_verdicts_disputed():
    reviewed = {"verdict_id": "a", "claim_id": "k", "outcome": "overturned"}
    older, newer = (
        verdict("a", claim_id="k"),
        verdict("b", claim_id="k", verified_at=NOON + timedelta(days=1)),
    )
    assert waiting(older, newer, reviews=[reviewed]) == [("b", "disputed")]
    assert waiting(older, newer, reviews=[{**reviewed, "outcome": "confirmed"}]) == []


def test_a_flip_names_its_verdict_even_where_a_newer_one_stands_for_the_claim():
    older, newer = (
        verdict("a", claim_id="k"),
        verdict("b", claim_id="k", verified_at=NOON + timedelta(days=1)),
    )
    assert waiting(older, newer, flips={"a": "policy"}) == [("a", "flip")]


def test_close_is_measured_at_the_threshold_that_decided():
    almost = verdict("almost", "insufficient", p=0.5, p_supported=0.47, p_contradicted=0.03)
    assert waiting(almost) == [("almost", "low margin")]
    far = verdict("far", "insufficient", p=0.6, p_supported=0.3, p_contradicted=0.1)
    assert waiting(far) == []


def test_the_order_is_the_same_whatever_order_the_tables_are_in():
    rows = [verdict(ids.digest("v", n), p=0.5 + n % 3 / 100) for n in range(20)]
    assert waiting(*rows) == waiting(*rows[::-1])


def test_a_share_of_what_is_supported_is_looked_at_the_same_one_each_time_and_a_larger_one_holds_it() -> None:
    names = [ids.digest("verdict", number) for number in range(2_000)]
    frame = pl.DataFrame(
        [verdict(name, policy=f"p@{at % 2}") for at, name in enumerate(names)], schema=VERDICTS
    )
    none = pl.DataFrame(schema={"action": pl.String, "verdict_ids": pl.List(pl.String)})
    reviews = REVIEWS.empty()
    flips = pl.DataFrame(schema=dict.fromkeys(("verdict_id", "detail"), pl.String))

    def drawn(**shares: float) -> set[str]:
        parameters = QueueParameters(supported_shares={f"p@{at[1]}": share for at, share in shares.items()})
        found = queue(frame, none, reviews, flips, parameters)
        assert set(found["because"]) <= {"sample"}
        return set(found["verdict_id"])

    tenth = drawn(p0=0.1)
    assert 60 <= len(tenth) <= 140  # of 1,000; six standard deviations are 57
    assert tenth <= set(names[::2])
    assert tenth == drawn(p0=0.1) < drawn(p0=0.2)
    assert len(drawn(p0=1.0, p1=1.0)) == 2_000
    assert drawn() == set()


WRONG = {"outcome": "overturned", "reviewer": "b"}


def test_reviewers_who_differ_leave_a_verdict_in_the_queue_until_a_third_person_decides() -> None:
    both = [{"verdict_id": "a"}, {"verdict_id": "a", **WRONG}]
    assert waiting(verdict("a"), verdict("b"), reviews=both) == [("a", "disagreement")]
    third = {"verdict_id": "a", "reviewer": "c", "is_adjudication": True}
    assert waiting(verdict("a"), reviews=[*both, third]) == []
    changed_mind = {"verdict_id": "a", **WRONG, "outcome": "confirmed"}
    assert waiting(verdict("a"), reviews=[*both, changed_mind]) == []


def test_who_is_unsure_or_takes_a_decision_back_leaves_the_verdict_waiting() -> None:
    close = verdict("a", p=0.52)
    assert waiting(close, reviews=[{"verdict_id": "a", "outcome": "unsure"}]) == [("a", "low margin")]
    decided = {"verdict_id": "a"}
    assert waiting(close, reviews=[decided]) == []
    assert waiting(close, reviews=[decided, {**decided, "outcome": "withdrawn"}]) == [("a", "low margin")]


def test_a_policy_may_ask_for_two_people() -> None:
    two = QueueParameters(people={"default@1": 2})
    close = verdict("a", p=0.52)
    first, second = {"verdict_id": "a"}, {"verdict_id": "a", "reviewer": "b"}
    assert waiting(close, reviews=[first], parameters=two) == [("a", "low margin")]
    assert waiting(close, reviews=[first, second], parameters=two) == []


def test_contradicted_claims_come_first_and_every_tenth_place_is_of_the_sample() -> None:
    rows = [verdict(f"{n:064x}", "insufficient", p=0.5, is_conflict=True) for n in range(20)]
    rows.append(verdict("f" * 64, "contradicted", is_conflict=True))
    rows += [verdict(f"{n:08x}" + "a" * 56) for n in range(5)]
    found = waiting(*rows, parameters=QueueParameters(supported_shares={"default@1": 0.5}))
    assert found[0] == ("f" * 64, "conflict")
    reasons = [because for _, because in found]
    assert [at for at, because in enumerate(reasons) if because == "sample"] == [9, 19, 23, 24, 25]
