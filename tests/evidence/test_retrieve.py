"""Evidence for claims from own contexts and corpus, with the real model where meaning counts."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.evidence import bm25
from tasks.evidence import retrieve as retrieve_stage
from tasks.evidence.embeddings import CachedEmbedder
from tasks.evidence.index import CorpusIndex
from tasks.evidence.lexical import LexicalIndex
from tasks.evidence.look_up import NAMED
from tasks.evidence.models import Embedder, load_embedder
from tasks.evidence.parameters import CorpusSettings
from tasks.evidence.passages import PassageParameters, from_contexts
from tasks.evidence.refresh import refresh
from tasks.evidence.retrieval import RetrieveParameters
from tasks.evidence.retrieve import CANDIDATES, retrieve
from tasks.files.limits import LimitSettings
from tasks.lake.store import Lake

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RUN = "0" * 64
PARAMETERS = RetrieveParameters()


def segment(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer(r"[^.\s][^.]*\.?", text)]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return CachedEmbedder(load_embedder(threads=1), tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def corpus(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> CorpusIndex:
    root = tmp_path_factory.mktemp("corpus")
    for name, text in {
        "refunds.md": "Customers get their money back within 30 days of purchase.",
        "warranty.md": "The X200 pump has a warranty of 48 months.",
        "opening.md": "The shop is open from nine to five on weekdays.",
    }.items():
        (root / name).write_text(text)
    section = CorpusSettings(path=str(root / "*.md"))
    lake = Lake.open(str(root / "lake"))
    index = refresh(section, LimitSettings(), lake, embedder, segment, run_id=RUN, now=NOW)
    assert index is not None
    return index


def contexts(**by_output: list[str]) -> pl.DataFrame:
    outputs = pl.DataFrame(
        {
            "output_id": list(by_output),
            "produced_at": [NOW] * len(by_output),
            "contexts": [[{"uri": None, "text": t} for t in texts] for texts in by_output.values()],
        },
        schema_overrides={
            "output_id": pl.String,
            "produced_at": pl.Datetime("us", "UTC"),
            "contexts": pl.List(pl.Struct({"uri": pl.String, "text": pl.String})),
        },
    )
    return from_contexts(outputs, segment, PassageParameters(50, 0), run_id=RUN)


def claims(*rows: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["output_id", "text", "kind"], orient="row").with_columns(
        claim_id=pl.format("claim{}", pl.int_range(pl.len()))
    )


def test_a_claim_sees_its_own_contexts_and_the_corpus_best_first(
    embedder: Embedder, corpus: CorpusIndex
) -> None:
    found = retrieve(
        claims(("a", "Refunds are possible for 30 days.", "factual")),
        contexts(a=["You may return goods for 30 days.", "Cats sleep a lot."], b=["Refunds take 30 days."]),
        corpus,
        embedder,
        PARAMETERS,
    )
    assert found.schema == CANDIDATES
    assert found["rank"].to_list() == list(range(found.height))
    assert set(found.head(2)["text"]) == {
        "You may return goods for 30 days.",
        "Customers get their money back within 30 days of purchase.",
    }
    assert set(found.head(2)["origin"]) == {"context", "corpus"}
    assert "Refunds take 30 days." not in found["text"]
    assert found["retrieval_score"].is_sorted(descending=True)


def test_what_a_tool_returned_is_evidence_of_its_own_origin(embedder: Embedder) -> None:
    own = contexts(a=["You may return goods for 30 days.", "Goods: 30 days."]).with_columns(
        document_uri=pl.Series(["tool:returns", "kb://1"])
    )
    asked = claims(("a", "Goods may be returned for 30 days.", "factual"))
    given = retrieve(asked, own, None, embedder, PARAMETERS).select("document_uri", "origin")
    assert set(given.rows()) == {("tool:returns", "tool"), ("kb://1", "context")}


def test_only_factual_claims_are_looked_up(embedder: Embedder, corpus: CorpusIndex) -> None:
    found = retrieve(
        claims(("a", "Hello!", "other"), ("a", "The X200 has a warranty.", "factual")),
        contexts(a=["The X200 is a pump."]),
        corpus,
        embedder,
        PARAMETERS,
    )
    assert found["claim_id"].unique().to_list() == ["claim1"]


def test_without_contexts_and_corpus_there_are_no_rows_and_the_model_is_not_asked() -> None:
    class Never:
        fingerprint, dimension = "f", 1

        def encode(self, texts: object, role: object = None) -> np.ndarray:
            pytest.fail("asked")

    found = retrieve(claims(("a", "Anything.", "factual")), contexts(), None, Never(), PARAMETERS)
    assert found.schema == CANDIDATES
    assert found.height == 0


def test_fewer_passages_than_asked_for_are_fine(embedder: Embedder) -> None:
    found = retrieve(
        claims(("a", "Cats sleep.", "factual"), ("b", "Dogs bark.", "factual")),
        contexts(a=["Cats sleep a lot."]),
        None,
        embedder,
        PARAMETERS,
    )
    assert found.select("claim_id", "text").rows() == [("claim0", "Cats sleep a lot.")]


def test_numbers_and_names_are_found_by_word(embedder: Embedder) -> None:
    texts = [f"The pump of series X{n} costs {n}5 euros." for n in range(200, 230)]
    found = retrieve(
        claims(("a", "The X217 costs 2175 euros.", "factual")),
        contexts(a=texts),
        None,
        embedder,
        PARAMETERS,
    )
    assert "X217" in found["text"][0]
    assert found.height == PARAMETERS.passages_per_claim


def test_the_size_of_a_batch_of_pairs_changes_nothing(
    embedder: Embedder, corpus: CorpusIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("ab"[i % 2], f"Claim {i} about pumps, refunds and cats.", "factual") for i in range(8)]
    own = contexts(
        a=[f"Pump {i} is sold." for i in range(5)], b=[f"Cat {i} sleeps on a pump." for i in range(4)]
    )
    whole = retrieve(claims(*rows), own, corpus, embedder, PARAMETERS)
    monkeypatch.setattr(retrieve_stage, "PAIRS_AT_ONCE", 3)
    assert retrieve(claims(*rows), own, corpus, embedder, PARAMETERS).equals(whole)


def test_a_claim_gets_the_same_passages_whichever_other_outputs_are_in_the_unit(
    embedder: Embedder, corpus: CorpusIndex
) -> None:
    texts = {"a": ["Pump A is red.", "Pump B is blue."], "b": ["Cats are blue.", "Pump pump pump."]}
    one = claims(("a", "Pump B is blue.", "factual"))
    alone = retrieve(one, contexts(a=texts["a"]), corpus, embedder, PARAMETERS)
    two = claims(("a", "Pump B is blue.", "factual"), ("b", "Cats are blue.", "factual"))
    together = retrieve(two, contexts(**texts), corpus, embedder, PARAMETERS)
    assert together.filter(pl.col("claim_id") == "claim0").equals(alone)


def test_words_within_an_output_are_scored_as_the_library_scores_a_corpus(tmp_path: Path) -> None:
    texts = ["The cat sat on 3.5 mats.", "A dog; the cat", "中文句子 dog dog", "", "the the the"]
    asked = ["the cat the dog 3.5", "中 unknown", "nothing shared"]
    index = LexicalIndex.build(pl.Series(texts))
    index.save(tmp_path / "words")
    for built in (index, LexicalIndex.load(tmp_path / "words", len(texts))):
        theirs = built.search(asked, 5).sort("query", "row")
        ours = bm25.own_scores(
            pl.DataFrame({"claim_id": [0, 1, 2], "output_id": ["o"] * 3, "text": asked}),
            pl.DataFrame({"passage_id": range(5), "output_id": ["o"] * 5, "text": texts}),
        ).sort("claim_id", "passage_id")
        assert theirs.select("query", "row").rows() == ours.select("claim_id", "passage_id").rows()
        assert theirs["score"].to_list() == pytest.approx(ours["score"].to_list(), rel=1e-5)
        assert theirs.height == 5


def test_a_document_that_the_output_names_is_evidence_of_its_own_origin_for_that_output_alone(
    embedder: Embedder, corpus: CorpusIndex
) -> None:
    asked = claims(("a", "The shop opens at nine.", "factual"), ("b", "The shop opens at nine.", "factual"))
    of_document = corpus.of_documents(pl.DataFrame({"document_uri": ["opening.md"]}))
    named = of_document.with_columns(output_id=pl.lit("a")).select(NAMED.names())
    found = retrieve(asked, contexts(), corpus, embedder, PARAMETERS, named=named)
    assert found.select("claim_id", "passage_id").is_unique().all()
    best = found.filter(pl.col("rank") == 0).select("claim_id", "document_uri", "origin").rows()
    assert set(best) == {("claim0", "opening.md", "looked_up"), ("claim1", "opening.md", "corpus")}
