"""Recall of gold evidence among the first four passages: dense, BM25, and both fused.

    python -m benchmarks.retrieval [DEVELOPMENT_DATA] [--claims 400] [--pool 3000]

Claims of FEVER's and DialFact's development parts look for their gold Wikipedia sentences in a pool of such
sentences. The pool is smaller and the sentences are shorter than a real corpus's passages, so the figures
compare rankings and say little of absolute recall. DEVELOPMENT_DATA (or CLAIMLEDGER_DEVELOPMENT_DATA) is the
folder with `fever_dev_pairs.parquet` and `dialfact_small.parquet`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import polars as pl

from tasks.evidence import retrieval
from tasks.evidence.lexical import LexicalIndex
from tasks.evidence.models import load_embedder
from tasks.evidence.retrieval import HITS, RetrieveParameters

DEPTHS = (1, 4, 10)


def recall(ranked: pl.DataFrame, gold: pl.DataFrame, depth: int) -> float:
    """Share of gold (claim, sentence) pairs among the first `depth` of each claim."""
    first = ranked.filter(pl.col("position") <= depth)
    return gold.join(first, on=["claim_id", "passage_id"], how="semi").height / gold.height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default=os.environ.get("CLAIMLEDGER_DEVELOPMENT_DATA"))
    parser.add_argument("--claims", type=int, default=400)
    parser.add_argument("--pool", type=int, default=3000)
    options = parser.parse_args()
    if not options.data:
        parser.error("name the folder of development data, or set CLAIMLEDGER_DEVELOPMENT_DATA")
    embedder = load_embedder()
    parameters = RetrieveParameters()
    results = {}
    for name in ("fever_dev_pairs", "dialfact_small"):
        rows = (
            pl.read_parquet(Path(options.data) / f"{name}.parquet")
            .filter(pl.col("label") != "insufficient")
            .select("claim", "evidence")
            .explode("evidence")
            .drop_nulls()
        )
        pool = rows["evidence"].unique(maintain_order=True).head(options.pool)
        rows = rows.filter(pl.col("evidence").is_in(pool.implode()))
        claims = (
            rows["claim"]
            .unique(maintain_order=True)
            .sample(min(options.claims, rows["claim"].n_unique()), seed=1)
        )
        gold = rows.filter(pl.col("claim").is_in(claims.implode())).unique()
        gold = gold.rename({"claim": "claim_id", "evidence": "passage_id"})
        started = time.perf_counter()
        similarity = embedder.encode(claims.to_list()) @ embedder.encode(pool.to_list()).T
        seconds = time.perf_counter() - started
        best = np.argsort(-similarity, axis=1, kind="stable")[:, : parameters.candidates]
        dense = pl.DataFrame(
            {
                "claim_id": claims.gather(np.repeat(np.arange(len(claims)), best.shape[1])),
                "passage_id": pool.gather(best.ravel()),
                "score": np.take_along_axis(similarity, best, axis=1).ravel().astype(np.float64),
            },
            schema=HITS,
        )
        found = LexicalIndex.build(pool).search(claims.to_list(), parameters.candidates)
        words = pl.DataFrame(
            {
                "claim_id": claims.gather(found["query"]),
                "passage_id": pool.gather(found["row"]),
                "score": found["score"],
            },
            schema=HITS,
        )
        fused = retrieval.fuse([dense, words], parameters).rename({"retrieval_score": "score"})
        results[name] = {
            "claims": len(claims),
            "pool": len(pool),
            "gold_pairs": gold.height,
            "embedding_s": round(seconds, 1),
            **{
                kind: {
                    f"recall@{depth}": round(recall(retrieval.ranked(hits, 100), gold, depth), 3)
                    for depth in DEPTHS
                }
                for kind, hits in (("dense", dense), ("bm25", words), ("fused", fused))
            },
        }
        print(json.dumps({name: results[name]}))


if __name__ == "__main__":
    main()
