"""Pairs made from pairs, and contrast cases."""

import numpy as np
import polars as pl
import pytest

from training import augment, contrast
from training.augment import AugmentParameters

DOCUMENT = (
    "Ada Lovelace was born in London in December 1815. She worked with Charles Babbage on his engine. "
    "Her notes of 1843 hold the first published algorithm for a machine. The engine was never built in her "
    "time. Many historians regard her as an early programmer. She died in Marylebone at the age of 36."
)


@pytest.fixture
def pairs() -> pl.DataFrame:
    claims = [
        ("Ada Lovelace was born in 1815.", "supported"),
        ("Ada Lovelace was born in Paris.", "contradicted"),
        ("Ada Lovelace liked tea.", "insufficient"),
        ("The engine was not built.", "supported"),
    ] * 30
    return pl.DataFrame(
        [("d", f"{claim} {i}." if i > 3 else claim, DOCUMENT + f" Note {i}.", label)
         for i, (claim, label) in enumerate(claims)],
        schema=["dataset", "claim", "evidence", "label"],
        orient="row",
    )  # fmt: skip


def test_made_pairs_depend_on_the_seed_alone(pairs):
    parameters = AugmentParameters()
    first = augment.make(pairs, parameters, seed=3)
    assert first.equals(augment.make(pairs, parameters, seed=3))
    assert not first.equals(augment.make(pairs, parameters, seed=4))


def test_a_changed_fact_is_never_labelled_supported_and_a_harmless_change_keeps_its_label(pairs):
    made = augment.make(pairs, AugmentParameters(), seed=3)
    changed = made.filter(pl.col("kind").str.contains("changed"))
    assert changed.height > 20
    assert set(changed["label"]) <= {"contradicted", "not_supported"}
    kept = made.filter(pl.col("kind").str.starts_with("document_kept"))
    assert set(kept["label"]) == {"supported"}


def test_evidence_without_the_carrying_sentence_does_not_hold_the_claim(pairs):
    made = augment.make(pairs, AugmentParameters(), seed=3).filter(kind="document_removed")
    assert made.height > 5
    assert set(made["label"]) == {"insufficient"}
    for claim, evidence in made.select("claim", "evidence").iter_rows():
        assert claim not in evidence


def test_contrast_cases_change_the_claim_and_say_what_must_follow(pairs):
    made = contrast.cases(pairs, contrast.ContrastParameters(per_kind=20))
    assert {"date", "negation", "number", "quantifier"} <= set(made["kind"])
    assert (made["claim"] != made["edited"]).all()
    lowered = made.filter(effect="lower")
    assert not any(e in d for e, d in lowered.select("edited", "evidence").iter_rows())


def test_contrast_counts_lowered_support_and_kept_verdicts():
    made = pl.DataFrame(
        {"kind": ["date", "date", "voice", "voice"], "effect": ["lower", "lower", "keep", "keep"]}
    ).with_columns(claim=pl.lit("a"), edited=pl.lit("b"), evidence=pl.lit("c"))
    judged = contrast.judge(made, np.array([0.9, 0.2, 0.9, 0.9]), np.array([0.8, 0.3, 0.6, 0.4]))
    assert judged.rows() == [("date", "lower", 2, 0.5, 0.0), ("voice", "keep", 2, 0.5, 0.5)]


def test_a_claim_told_as_in_conversation_keeps_its_label_and_is_off_unless_asked_for(pairs):
    made = augment.make(pairs, AugmentParameters(framed_share=1.0), seed=3).filter(kind="framed")
    labels = dict(pairs.select("evidence", "label").unique("evidence", keep="none").iter_rows())
    known = [(evidence, label) for _, _, evidence, label, _ in made.iter_rows() if evidence in labels]
    assert known
    assert all(labels[evidence] == label for evidence, label in known)
    assert augment.make(pairs, AugmentParameters(), seed=3).filter(kind="framed").is_empty()
