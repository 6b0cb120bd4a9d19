"""Claim: a faster kernel costs at most half a point of balanced accuracy.

    python -m benchmarks.kernels PAIRS.parquet… [--rows 350] [--verifier NAME]

Scores the same rows of each data set with float32, bfloat16 and int8 and prints, per kernel, the mean
balanced accuracy of supported against the rest at 0.5 and the data set that loses most against float32, the
share of changed verdicts, the largest difference of a probability and CPU seconds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import get_args

import numpy as np

from tasks.models.kernels import Kernel
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings
from training.artefact import by_dataset
from training.fusion import chosen_rows
from training.pairs import read_pairs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", nargs="+", type=Path)
    parser.add_argument("--rows", type=int, default=350, help="of each data set")
    parser.add_argument("--verifier", default="default")
    arguments = parser.parse_args()
    frame = chosen_rows(read_pairs(arguments.pairs), arguments.rows)
    first: np.ndarray | None = None
    exact: dict[str, float] = {}
    for kernel in get_args(Kernel):
        verifier = load(VerifierSettings(model=arguments.verifier, dtype=kernel), threads=1)
        started = time.process_time()
        scores = verifier.score(frame["claim"].to_list(), frame["evidence"].to_list()).probabilities
        spent = time.process_time() - started
        by_name = {name: each["balanced_accuracy"] for name, each in by_dataset(frame, scores).items()}
        exact = exact or by_name
        worst = min(by_name, key=lambda name, got=by_name: got[name] - exact[name])
        first = scores if first is None else first
        changed = np.mean((scores[:, 0] >= 0.5) != (first[:, 0] >= 0.5))
        print(
            f"{kernel:9s} balanced accuracy {np.mean(list(by_name.values())):.4f}, "
            f"{worst} {by_name[worst] - exact[worst]:+.4f}  verdicts changed {changed:.4f}  "
            f"largest difference {np.abs(scores - first).max():.4f}  {spent:.1f} CPU s, {frame.height} pairs"
        )


if __name__ == "__main__":
    main()
