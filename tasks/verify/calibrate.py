"""`claimledger calibrate`: a verifier's probabilities fitted to what people decided, and thresholds from it.

Belongs here: gathering labelled pairs, their scores, the order of the fit, and its report. Does not belong
here: the arithmetic (`verify/local_calibration.py`, `verify/risk.py`) and the file
(`calibrated.py`).

1. The pairs are scored by the verifier without any calibration.
2. Every pair is judged by a calibration that never saw its evidence (five folds): the report.
3. Half of the evidence fits the calibration of the file; on the other half thresholds are proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tasks import ids
from tasks.decide.verdicts import judged, rounded
from tasks.errors import InputError
from tasks.tables import PROBABILITIES
from tasks.verify import calibrated, local_calibration, metrics, risk
from tasks.verify.evaluate import figures, labelled
from tasks.verify.labels import CODES
from tasks.verify.load import load
from tasks.verify.local_calibration import Calibration, LocalParameters
from tasks.verify.protocol import Verifier
from tasks.verify.risk import RiskParameters, Threshold
from tasks.verify.score import probabilities, read_pairs

if TYPE_CHECKING:
    from tasks.verify.parameters import ScoringParameters

HALF = 0.5
"""Both thresholds of the verdicts that balanced accuracy is of, before and after."""
WRONG = {"supported": 0, "contradicted": 1}
"""Verdicts that a threshold is proposed for, with their column; any other label is wrong of them."""
REPORTED = {
    "balanced_accuracy": "balanced_accuracy",
    "expected_calibration_error": "calibration_error",
    "balanced_calibration_error": "balanced_calibration_error",
    "calibration_error_by_chance": "calibration_error_by_chance",
    "brier": "brier",
}
"""Figures of `evaluate.figures` that are reported before and after, under the names they get here."""
LARGEST = 20
"""Data sets with a row of their own in the report; the rest share one. It stands in the calibration file."""
NAME_CHARACTERS = 100
"""Of a data set's name there; data sets that differ only beyond are reported as one."""


@dataclass(frozen=True)
class Fitted:
    """What a calibration rests on and what it achieves."""

    calibration: Calibration
    rows: int
    unread: int
    """Of the rows, those that the verifier did not judge: a calibration cannot move them."""
    fitted_rows: int
    """Rows of the half that the calibration was fitted on; thresholds are proposed on the others."""
    figures: pl.DataFrame
    """A row per data set, and `all` where there are several: each figure `_before` and `_after`."""
    thresholds: dict[str, Threshold]

    def about(self) -> dict[str, Any]:
        """JSON-able, without the calibration itself."""
        return {
            "rows": self.rows,
            "rows_fitted": self.fitted_rows,
            "rows_not_read": self.unread,
            "figures": self.figures.to_dicts(),
            "thresholds": {name: found.as_dict() for name, found in self.thresholds.items()},
        }


