"""What a day's texts mean, for the drift of questions, answers and retrieved passages.

Only vectors that the lake's cache already holds are used, because a night must not embed its history again:
claims and passages were embedded when they were judged; the audit adds the sampled questions. Vectors are
projected at random to fewer dimensions, which keeps distances (Johnson and Lindenstrauss, 1984), so that
months of days stay small. A passage of the team's documents is left out: it changes with its snapshot, not
with the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import cache

import numpy as np
import polars as pl

from tasks.drift.cells import IDENTITY, PROFILE
from tasks.evidence.models import Embedder
from tasks.lake.store import Lake
from tasks.text.pairs import pieces

SAMPLE_OUTPUTS = 100
"""Answers of a day whose texts are looked up, those of the smallest ids: ids are digests, so it is a fair
and repeatable draw."""
DIMENSIONS = 64
"""After projection: distances between means keep within some 18% (the root of 2/64)."""
CachedVectors = Callable[[Sequence[str], Sequence[str]], np.ndarray]
"""Queries and documents in, (n, d) float32 vectors out in that order, NaN rows where the cache holds none."""


def sample(lake: Lake, day: date) -> pl.DataFrame:
    """`output_id, prompt` and identity of the day's sample."""
    columns = ["output_id", "prompt", *IDENTITY]
    outputs = lake.scan("outputs", since=day, until=day).select(columns)
    return outputs.bottom_k(SAMPLE_OUTPUTS, by="output_id").collect()


def embed_questions(lake: Lake, days: Sequence[date], embedder: Embedder) -> None:
    """Embeds the sampled questions of days that were just judged, through the embedder's cache."""
    for day in days:
        prompts = sample(lake, day)["prompt"].drop_nulls().to_list()
        embedder.encode([text for text in prompts if text.strip()], "query")


def profiles(lake: Lake, day: date, cached_vectors: CachedVectors) -> pl.DataFrame:
    """PROFILE rows: per identity and metric, sums of projected vectors; their number in bin -1."""
    outputs = sample(lake, day)
    if outputs.is_empty():
        return pl.DataFrame(schema=PROFILE)
    claims, passages = _texts(lake, day, outputs.lazy().select("output_id"))
    questions = outputs.filter(pl.col("prompt").str.strip_chars().str.len_chars() > 0)
    cut = pieces(passages["text"])
    texts = [part.to_list() for part in (questions["prompt"], claims["text"], passages["text"], cut["text"])]
    vectors = np.split(
        cached_vectors(texts[0] + texts[1], texts[2] + texts[3]), np.cumsum([len(t) for t in texts])[:-1]
    )
    of_passages = _passages(vectors[2], vectors[3], cut["passage"].to_numpy())
    parts = [
        _summed("question_distance", questions["output_id"], vectors[0], outputs),
        _summed("answer_distance", claims["output_id"], vectors[1], outputs),
        _summed("passage_distance", passages["output_id"], of_passages, outputs),
    ]
    return pl.concat(parts).with_columns(date=pl.lit(day)).select(PROFILE.names()).cast(PROFILE)


def _texts(lake: Lake, day: date, output_ids: pl.LazyFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`output_id, text` of the outputs' claims, and of the best passages from their own contexts."""
    claims = lake.scan("claims", since=day, until=day).filter(pl.col("kind") == "factual")
    best = (
        lake.scan("evidence", since=day, until=day)
        .filter(pl.col("rank") == 0, pl.col("origin") != "corpus")
        .select("output_id", "passage_id")
        .join(output_ids, on="output_id", how="semi")
        .unique()
    )
    passages = lake.scan("passages", since=day, until=day).select("passage_id", "text")
    return (
        claims.select("output_id", "text").join(output_ids, on="output_id", how="semi").collect(),
        passages.join(best, on="passage_id").select("output_id", "text").collect(),
    )


def _passages(whole: np.ndarray, pieces_of: np.ndarray, passage: np.ndarray) -> np.ndarray:
    """A passage's own vector, else the mean of its pieces', which is what was embedded without a corpus."""
    total = np.zeros(whole.shape)
    np.add.at(total, passage, pieces_of)  # a piece without a vector makes its passage NaN
    norms = np.linalg.norm(total, axis=1, keepdims=True)
    means = np.divide(total, norms, out=np.full(total.shape, np.nan), where=norms > 0)
    return np.asarray(np.where(np.isnan(whole), means, whole))


def _summed(metric: str, output_ids: pl.Series, vectors: np.ndarray, outputs: pl.DataFrame) -> pl.DataFrame:
    sound = ~np.isnan(vectors).any(axis=1) if len(vectors) else np.zeros(0, dtype=bool)
    kept = output_ids.filter(pl.Series(sound, dtype=pl.Boolean))
    projected = vectors[sound] @ _projection(vectors.shape[1]) if sound.any() else np.empty((0, DIMENSIONS))
    columns = {str(number): projected[:, number] for number in range(DIMENSIONS)}
    rows = pl.DataFrame({"output_id": kept, "-1": np.ones(len(kept)), **columns})
    return (
        rows.join(outputs.select("output_id", *IDENTITY), on="output_id")
        .group_by(IDENTITY)
        .agg(pl.exclude("output_id", *IDENTITY).sum())
        .unpivot(index=list(IDENTITY), variable_name="bin", value_name="weight")
        .with_columns(
            pl.col("bin").cast(pl.Int16),
            metric=pl.lit(metric),
            verifier=pl.lit(None, dtype=pl.String),
            policy=pl.lit(None, dtype=pl.String),
        )
    )


@cache
def _projection(dimension: int) -> np.ndarray:
    """(dimension, DIMENSIONS) Gaussian matrix that keeps lengths on average; always the same one."""
    drawn = np.random.default_rng(7).standard_normal((dimension, DIMENSIONS))
    return np.asarray(drawn / np.sqrt(DIMENSIONS))
