"""Reasons come from the evidence: the sentence that decided, its exact place, and what differs in it."""

from __future__ import annotations

import polars as pl

from tasks.decide import explanation

OTHER = "The committee met on Monday. It rained. "
REACTORS = "France operates 92 reactors today."


def deciding(claim, passage):
    return explanation.deciding(pl.Series([claim]), pl.Series([passage])).row(0)


def test_the_deciding_sentence_is_found_wherever_it_stands():
    for before in range(4):
        passage = OTHER * before + REACTORS + " " + OTHER * (3 - before)
        start, end, sentence = deciding("France runs 94 reactors.", passage)
        assert sentence == REACTORS == passage[start:end]


def test_no_sentence_decides_where_none_shares_a_word():
    assert deciding("Cats sleep.", OTHER) == (None, None, None)
    assert deciding("", "") == (None, None, None)


def test_a_pair_is_explained_the_same_in_any_company():
    claims = pl.Series(["France runs 94 reactors.", "It rained on Monday.", "Cats sleep."])
    passages = pl.Series([OTHER + REACTORS, OTHER, OTHER])
    together = explanation.deciding(claims, passages)
    alone = pl.concat(explanation.deciding(claims[i : i + 1], passages[i : i + 1]) for i in range(3))
    assert together.equals(alone)


def reason(claim, passages, verdict, reads=None):
    found = explanation.findings(
        pl.Series([claim]),
        pl.Series(passages[:1]),
        pl.Series(["\n".join(passages)]),
        pl.Series([verdict]),
        reads,
    )
    return found["finding"][0]


def test_a_reason_names_what_the_rule_found_where_the_verdict_says_the_same():
    passage = "Belgium once had 7 reactors. " + OTHER + REACTORS
    said = "evidence says 92 reactors, the claim says 94 reactors"
    assert reason("France operates 94 reactors.", [passage], "contradicted") == said
    assert reason("France operates 94 reactors.", [OTHER, passage], "contradicted") == said


def test_where_rule_and_network_disagree_the_reason_names_no_difference():
    for verdict in ("supported", "insufficient"):
        assert reason("France operates 94 reactors.", [REACTORS], verdict) is None


def test_a_negation_elsewhere_in_the_passage_is_no_reason():
    passage = "It did not rain. " + OTHER + "The bridge was opened in May."
    assert reason("The bridge was not opened in May.", [passage], "contradicted") == (
        "only the claim negates “opened”"
    )
    assert reason("The bridge was opened in May.", [passage], "contradicted") is None


def test_a_language_is_a_reason_of_a_verifier_that_does_not_read_it_alone():
    claim, passage = (
        "Die Garantie gilt für Schäden durch Wasser.",
        "Die Garantie ist in den Bedingungen geregelt.",
    )
    assert reason(claim, [passage], "insufficient", {"en"}) == "language not supported by this verifier"
    assert reason(claim, [passage], "insufficient") is None


def test_an_absent_name_is_named():
    claims = pl.Series(["It opened in Boston.", "It opened in May.", "It opened. Later it closed."])
    assert explanation.absent(claims, pl.Series(["It opened in May."] * 3)).to_list() == [
        "Boston",
        None,
        None,
    ]
