"""Agreement of reviewers: Cohen's kappa against published figures, and who is compared with whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.review.agreement import ALL, Kappa, agreement, kappa
from tasks.tables import REVIEWS

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
Said = tuple[str, str, str]
EXAMPLE = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])


def test_kappa_and_its_interval_are_those_of_a_published_example() -> None:
    # n = 200, the example of R's `psych::cohen.kappa`, which prints 0.39, 0.49 and 0.59.
    found = kappa(EXAMPLE)
    assert (found.kappa, found.ci_low, found.ci_high) == pytest.approx((0.49, 0.39, 0.59), abs=5e-3)


def test_the_interval_is_that_of_the_delta_method() -> None:
    def value(p: np.ndarray) -> float:
        expected = p.sum(axis=1) @ p.sum(axis=0)
        return float((np.trace(p) - expected) / (1 - expected))

    p, slopes, step = EXAMPLE / EXAMPLE.sum(), np.zeros((3, 3)), 1e-6
    for at in np.ndindex(3, 3):
        moved = np.zeros((3, 3))
        moved[at] = step
        slopes[at] = (value(p + moved) - value(p - moved)) / (2 * step)
    error = (((p * slopes**2).sum() - (p * slopes).sum() ** 2) / EXAMPLE.sum()) ** 0.5
    found = kappa(EXAMPLE)
    assert found.kappa is not None
    assert found.ci_high == pytest.approx(found.kappa + 1.96 * error, abs=1e-4)


def test_chance_is_zero_perfect_is_one_and_a_single_answer_says_nothing() -> None:
    assert kappa(np.array([[25, 25], [25, 25]])).kappa == 0
    assert kappa(np.array([[5, 0], [0, 5]])) == Kappa(1.0, 1.0, 1.0)
    assert kappa(np.array([[0, 5], [5, 0]])).kappa == -1
    assert kappa(np.array([[9]])) == kappa(np.zeros((2, 2), np.int64)) == Kappa(None, None, None)


def found(*said: Said, **last: object) -> list[dict[str, object]]:
    rows = [
        {
            "review_id": f"{at:064x}",
            "verdict_id": verdict_id,
            "reviewer": reviewer,
            "outcome": "confirmed" if label == "supported" else label.partition(" ")[0],
            "corrected_verdict": label.partition(" ")[2] or None,
            "reviewed_at": NOON + timedelta(minutes=at),
        }
        for at, (verdict_id, reviewer, label) in enumerate(said)
    ]
    rows[-1] |= last
    verdicts = pl.LazyFrame({"verdict_id": ["v", "w"], "verdict": ["supported"] * 2})
    return agreement(pl.LazyFrame(rows, schema=REVIEWS.schema), verdicts).to_dicts()


CORRECTED = "overturned contradicted"


def test_people_agree_where_they_say_the_same_verdict_is_right() -> None:
    [pair] = found(
        ("v", "b", "supported"), ("v", "a", "supported"), ("w", "a", "overturned"), ("w", "b", CORRECTED)
    )
    assert (pair["first"], pair["second"], pair["verdicts"], pair["agreed"]) == ("a", "b", 2, 1)


def test_the_last_word_of_each_counts_and_neither_doubt_nor_an_adjudication() -> None:
    both = ("v", "a", CORRECTED), ("v", "b", "supported")
    assert found(*both, ("v", "a", "supported"))[0]["agreed"] == 1
    assert found(*both, ("v", "a", "unsure")) == []
    [pair] = found(*both, ("v", "c", "supported"), is_adjudication=True)
    assert (pair["first"], pair["second"], pair["agreed"]) == ("a", "b", 0)


def test_several_pairs_have_a_row_for_all() -> None:
    rows = found(
        ("v", "a", "supported"), ("v", "b", "supported"), ("w", "b", CORRECTED), ("w", "c", CORRECTED)
    )
    assert [(row["first"], row["verdicts"]) for row in rows] == [("a", 1), ("b", 1), (ALL, 2)]
    assert rows[-1]["kappa"] == 1
