"""Claim: text of others is found among a million contexts in time linear in them, and nothing else is.

    python -m benchmarks.leaks [--contexts 1000000] [--answers 10000] [--leaks 500] [--sample FOLDER]

Contexts are sentences of random words (one each, some 60 words); answers are such sentences too, and some of
them quote a context of another session: half word for word, half with every tenth word changed. Prints
seconds of processor time (making the texts apart), MB/s, recall of both, false alarms, and the peak of
memory. With a folder of exports of the bundled sample, the false alarms among its real answers, with its
corpus and without.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from tasks.privacy import leaks
from tasks.privacy.parameters import LeakSettings

NOW = datetime(2026, 11, 1, tzinfo=UTC)
WORDS, WORDS_OF_A_CONTEXT, SLICE = 30_000, 60, 20_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contexts", type=int, default=1_000_000)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--leaks", type=int, default=500)
    parser.add_argument("--sample", type=Path)
    arguments = parser.parse_args()
    made(arguments.contexts, arguments.answers, arguments.leaks)
    if arguments.sample:
        sample(arguments.sample)


def sentences(source: np.random.Generator, count: int) -> np.ndarray:
    """Places of words (count, words of a context): the more frequent a word, the lower its place."""
    places: np.ndarray = (source.pareto(0.8, (count, WORDS_OF_A_CONTEXT)) * 10).astype(np.int64) % WORDS
    return places


def texts(places: np.ndarray, words: np.ndarray) -> pl.Series:
    return pl.Series([" ".join(row) for row in words[places]])


def made(contexts: int, answers: int, leaking: int) -> None:
    source = np.random.default_rng(1)
    words = np.array(["".join(chr(97 + (n // 26**k) % 26) for k in range(4)) for n in range(WORDS)])
    quoted = sentences(source, leaking)
    said = sentences(source, answers)
    near = quoted.copy()
    near[leaking // 2 :, ::10] = source.integers(0, WORDS, near[leaking // 2 :, ::10].shape)
    said[:leaking, 20:50] = near[:, 20:50]
    outputs = pl.DataFrame(
        {"output_id": [str(n) for n in range(answers)], "response": texts(said, words)}
    ).with_columns(
        produced_at=pl.lit(NOW), owner=pl.lit("s") + pl.col("output_id"), own=pl.lit(None, pl.String)
    )
    size, spent = 0.0, 0.0

    def stream() -> Iterator[pl.DataFrame]:
        nonlocal size, spent
        for first in range(0, contexts, SLICE):
            started = time.process_time()
            places = sentences(source, min(SLICE, contexts - first))
            if not first:
                places[:leaking] = quoted
            text = texts(places, words)
            size += text.str.len_bytes().sum() / 1e6
            ids = pl.int_range(first, first + text.len(), eager=True).cast(pl.String)
            frame = pl.DataFrame({"origin": ids, "text": text}).select(
                owner=pl.lit("c") + pl.col("origin"),
                place=pl.lit("session"),
                origin="origin",
                document=pl.lit(None, pl.String),
                text="text",
            )
            spent += time.process_time() - started
            yield frame

    started = time.process_time()
    found = leaks.scan(outputs, stream(), LeakSettings(), run_id="r", now=NOW)
    seconds = time.process_time() - started - spent
    hits = found.select(pl.col("output_id").cast(pl.Int64).unique())["output_id"]
    exact, changed = (hits < leaking // 2).sum(), ((hits >= leaking // 2) & (hits < leaking)).sum()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{contexts:,} contexts, {size:.0f} MB, {answers:,} answers: {seconds:.1f} s of processor time, "
        f"{size / seconds:.1f} MB/s, {peak:.2f} GB; found {exact} of {leaking // 2} word for word, "
        f"{changed} of {leaking - leaking // 2} changed, {(hits >= leaking).sum()} false alarms"
    )


def sample(folder: Path) -> None:
    files = sorted((folder / "outputs").glob("*.gz"))
    lines = [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
    outputs = pl.DataFrame(
        {
            "output_id": [line["trace"]["id"] for line in lines],
            "response": [line["output"]["text"] for line in lines],
            "prompt": [line["input"]["question"] for line in lines],
            "contexts": [[one["content"] for one in line["retrieval"]["documents"]] for line in lines],
            "uris": [[one["source"] for one in line["retrieval"]["documents"]] for line in lines],
        }
    ).unique("output_id", maintain_order=True)
    outputs = outputs.with_columns(owner="output_id", own=pl.lit(None, pl.String), produced_at=pl.lit(NOW))
    common = {"owner": "owner", "place": pl.lit("session"), "origin": "output_id"}
    contexts = outputs.explode("contexts", "uris").select(**common, document="uris", text="contexts")
    questions = outputs.select(**common, document=pl.lit(None, pl.String), text="prompt")
    corpus = pl.DataFrame(
        [
            (None, leaks.PUBLIC, file.name, None, file.read_text("utf-8"))
            for file in sorted((folder / "corpus").rglob("*"))
            if file.is_file()
        ],
        schema=leaks.TEXTS,
        orient="row",
    )
    for name, given in {
        "with its corpus": [contexts, questions, corpus],
        "without": [contexts, questions],
    }.items():
        held = [frame.drop_nulls("text") for frame in given]
        found = leaks.scan(outputs, held, LeakSettings(), run_id="r", now=NOW)
        print(f"sample, {name}: {found['output_id'].n_unique()} of {outputs.height} answers")


if __name__ == "__main__":
    main()
