"""Pairs edited on both sides: neither the claim nor the evidence alone tells the label."""

from __future__ import annotations

import random

import polars as pl
import pytest

from training import both_sides, patterns, polarity
from training.both_sides import BothSidesParameters

DOCUMENTS = pl.DataFrame(
    {
        "dataset": ["rules"] * 4,
        "text": [
            "The warranty covers damage by water. Repairs are done within 14 days. Refunds are not available"
            " for gift cards.",
            "Members can cancel the plan in 2024 without a fee. The office in Berlin is open on weekdays.",
            "All visitors must show a card. Pets are allowed in the garden if they are on a lead.",
            "The plan includes phone support. Personal devices are not permitted in the laboratory.",
        ],
    }
)


def rng() -> random.Random:
    return random.Random(1)  # noqa: S311 - a reproducible draw, not a secret


def made(seed: int = 3) -> pl.DataFrame:
    return both_sides.make(DOCUMENTS, 20, BothSidesParameters(alone=0.0, reworded=0.0), seed=seed)


def test_each_edit_gives_one_pair_that_holds_and_one_that_does_not() -> None:
    pairs = made()
    assert pairs.height >= 16
    assert (pairs["label"] == "supported").sum() * 2 == pairs.height
    held, failed = pairs.gather_every(2), pairs.gather_every(2, 1)
    same_claim = held["claim"] == failed["claim"]
    same_evidence = held["evidence"] == failed["evidence"]
    assert (same_claim ^ same_evidence).all()


def test_a_claim_that_holds_stands_in_its_evidence_and_its_twin_does_not() -> None:
    for claim, evidence, label in made().select("claim", "evidence", "label").iter_rows():
        assert (claim in evidence) == (label == "supported")


def test_the_same_seed_gives_the_same_pairs() -> None:
    assert made().equals(made())
    assert not made().equals(made(4))


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        (
            "The warranty covers damage.",
            {"The warranty does not cover damage.", "The warranty doesn’t cover damage."},
        ),
        ("The plan does not include support.", {"The plan includes support."}),
        ("Members cannot cancel.", {"Members can cancel."}),
        ("He never carries a bag.", {"He carries a bag."}),
    ],
)
def test_a_negation_goes_in_or_out_where_no_auxiliary_shows_the_place(text: str, edited: set[str]) -> None:
    assert polarity.verb(text, rng()) in edited


def test_a_word_is_exchanged_for_its_opposite() -> None:
    assert polarity.opposite("Pets are permitted here.", rng()) == "Pets are prohibited here."
    assert polarity.opposite("Nothing to change.", rng()) is None


def test_a_condition_is_taken_out() -> None:
    bare = both_sides.condition("Pets are allowed in the garden if they are on a lead.", rng())
    assert bare == "Pets are allowed in the garden."


@pytest.mark.parametrize("kind", patterns.MAKERS)
def test_each_pattern_gives_claims_of_both_kinds(kind: str) -> None:
    pairs = patterns.make({kind: 60}, [], [], seed=5)
    assert 0.4 < (pairs["label"] == "supported").mean() < 0.6
    assert pairs["kind"].unique().to_list() == [kind]


def test_a_cell_of_another_row_contradicts_its_own() -> None:
    table = ["Plan: Basic; Price: 9", "Plan: Team; Price: 29", "Plan: Firm; Price: 99"]
    pairs = patterns.make({"cells": 20}, [], [table], seed=5)
    right = {"Basic": "9", "Team": "29", "Firm": "99"}
    for claim, label in pairs.select("claim", "label").iter_rows():
        own = any(
            name in claim and claim.rstrip(".").replace(" as price", "").split()[-1] == value
            for name, value in right.items()
        )
        assert own == (label == "supported")


def test_a_text_that_only_names_the_subject_is_insufficient() -> None:
    pairs = patterns.make({"mentions": 8}, ["Lisbon is the capital of Portugal."], [], seed=5)
    assert pairs["label"].unique().to_list() == ["insufficient"]
    assert pairs["evidence"].str.contains("Lisbon|Portugal").all()
