"""Claim: after calibration on a team's own labelled pairs the calibration error is at most 0.06 per file.

    python -m benchmarks.calibration FOLDER [--rows N] [--verifier NAME] [--json FILE]

FOLDER holds the development files (`FILES`), Parquet of claim, evidence, label. Each is scored once. Prints a
Markdown row per file: the expected calibration error of p_supported as shipped; after calibration on the
file, in five folds by evidence (no row by a calibration that saw its evidence); and on the other rows after
calibration on 20, 50, 100 rows and on half of them, none of whose evidence is among the rows judged.

Errors after calibration are means over `SEEDS` divisions. In brackets stands what chance alone shows of a
perfect verifier on as many rows: where that is above the limit, no verifier can be expected to keep it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.verify import metrics
from tasks.verify.calibrate import cross_fitted, fit, matrix, parts, scores_of
from tasks.verify.labels import CODES
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings

FILES = ("wice_dev", "begin_dev", "expertqa_dev", "dialfact_small", "fever_symmetric_dev")
LIMIT = 0.06
SIZES = (20, 50, 100)
SEEDS = 20


def error(probabilities: np.ndarray, codes: np.ndarray) -> float:
    return metrics.expected_calibration_error(probabilities[:, 0], codes == 0)


def accuracy(probabilities: np.ndarray, codes: np.ndarray) -> float:
    return metrics.balanced_accuracy((codes != 0) * 1, (probabilities[:, 0] < 0.5) * 1, 2)


Errors = tuple[float, float]


def judged(probabilities: np.ndarray, codes: np.ndarray) -> Errors:
    """(calibration error, what chance alone would show)."""
    return error(probabilities, codes), metrics.calibration_error_by_chance(probabilities[:, 0], draws=20)


def mean(errors: list[Errors]) -> Errors:
    found, chance = np.mean(errors, axis=0)
    return float(found), float(chance)


def with_few(p: np.ndarray, codes: np.ndarray, evidence: np.ndarray, size: int) -> Errors:
    """On the other rows after calibration on `size` rows."""
    errors = []
    for seed in range(SEEDS):
        chosen = np.random.default_rng(seed).permutation(len(codes))[:size]
        others = ~np.isin(evidence, evidence[chosen])
        fitted = fit(p[chosen], codes[chosen])
        errors.append(judged(fitted.apply(p[others]), codes[others]))
    return mean(errors)


def measured(name: str, scored: pl.DataFrame) -> dict[str, Any]:
    p, codes = matrix(scored), scored["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    evidence = scored["evidence"]
    after = [cross_fitted(p, codes, parts(evidence, 5, seed)) for seed in range(SEEDS)]
    sizes = {str(size): size for size in SIZES if size <= len(codes) // 2} | {"half": len(codes) // 2}
    return {
        "file": name,
        "rows": scored.height,
        "shipped": judged(p, codes),
        "calibrated": mean([judged(each, codes) for each in after]),
        **{f"rows_{n}": with_few(p, codes, evidence.to_numpy(), size) for n, size in sizes.items()},
        "balanced_accuracy_before": accuracy(p, codes),
        "balanced_accuracy_after": float(np.mean([accuracy(each, codes) for each in after])),
    }


def cell(value: object) -> str:
    if isinstance(value, tuple):
        return f"{value[0]:.3f} ({value[1]:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, help="at most so many of each file, drawn by seed")
    parser.add_argument("--verifier", default="default")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    verifier = load(VerifierSettings(model=arguments.verifier))
    found = []
    for name in FILES:
        frame = pl.read_parquet(arguments.folder / f"{name}.parquet")
        if arguments.rows and arguments.rows < frame.height:
            frame = frame.sample(arguments.rows, seed=1)
        pairs = frame.select("claim", "evidence", "label", dataset=pl.lit(name))
        found.append(measured(name, scores_of(pairs, verifier)))
    headings = [name.replace("_", " ") for name in found[0]]
    print(f"verifier {verifier.name} {verifier.fingerprint[:12]}; limit {LIMIT}\n")
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for row in found:
        print(f"| {' | '.join(map(cell, row.values()))} |")
    worst = max(found, key=lambda row: float(row["calibrated"][0]))
    ratio = worst["calibrated"][0] / LIMIT
    print(f"\nworst file after calibration: {ratio:.2f} of the limit ({worst['file']})")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