def calibrate(
    scored: pl.DataFrame,
    parameters: RiskParameters,
    *,
    seed: int = 7,
    local: LocalParameters | None = None,
) -> Fitted:
    """Fits, measures and proposes, from `dataset`, `evidence` (a text or its digest), `label`, probabilities.

    Raises:
        InputError: too few rows, one kind of label, or one evidence for all.
    """
    local = local or LocalParameters()
    _check(scored, local)
    codes = scored["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    before = matrix(scored)
    fold = local_calibration.parts(scored["evidence"], local.folds, seed)
    after = local_calibration.cross_fitted(before, codes, fold, local)
    fits = local_calibration.parts(scored["evidence"], 2, seed) == 0
    calibration = local_calibration.fit(before[fits], codes[fits], local)
    applied = calibration.apply(before)
    thresholds = {}
    for name, column in WRONG.items():
        # A row that says not_supported may be contradicted or not: counted as wrong, it errs to caution.
        if (codes == column).any():
            said, wrong = applied[:, column], codes != column
            thresholds[name] = risk.propose(
                (said[fits], wrong[fits]), (said[~fits], wrong[~fits]), parameters
            )
    return Fitted(
        calibration=calibration,
        rows=scored.height,
        unread=int((~local_calibration.judged(before)).sum()),
        fitted_rows=int(fits.sum()),
        figures=_report(scored, after),
        thresholds=thresholds,
    )


def _check(scored: pl.DataFrame, local: LocalParameters) -> None:
    if scored.height < local.minimum_rows:
        raise InputError(
            f"calibration needs {local.minimum_rows} labelled pairs or more, {scored.height} are there; "
            "review more verdicts (`claimledger review list`) or give more PAIRS"
        )
    supported = int((scored["label"] == "supported").sum())
    if supported in (0, scored.height):
        only = "supported" if supported else "not supported"
        raise InputError(
            f"all {scored.height} pairs are {only}; calibration needs some that are supported and some that "
            "are not"
        )
    if scored["evidence"].n_unique() == 1:
        raise InputError(
            f"all {scored.height} pairs have the same evidence; calibration is fitted on some evidence and "
            "tried on other"
        )
    if not local_calibration.judged(matrix(scored)).any():
        raise InputError(
            f"the verifier read none of the {scored.height} pairs (empty, or longer than it reads); "
            "there is nothing to calibrate"
        )


def matrix(frame: pl.DataFrame) -> np.ndarray:
    """(n, 3) of the probabilities' columns."""
    return frame.select(PROBABILITIES).to_numpy()


def _report(scored: pl.DataFrame, after: np.ndarray) -> pl.DataFrame:
    scored = _with_few_data_sets(scored)
    frames = {"before": scored, "after": scored.with_columns(_columns(after))}
    names = scored["dataset"].unique(maintain_order=True).to_list()
    rows = []
    for name in [*names, *(["all"] if len(names) > 1 else [])]:
        row: dict[str, Any] = {"dataset": name}
        for moment, frame in frames.items():
            row |= _figures(frame if name == "all" else frame.filter(pl.col("dataset") == name), moment)
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def _with_few_data_sets(scored: pl.DataFrame) -> pl.DataFrame:
    scored = scored.with_columns(pl.col("dataset").str.slice(0, NAME_CHARACTERS))
    counts = scored.group_by("dataset", maintain_order=True).len()
    named = counts.sort("len", descending=True, maintain_order=True)["dataset"].head(LARGEST)
    is_named = pl.col("dataset").is_in(named.implode())
    return scored.with_columns(dataset=pl.when(is_named).then("dataset").otherwise(pl.lit("others")))


def _figures(frame: pl.DataFrame, moment: str) -> dict[str, Any]:
    p = matrix(frame)
    said = frame.with_columns(rounded(p)).with_columns(verdict=judged(pl.lit(HALF), pl.lit(HALF)))
    found = figures(said.select("label", "verdict", *PROBABILITIES))
    codes = frame["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    return {
        "rows": frame.height,
        **{f"{to}_{moment}": found[name] for name, to in REPORTED.items()},
        f"log_loss_{moment}": metrics.log_loss(p, codes),
    }


def _columns(values: np.ndarray) -> list[pl.Series]:
    return [pl.Series(name, values[:, i]) for i, name in enumerate(PROBABILITIES)]


# Scores -----------------------------------------------------------------------------------------------------


def uncalibrated(scoring: ScoringParameters) -> Verifier:
    """The configured verifier without the calibration that the configuration may name."""
    chosen = replace(scoring.verifier, calibration="")
    return load(chosen, threads=scoring.threads)


def scores_of(frame: pl.DataFrame, verifier: Verifier) -> pl.DataFrame:
    """What `calibrate` takes, from pairs with `label` and `dataset`; of the evidence only its digest."""
    evidence = pl.col("evidence")
    if isinstance(frame.schema["evidence"], pl.List):
        evidence = evidence.cast(pl.List(pl.String)).list.join("\n", ignore_nulls=True)
    texts = frame.select(evidence.cast(pl.String).fill_null(""))["evidence"]
    return frame.select("dataset", "label").with_columns(
        ids.text_sha256(texts).alias("evidence"), *_columns(probabilities(frame, verifier))
    )


def scores_of_files(
    paths: Sequence[Path],
    verifier: Verifier,
    max_record_bytes: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[pl.DataFrame, int]:
    """(`scores_of` all pairs of the files, lines that are no pairs and were left out).

    Raises:
        InputError: a file cannot be read or has no `label`, or a label is unknown.
    """
    found, refused = [], 0
    for path in paths:
        for chunk in read_pairs(path, max_record_bytes):
            refused += len(chunk.refused)
            found.append(scores_of(labelled(chunk.frame, path), verifier))
            if progress:
                progress(chunk.frame.height)
    if not found:
        raise InputError(f"{', '.join(map(str, paths))[:200]}: no pair in it")
    return pl.concat(found), refused


def calibrate_to_file(
    paths: Sequence[Path],
    output: Path,
    scoring: ScoringParameters,
    parameters: RiskParameters,
    *,
    lake: str,
    seed: int = 7,
    progress: Callable[[int], None] | None = None,
) -> tuple[Fitted, dict[str, Any]]:
    """Fits on the files, or without any on what people decided in the lake; writes the calibration.

    Returns what was found and the same as a JSON-able document.

    Raises:
        InputError: pairs that cannot be read or do not suffice.
        ModelError: the verifier cannot be loaded.
        LakeError: the file cannot be written.
    """
    if paths:
        verifier = uncalibrated(scoring)
        scored, refused = scores_of_files(paths, verifier, scoring.max_record_bytes, progress)
    else:
        from tasks.lake.store import Lake
        from tasks.review import reviews

        opened = Lake.open(lake)
        decided = reviews.labelled(opened)
        if decided.is_empty():
            raise InputError(
                f"{opened.root}: no review gives a label yet; `claimledger review list` shows what waits, or "
                "name files of labelled PAIRS"
            )
        verifier = uncalibrated(scoring)
        scored, refused = scores_of(decided, verifier), 0
    fitted = calibrate(scored, parameters, seed=seed)
    about = {
        **fitted.about(),
        "lines_refused": refused,
        "risk": parameters.risk,
        "confidence": parameters.confidence,
        "seed": seed,
    }
    calibrated.write(output, fitted.calibration, verifier, about)
    usage = getattr(verifier, "usage", None)
    document = {
        "output": str(output),
        "usage": asdict(usage) if usage else None,
        "verifier": verifier.fingerprint,
        **fitted.calibration.as_dict(),
        **about,
    }
    return fitted, document
