"""A verdict rests on what is said of the claim, not on how much else stands beside it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.verify import selection
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
NEVER_MORE = 0.03
"""Share of verdicts that paragraphs about something else may change."""


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str, str]]:
    """(claim, its evidence, the other folder of the sample): 45 true statements and 45 planted errors."""
    true = gzip.decompress((SAMPLES / "gold" / "true.jsonl.gz").read_bytes()).decode().splitlines()
    planted = (SAMPLES / "gold" / "planted.jsonl").read_text("utf-8").splitlines()
    rows = []
    for lines in (true, planted):
        read = [row for row in map(json.loads, lines) if row["truth"] and row["claim"]]
        rows += [read[place] for place in np.linspace(0, len(read) - 1, 45).astype(int)]
    other = {"help-desk": "handbook", "handbook": "help-desk"}
    return [(row["claim"], row["truth"], other[row["document"].split("/")[0]]) for row in rows]


@pytest.fixture(scope="module")
def paragraphs() -> dict[str, list[str]]:
    """Paragraphs of prose by folder of the sample."""
    result = {}
    for folder in ("help-desk", "handbook"):
        texts = [file.read_text("utf-8") for file in sorted((SAMPLES / "corpus" / folder).rglob("*.md"))]
        cut = [" ".join(part.split()) for text in texts for part in text.split("\n\n")]
        result[folder] = [part for part in cut if 250 <= len(part) <= 900 and not part.startswith("#")]
    return result


def beside(pairs, paragraphs, where):
    """Evidence of every pair with three paragraphs of the other folder."""
    texts = []
    for place, (_, evidence, folder) in enumerate(pairs):
        rest = [paragraphs[folder][(7 * place + 3 * i) % len(paragraphs[folder])] for i in range(3)]
        at = {"before": 3, "after": 0, "between": 1}[where]
        texts.append("\n".join([*rest[:at], evidence, *rest[at:]]))
    return texts


@pytest.fixture(scope="module")
def verdicts(pairs, paragraphs):
    """Where the paragraphs stand ("" for none) → the verdict on every pair."""
    verifier = load(VerifierSettings(), threads=1)
    claims = [claim for claim, _, _ in pairs]
    texts = {"": [evidence for _, evidence, _ in pairs]}
    texts |= {where: beside(pairs, paragraphs, where) for where in ("before", "after", "between")}
    said = {}
    for where, passages in texts.items():
        p = verifier.score(claims, passages).probabilities
        said[where] = np.select([p[:, 0] >= 0.5, p[:, 1] >= 0.5], [0, 1], 2)
    return said


@pytest.mark.parametrize("where", ["before", "after", "between"])
def test_paragraphs_about_something_else_change_hardly_a_verdict(verdicts, where):
    assert len(set(verdicts[""].tolist())) == 3, "verdicts of every kind are at stake"
    assert (verdicts[where] != verdicts[""]).mean() <= NEVER_MORE


def test_a_part_is_about_the_claim_by_the_words_that_it_shares():
    rest = "The committee met again in the old hall and talked for hours about other matters of the day, " * 2
    fact = "Marie Curie won the Nobel Prize in Chemistry.\nShe was born in Warsaw."
    claims = pl.Series(["Marie Curie won a Nobel Prize."] * 3)
    texts = pl.Series([f"{rest}\n{fact}\n{rest}", fact, "\n".join([rest, rest])])
    left = selection.relevant(claims, texts, {}, 1.0).to_list()
    assert left[:2] == [fact, fact], "lines of a list stay together"
    assert left[2] == texts[2], "where nothing is about the claim, all of it is read"


def test_parts_that_each_say_half_of_a_claim_are_both_read():
    rest = "The committee met again in the old hall and talked for hours about other matters of the day, " * 2
    born, left = (
        "Ann Lee was born in Oslo" + 20 * " as it was,",
        "Lee studied law in Paris" + 20 * " as it is,",
    )
    claims = pl.Series(["Ann Lee was born in Oslo and studied law in Paris."])
    (read,) = selection.relevant(claims, pl.Series([f"{born}\n{rest}\n{left}"]), {}, 1.0)
    assert read == f"{born}\n{left}"


def test_a_fusion_of_before_reads_every_part():
    texts = pl.Series(["About the claim.\nAbout something else."])
    old = selection.SelectionParameters(least_of_best=0.0)
    assert selection.relevant(pl.Series(["The claim."]), texts, {}, 1.0, old).equals(texts)
