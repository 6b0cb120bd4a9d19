"""What adding 1% of documents to a corpus costs, as a ratio of indexing it the first time.

    python -m benchmarks.index [DEVELOPMENT_DATA] [--documents 200]

Documents are made of evidence texts of `wice_dev.parquet` in DEVELOPMENT_DATA (or
CLAIMLEDGER_DEVELOPMENT_DATA). Three runs into one fresh lake: all documents, 1% more, nothing new. Prints
seconds, texts embedded and their ratios; loading the model is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from tasks.evidence.embeddings import CachedEmbedder
from tasks.evidence.models import load_embedder
from tasks.evidence.parameters import CorpusSettings
from tasks.evidence.refresh import publish
from tasks.lake.store import Lake
from tasks.settings import Settings
from tasks.text.sentences import segmenter


class Bench:
    """Settings, lake, model and splitter, loaded before the clock starts."""

    def __init__(self, root: Path) -> None:
        self.settings = Settings(lake=str(root / "lake"), corpus=CorpusSettings(path=str(root / "docs")))
        self.lake = Lake.open(self.settings.lake)
        self.embedder = CachedEmbedder(load_embedder(), self.lake.root)
        self.segment = segmenter()


def write(folder: Path, texts: list[str], first: int) -> None:
    """One file a document, old enough for its time to be trusted."""
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts, start=first):
        path = folder / f"{number:06d}.txt"
        path.write_text(text, "utf-8")
        os.utime(path, (1_700_000_000, 1_700_000_000))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default=os.environ.get("CLAIMLEDGER_DEVELOPMENT_DATA"))
    parser.add_argument("--documents", type=int, default=200)
    options = parser.parse_args()
    if not options.data:
        parser.error("name the folder of development data, or set CLAIMLEDGER_DEVELOPMENT_DATA")
    texts = (
        pl.read_parquet(Path(options.data) / "wice_dev.parquet")["evidence"]
        .list.join("\n")
        .unique(maintain_order=True)
        .str.slice(0, 4000)
        .to_list()
    )
    more = max(1, options.documents // 100)
    texts = texts[: options.documents + more]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        bench = Bench(root)
        bench.embedder._embedder.encode(["loads the model"])
        results: dict[str, dict[str, float]] = {}
        for name, chunk, first in (
            ("first", texts[:-more], 0),
            ("one_percent_more", texts[-more:], len(texts) - more),
            ("nothing_new", [], 0),
        ):
            write(root / "docs", chunk, first)
            computed, started = bench.embedder.computed, time.perf_counter()
            index, _ = publish(
                bench.settings.corpus,
                bench.settings.limits,
                bench.lake,
                bench.embedder,
                bench.segment,
                check=lambda passages: passages,
                run_id="0" * 64,
                now=datetime.now(UTC),
            )
            assert index is not None
            results[name] = {
                "documents": index.summary["documents"],
                "passages": index.size,
                "embedded": bench.embedder.computed - computed,
                "seconds": round(time.perf_counter() - started, 2),
            }
    whole = results["first"]
    for name in ("one_percent_more", "nothing_new"):
        for quantity in ("embedded", "seconds"):
            results[name][f"{quantity}_ratio"] = round(results[name][quantity] / whole[quantity], 4)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
