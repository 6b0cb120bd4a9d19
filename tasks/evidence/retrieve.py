"""Evidence for claims: each claim's candidates from its output's own contexts and from the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks import tables
from tasks.evidence import bm25, retrieval
from tasks.evidence.look_up import NAMED
from tasks.evidence.models import Embedder, Vectors
from tasks.evidence.pieces import unit
from tasks.evidence.retrieval import HITS, RetrieveParameters
from tasks.text.pairs import pieces

if TYPE_CHECKING:
    from tasks.evidence.index import CorpusIndex

PAIRS_AT_ONCE = 32_768
"""Pairs of claim and passage whose vectors are multiplied at once: 100 MB at 384 dimensions."""

CANDIDATES = pl.Schema(
    {
        "claim_id": pl.String,
        "passage_id": pl.String,
        "origin": pl.String,
        "rank": pl.Int32,
        "retrieval_score": pl.Float64,
        "text": pl.String,
        "document_uri": pl.String,
    }
)


def retrieve(
    claims: pl.DataFrame,
    context_passages: pl.DataFrame,
    corpus: CorpusIndex | None,
    embedder: Embedder,
    parameters: RetrieveParameters,
    *,
    named: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The best passages of each factual claim (CANDIDATES frame), in order of claim and rank.

    Three rankings are fused: similarity over own and corpus passages together, BM25 among the output's own,
    BM25 in the corpus; the two kinds of BM25 have different word statistics and no common scale. Fewer hits
    than asked for is fine; a claim without any has no rows.

    Args:
        claims: CLAIMS frame; only kind `factual` is looked up.
        context_passages: PASSAGES frame of contexts; a claim sees only those of its own output.
        corpus: the snapshot's index, or None.
        embedder: with its cache, so that a passage is embedded once.
        named: `look_up.NAMED`, passages of the corpus whose documents an output names; a claim sees those of
            its own output as if they were its contexts.
    """
    factual = claims.filter(pl.col("kind") == "factual").select("claim_id", "output_id", "text")
    own = context_passages.join(factual, on="output_id", how="semi").select(
        "passage_id", "output_id", "text", "document_uri"
    )
    looked_up = (NAMED.to_frame() if named is None else named).join(factual, on="output_id", how="semi")
    own = pl.concat([own, looked_up.select(own.columns)])
    if corpus is not None and corpus.size == 0:
        corpus = None
    if factual.is_empty() or (own.is_empty() and corpus is None):
        return CANDIDATES.to_frame()
    claim_vectors = embedder.encode(factual["text"].to_list(), "query")
    own_vectors = (
        embedder.encode(own["text"].to_list()) if corpus is not None else _means(own["text"], embedder)
    )
    dense, own_words = [HITS.to_frame()], [HITS.to_frame()]
    for part, pairs in _own_pairs(factual, own):
        own_of_part = own.join(part, on="output_id", how="semi")
        scored = _similarities(pairs, claim_vectors, own_vectors)
        dense.append(retrieval.ranked(scored, parameters.candidates).select(HITS.names()))
        own_words.append(
            retrieval.ranked(bm25.own_scores(part, own_of_part), parameters.candidates).select(HITS.names())
        )
    corpus_words = HITS.to_frame()
    is_of_a_tool = pl.col("document_uri").str.starts_with(tables.TOOL)
    origin = pl.when(is_of_a_tool).then(pl.lit("tool")).otherwise(pl.lit("context"))
    described = [
        own.join(looked_up, on="passage_id", how="anti", maintain_order="left").select(
            "passage_id", "text", "document_uri", origin=origin
        )
    ]
    # A passage of the corpus may be named by one output and be a hit for the claims of another.
    ids_of_corpus = [looked_up.select("passage_id")]
    if corpus is not None:
        dense.append(_hits(corpus.search(claim_vectors, parameters.candidates), factual))
        corpus_words = _hits(corpus.search_words(factual["text"].to_list(), parameters.candidates), factual)
        ids_of_corpus += [dense[-1].select("passage_id"), corpus_words.select("passage_id")]
        passage_ids = pl.concat(ids_of_corpus).unique()
        described.append(corpus.describe(passage_ids).with_columns(origin=pl.lit("corpus")))
    # A named passage is found twice: among the output's own, and in the corpus.
    similar = (
        pl.concat(dense)
        .filter(pl.col("score") >= parameters.minimum_similarity)
        .unique(["claim_id", "passage_id"], keep="first", maintain_order=True)
    )
    fused = retrieval.fuse([similar, pl.concat(own_words), corpus_words], parameters)
    best = retrieval.best(fused.join(pl.concat(described), on="passage_id"), parameters)
    return _with_named(best, factual, looked_up).select(CANDIDATES.names())


def _with_named(best: pl.DataFrame, factual: pl.DataFrame, looked_up: pl.DataFrame) -> pl.DataFrame:
    """CANDIDATES whose origin says which passages are of documents that the claim's own output names."""
    pairs = factual.join(looked_up, on="output_id").select(
        "claim_id", "passage_id", is_named=pl.lit(value=True)
    )
    origin = pl.when("is_named").then(pl.lit("looked_up")).otherwise("origin")
    return best.join(pairs, on=["claim_id", "passage_id"], how="left", maintain_order="left").with_columns(
        origin=origin
    )


def _means(passages: pl.Series, embedder: Embedder) -> Vectors:
    """(n, d) unit vectors: the mean of the vectors of each passage's pieces.

    The embedded verifier reads the same pieces, so without a corpus, whose passages are indexed whole, every
    text of a night is embedded once instead of twice.
    """
    cut = pieces(passages)
    total = np.zeros((len(passages), embedder.dimension), dtype=np.float64)
    np.add.at(total, cut["passage"].to_numpy(), embedder.encode(cut["text"].to_list()))
    return unit(total)


def _own_pairs(factual: pl.DataFrame, own: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Claims a bounded number of pairs at a time, and their pairs: claim, passage (rows) and both ids."""
    counts = own.group_by("output_id").agg(count=pl.len())
    numbered = (
        factual.with_row_index("claim")
        .join(counts, on="output_id", maintain_order="left")
        .with_columns(part=(pl.col("count").cum_sum() - pl.col("count")) // PAIRS_AT_ONCE)
    )
    passages = own.select("output_id", "passage_id").with_row_index("passage")
    for part in numbered.partition_by("part", maintain_order=True):
        pairs = part.select("claim", "claim_id", "output_id").join(passages, on="output_id")
        yield part.select("claim_id", "output_id", "text"), pairs


def _similarities(pairs: pl.DataFrame, claim_vectors: Vectors, own_vectors: Vectors) -> pl.DataFrame:
    """HITS frame: the inner product of each pair, and of no other."""
    left, right = pairs["claim"].to_numpy(), pairs["passage"].to_numpy()
    scores = np.empty(len(left), dtype=np.float64)
    for first in range(0, len(left), PAIRS_AT_ONCE):
        block = slice(first, first + PAIRS_AT_ONCE)
        scores[block] = np.einsum("ij,ij->i", claim_vectors[left[block]], own_vectors[right[block]])
    return pairs.select("claim_id", "passage_id", score=pl.Series(scores, dtype=pl.Float64))


def _hits(rows: pl.DataFrame, factual: pl.DataFrame) -> pl.DataFrame:
    """A search's rows (query, passage_id, score) as a HITS frame."""
    claim_ids = factual["claim_id"].gather(rows["query"])
    return rows.select(claim_id=claim_ids, passage_id="passage_id", score=pl.col("score").cast(pl.Float64))
