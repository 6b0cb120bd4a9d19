"""Claim: confidential data is found, what only looks like it is left alone, at the speed of reading.

    python -m benchmarks.privacy [--texts 24000] [--seed 1] [--prose FILE.parquet COLUMN] [--show N]

Makes labelled texts (tests/support/labelled_texts.py), two fifths of them hard negatives, and prints
precision and recall of every kind, false alarms by what they are taken from, and MB/s on one thread for all
detectors with their validators: on the made texts, two fifths of which hold something, and on a column of
ordinary text.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from datetime import UTC, datetime

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
    arguments = parser.parse_args()
    made = list(Maker(arguments.seed).texts(arguments.texts))
    responses = pl.Series([one.text for one in made])
    findings = scan(responses)
    print(table(made, findings, arguments.show))
    print(f"made texts: {speed(responses)}")
    if arguments.prose:
        file, column = arguments.prose
        print(f"{column}: {speed(pl.read_parquet(file)[column].drop_nulls())}")


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


def speed(responses: pl.Series) -> str:
    size = responses.str.len_bytes().sum() / 1e6
    spent = []
    for _ in range(3):
        started = time.process_time()
        scan(responses)
        spent.append(time.process_time() - started)
    return f"{size:.1f} MB in {len(responses)} texts, {size / min(spent):.1f} MB/s a core"


if __name__ == "__main__":
    main()
