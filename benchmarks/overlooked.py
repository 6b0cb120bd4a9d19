"""Does the hint find answers that the evidence has? Questions with their own evidence and a neighbour's.

    python -m benchmarks.overlooked QA_PAIRS.parquet            # dataset, question, context (list)
    python -m benchmarks.overlooked QA_PAIRS.parquet --record   # writes results/overlooked.json

An answer that says "I do not know" deserves the hint where the evidence is the question's own, which holds
the answer, and not where it is that of the next question of the same data set with other evidence: often the
next paragraph of the same document, which is the hard case. Every second data set by name (`odd`) fixed the
threshold, the lowest with a precision of 0.8; the others judge it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl

from tasks.evidence.models import Embedder, load_embedder
from tasks.evidence.parameters import RetrieveSettings
from tasks.text.sentences import segmenter

RESULT = Path(__file__).parent / "results" / "overlooked.json"
QUESTIONS = 36
"""Of each data set, drawn with a fixed seed; each is asked of two pieces of evidence."""
BOUND = 25
"""Pieces of a context, and sentences of a piece, that are read."""


def cases(pairs: pl.DataFrame) -> pl.DataFrame:
    """`case, dataset, question, context, has_answer`: two rows for each drawn question."""
    rows = []
    for (name,), group in pairs.group_by("dataset", maintain_order=True):
        own = group.select("question", "context").rows()
        for at in np.random.default_rng(7).permutation(len(own))[:QUESTIONS]:
            question, context = own[at]
            after = (own[(at + step) % len(own)][1] for step in range(1, len(own)))
            other = next(each for each in after if each != context)
            rows += [(name, question, context, True), (name, question, other, False)]
    schema = ["dataset", "question", "context", "has_answer"]
    return pl.DataFrame(rows, schema=schema, orient="row").with_row_index("case")


def similarities(frame: pl.DataFrame, embedder: Embedder) -> pl.DataFrame:
    """The cases with `similarity`, the cosine of the question and the sentence closest to it."""
    segment = segmenter()
    rows = [
        (case, question, piece[start:end])
        for case, question, context in frame.select("case", "question", "context").iter_rows()
        for piece in context[:BOUND]
        for start, end in segment(piece, "en")[:BOUND]
    ]
    sentences = pl.DataFrame(rows, schema=["case", "question", "sentence"], orient="row")
    asked = embedder.encode(sentences["question"].to_list(), "query")
    told = embedder.encode(sentences["sentence"].to_list())
    cosine = pl.Series(np.einsum("ij,ij->i", asked, told), dtype=pl.Float64)
    best = sentences.with_columns(similarity=cosine).group_by(pl.col("case").cast(pl.UInt32))
    return frame.join(best.agg(pl.col("similarity").max()), on="case", maintain_order="left")


def figures(frame: pl.DataFrame, least: float) -> dict[str, float]:
    """Precision and recall of the hint."""
    hinted = frame.filter(pl.col("similarity") >= least)
    return {
        "precision": round(hinted["has_answer"].sum() / max(hinted.height, 1), 3),
        "recall": round(hinted["has_answer"].sum() / frame["has_answer"].sum(), 3),
    }


def lowest(frame: pl.DataFrame, precision: float = 0.8) -> float:
    """The lowest threshold, in hundredths, with at least that precision; 1 where there is none."""
    steps = [step / 100 for step in range(101)]
    return next((least for least in steps if figures(frame, least)["precision"] >= precision), 1.0)


def report(frame: pl.DataFrame) -> dict[str, object]:
    """Figures at the default, by data set and by half, and what either half would have chosen."""
    names = frame["dataset"].unique().sort().to_list()
    least = RetrieveSettings().overlooked_similarity
    halves = {
        name: frame.filter(pl.col("dataset").is_in(names[at::2])) for at, name in enumerate(("even", "odd"))
    }
    return {
        "least_similarity": least,
        "all": figures(frame, least),
        **{f"half_{name}": figures(half, least) for name, half in halves.items()},
        "chosen_by": {name: lowest(half) for name, half in halves.items()},
        "by_dataset": {name: figures(frame.filter(pl.col("dataset") == name), least) for name in names},
    }


def main() -> None:
    frame = similarities(cases(pl.read_parquet(sys.argv[1])), load_embedder())
    text = json.dumps(report(frame), indent=1)
    print(text)
    if "--record" in sys.argv:
        RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
