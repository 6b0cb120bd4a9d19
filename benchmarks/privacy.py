"""Claim: confidential data is found, what only looks like it is left alone, at the speed of reading.

    python -m benchmarks.privacy [--texts 24000] [--seed 1] [--prose FILE.parquet COLUMN] [--show N]
                                 [--presidio PYTHON]

Makes labelled texts (tests/support/labelled_texts.py), two fifths of them hard negatives, and prints
precision and recall of every kind, false alarms by what they are taken from, and MB/s on one thread for all
detectors with their validators: on the made texts, two fifths of which hold something, and on a column of
ordinary text. With the Python of an environment that has Presidio, the same of it on the same texts, and how
many times as fast (benchmarks/presidio.py).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "1"

import polars as pl

from tasks.privacy import confidential
from tasks.privacy.detectors import DETECTORS
from tests.support.labelled_texts import Labelled, Maker

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=24_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prose", nargs=2, metavar=("FILE", "COLUMN"))
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--presidio", metavar="PYTHON")
    arguments = parser.parse_args()
    made = list(Maker(arguments.seed).texts(arguments.texts))
    responses = pl.Series([one.text for one in made])
    findings = scan(responses)
    print(table(made, findings, arguments.show))
    corpora = {"made texts": responses}
    if arguments.prose:
        file, column = arguments.prose
        corpora[column] = pl.read_parquet(file)[column].drop_nulls()
    for name, texts in corpora.items():
        size, seconds = texts.str.len_bytes().sum() / 1e6, speed(texts)
        print(f"{name}: {size:.1f} MB in {len(texts)} texts, {size / seconds:.1f} MB/s a core")
        if arguments.presidio:
            found, theirs = peer(arguments.presidio, texts)
            print(
                f"  Presidio: {size / theirs:.2f} MB/s a core; ours is {theirs / seconds:.0f} times as fast"
            )
            if texts is responses:
                print(table(made, found, arguments.show))


def peer(python: str, texts: pl.Series) -> tuple[pl.DataFrame, float]:
    """Presidio's findings and its seconds of processor time."""
    with tempfile.TemporaryDirectory() as folder:
        given, back = Path(folder) / "texts.parquet", Path(folder) / "findings.parquet"
        texts.alias("text").to_frame().write_parquet(given)
        script = Path(__file__).with_name("presidio.py")
        done = subprocess.run(
            [python, str(script), str(given), str(back)], check=True, capture_output=True, text=True
        )
        found = pl.read_parquet(back).with_columns(output_id=pl.col("row").cast(pl.String))
        return found, float(done.stdout.splitlines()[-1])


def scan(responses: pl.Series) -> pl.DataFrame:
    outputs = pl.DataFrame({"response": responses}).with_row_index("output_id").cast({"output_id": pl.String})
    outputs = outputs.with_columns(produced_at=pl.lit(NOW))
    return confidential.scan(outputs, tuple(DETECTORS), run_id="r", now=NOW)


def table(made: list[Labelled], findings: pl.DataFrame, show: int) -> str:
    """Recall by group, precision by kind, false alarms by group."""
    hits: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    right: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    examples: list[str] = []
    missed = {(i, label) for i, one in enumerate(made) for label in one.labels}
    for output_id, kind, start, end in findings.select("output_id", "kind", "start", "end").iter_rows():
        one = made[int(output_id)]
        label = (kind, one.text[start:end])
        if label in one.labels:
            hits[one.group] += 1
            right[kind] += 1
            missed.discard((int(output_id), label))
        else:
            wrong[kind] += 1
            alarms[one.group] += 1
            examples.append(f"false {kind} in {one.group}: {one.text[max(0, start - 40) : end + 20]!r}")
    totals = Counter(one.group for one in made)
    examples += [
        f"missed {made[i].group}: {label[1]!r} in {made[i].text[:120]!r}" for i, label in sorted(missed)
    ]
    lines = [f"{g}: recall {hits[g] / totals[g]:.4f} of {totals[g]}" for g in sorted(hits)]
    lines += [
        f"{k}: precision {right[k] / (right[k] + wrong[k]):.4f}, {wrong[k]} wrong"
        for k in sorted(right | wrong)
    ]
    lines += [f"false alarms in {g}: {alarms[g]} of {totals[g]}" for g in sorted(totals)]
    return "\n".join([*lines, *examples[:show]])


def speed(responses: pl.Series) -> float:
    """Seconds of processor time, the best of three."""
    spent = []
    for _ in range(3):
        started = time.process_time()
        scan(responses)
        spent.append(time.process_time() - started)
    return min(spent)


if __name__ == "__main__":
    main()
