"""What reviewed verdicts stand for: counted by hand, by kind."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.lake.reviewed import represents

KIND = {"verifier": "v", "policy": "p@1", "threshold_supported": 0.5, "threshold_contradicted": 0.5}


def verdict(word: str, supported: float, *, read: bool = False, conflict: bool = False) -> dict[str, object]:
    return {
        **KIND,
        "verdict": word,
        "p_supported": supported,
        "p_contradicted": 0.9 if word == "contradicted" else 0.05,
        "is_conflict": conflict,
        "is_read": read,
    }


def test_a_read_verdict_stands_for_the_unread_ones_of_its_kind_and_no_others() -> None:
    rows = [
        *[verdict("supported", 0.9) for _ in range(8)],
        *[verdict("supported", 0.9, read=True) for _ in range(2)],
        # Close to the threshold, or in conflict: people look at each of these.
        verdict("supported", 0.52, read=True),
        verdict("supported", 0.9, read=True, conflict=True),
        verdict("contradicted", 0.05),
        verdict("contradicted", 0.05, read=True),
        verdict("insufficient", 0.2),
    ]
    frame = pl.DataFrame(rows).with_columns(stands_for=represents(pl.col("is_read")))
    read = frame.filter("is_read")
    assert read["stands_for"].to_list() == [5.0, 5.0, 1.0, 1.0, 2.0]
    assert read["stands_for"].sum() == frame.height - 1, "nobody read an insufficient one"


def test_verifiers_and_policies_are_kinds_of_their_own() -> None:
    one = verdict("supported", 0.9, read=True)
    other = {**verdict("supported", 0.9), "policy": "p@2"}
    frame = pl.DataFrame([one, other, other]).with_columns(stands_for=represents(pl.col("is_read")))
    assert frame["stands_for"].to_list() == [1.0, pytest.approx(float("inf")), float("inf")]
