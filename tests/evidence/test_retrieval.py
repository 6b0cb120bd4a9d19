"""Fusion of rankings and BM25 within an output."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evidence import bm25, retrieval
from tasks.evidence.retrieval import HITS, RetrieveParameters

PARAMETERS = RetrieveParameters(passages_per_claim=3, candidates=5)


def hits(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=HITS, orient="row")


scored = st.dictionaries(
    st.tuples(st.sampled_from(["c1", "c2"]), st.sampled_from("abcdefgh")),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    max_size=16,
).map(lambda d: [(c, p, s) for (c, p), s in d.items()])


@given(scored, scored, st.randoms(use_true_random=False))
def test_fusion_does_not_depend_on_the_order_of_rows_or_rankings(
    one: list[tuple[str, str, float]], two: list[tuple[str, str, float]], shuffle: random.Random
) -> None:
    expected = retrieval.fuse([hits(*one), hits(*two)], PARAMETERS)
    mixed_one, mixed_two = list(one), list(two)
    shuffle.shuffle(mixed_one)
    shuffle.shuffle(mixed_two)
    assert retrieval.fuse([hits(*mixed_two), hits(*mixed_one)], PARAMETERS).equals(expected)


@given(scored, scored)
def test_fused_scores_are_sums_of_reciprocal_positions(
    one: list[tuple[str, str, float]], two: list[tuple[str, str, float]]
) -> None:
    expected: dict[tuple[str, str], float] = {}
    for rows in (one, two):
        for claim in ("c1", "c2"):
            mine = sorted((r for r in rows if r[0] == claim), key=lambda r: (-r[2], r[1]))
            for position, (_, passage, _) in enumerate(mine[: PARAMETERS.candidates], start=1):
                key = (claim, passage)
                expected[key] = expected.get(key, 0.0) + 1 / (60 + position)
    fused = retrieval.fuse([hits(*one), hits(*two)], PARAMETERS)
    assert {(c, p): s for c, p, s in fused.iter_rows()} == pytest.approx(expected)


def test_only_the_order_of_scores_counts_and_not_their_scale() -> None:
    small = retrieval.fuse([hits(("c", "a", 0.2), ("c", "b", 0.1))], PARAMETERS)
    large = retrieval.fuse([hits(("c", "a", 900.0), ("c", "b", -3.0))], PARAMETERS)
    assert small.equals(large)


def test_a_passage_that_both_rankings_like_beats_one_that_a_single_ranking_puts_first() -> None:
    dense = hits(("c", "only_dense", 0.9), ("c", "both", 0.8))
    words = hits(("c", "only_words", 9.0), ("c", "both", 8.0))
    fused = retrieval.fuse([dense, words], PARAMETERS)
    best = retrieval.best(fused.with_columns(text="passage_id"), PARAMETERS)
    assert best["passage_id"].to_list() == ["both", "only_dense", "only_words"]
    assert best["rank"].to_list() == [0, 1, 2]
    assert best["rank"].dtype == pl.Int32


def test_equal_texts_take_one_place_and_no_more_than_asked_for_are_kept() -> None:
    fused = pl.DataFrame(
        {
            "claim_id": ["c"] * 5,
            "passage_id": list("edcba"),
            "retrieval_score": [0.5, 0.5, 0.4, 0.3, 0.2],
            "text": ["same", "same", "x", "y", "z"],
        }
    )
    best = retrieval.best(fused, PARAMETERS)
    assert best["passage_id"].to_list() == ["d", "c", "b"]
    assert best["rank"].to_list() == [0, 1, 2]


def test_no_hits_give_no_rows() -> None:
    fused = retrieval.fuse([hits(), hits()], PARAMETERS)
    assert retrieval.best(fused.with_columns(text="passage_id"), PARAMETERS).height == 0


@pytest.mark.parametrize(
    "wrong", [{"passages_per_claim": 0}, {"candidates": -1}, {"rrf_k": 0}, {"minimum_similarity": 1.5}]
)
def test_parameters_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        RetrieveParameters(**wrong)  # type: ignore[arg-type]


def claims(**texts: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"claim_id": list(texts), "output_id": [c[0] for c in texts], "text": list(texts.values())}
    )


def passages(**texts: str) -> pl.DataFrame:
    return claims(**texts).rename({"claim_id": "passage_id"})


def test_a_claim_is_compared_with_passages_of_its_own_output_only() -> None:
    scores = bm25.own_scores(
        claims(a1="the blue whale", b1="the blue whale"), passages(ax="blue whale", bx="a red fox")
    )
    assert scores.select("claim_id", "passage_id").rows() == [("a1", "ax")]


def test_scores_do_not_depend_on_what_else_is_judged() -> None:
    one_claim, one_passages = claims(a1="blue whale song"), passages(ax="blue whale", ay="song of a whale")
    alone = bm25.own_scores(one_claim, one_passages)
    others = passages(bx="blue blue blue", by="whale " * 50)
    together = bm25.own_scores(
        pl.concat([one_claim, claims(b1="blue")]), pl.concat([one_passages, others])
    ).filter(pl.col("claim_id") == "a1")
    assert together.equals(alone)


def test_rare_words_and_numbers_weigh_more_than_frequent_ones() -> None:
    scores = bm25.own_scores(
        claims(a1="the price rose to 3.5 million"),
        passages(ax="the price of the price", ay="it was 3.5 then", az="the price rose"),
    )
    assert dict(scores.select("passage_id", "score").iter_rows())["ay"] > 0
    assert bm25.own_scores(claims(a1="3.5"), passages(ax="it cost 3 or 5", ay="it cost 3.5."))[
        "passage_id"
    ].to_list() == ["ay"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The EU's 1,250.5 km²", ["the", "eu", "s", "1,250.5", "km²"]),
        ("日本語 abc", ["日", "本", "語", "abc"]),
        ("Grüße, naïve", ["grüße", "naïve"]),
        ("!!! ---", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    found = pl.DataFrame({"text": [text]}).select(bm25.words(pl.col("text")))
    assert found.item().to_list() == expected
