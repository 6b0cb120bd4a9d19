"""Fits a calibration to labelled pairs, says what it achieves, and proposes thresholds.

1. The pairs are scored by the verifier without any calibration (`scores_of`).
2. Every pair is judged by a calibration that never saw its evidence (five folds): the report.
3. Half of the evidence fits the calibration of the file; on the other half thresholds are proposed.
4. Under those thresholds, precision and recall by slice (`weighted.py`), of the judgements of (2).

Pairs that stand for unequal numbers of others weigh accordingly in all of it.

How a calibration is applied and kept: `calibration.py`; what a threshold guarantees: `risk.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit

from tasks import ids
from tasks.decide.verdicts import judged, rounded
from tasks.errors import InputError
from tasks.tables import PROBABILITIES
from tasks.verify import metrics, risk, scoring, weighted
from tasks.verify.calibration import (
    BIAS_LIMIT,
    TEMPERATURE_RANGE,
    Calibration,
    contradicted_share,
    is_read,
    support_logit,
)
from tasks.verify.labels import CODES
from tasks.verify.protocol import Verifier
from tasks.verify.risk import RiskParameters, Rows, Threshold

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
"""Figures of `metrics.figures` that are reported before and after, under the names they get here."""
LARGEST = 20
"""Data sets with a row of their own in the report; the rest share one. It is kept in the calibration file."""
NAME_CHARACTERS = 100
"""Of a data set's name there; data sets that differ only beyond are reported as one."""


@dataclass(frozen=True)
class LocalParameters:
    """How a calibration is fitted."""

    minimum_rows: int = 20
    """Fewer labelled pairs say too little even of one bias."""
    minimum_rest: int = 10
    """Rows labelled contradicted, and as many labelled insufficient, before these are told apart anew: a
    handful of reviews without a contradiction do not mean that there is none."""
    temperature_scale: float = 0.5
    """Standard deviation of log T around 0 that is believed before any row is seen. Chosen with the next
    among 0.25 to 5 on five development files: the least mean Brier score after 20 and after 50 rows."""
    bias_scale: float = 1.0
    """Likewise of a bias, in logits."""
    folds: int = 5


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
    accuracy: pl.DataFrame
    """Precision and recall by slice (`weighted.ACCURACY`) under `used`."""
    used: dict[str, float]
    """Thresholds of both verdicts that `accuracy` is of: the proposed ones, else the policy's."""
    effective_rows: float
    """Pairs of equal weight that vary as much as these."""

    @property
    def is_weighted(self) -> bool:
        """Whether the pairs stand for unequal numbers of others."""
        return self.effective_rows < self.rows * (1 - 1e-9)

    def about(self) -> dict[str, Any]:
        """JSON-able, without the calibration itself."""
        return {
            "rows": self.rows,
            "rows_fitted": self.fitted_rows,
            "rows_not_read": self.unread,
            "effective_rows": round(self.effective_rows, 1),
            "figures": self.figures.to_dicts(),
            "thresholds": {name: threshold.as_dict() for name, threshold in self.thresholds.items()},
            "accuracy": self.accuracy.to_dicts(),
            "accuracy_thresholds": self.used,
        }


def calibrate(
    scored: pl.DataFrame,
    parameters: RiskParameters,
    *,
    seed: int = 7,
    local: LocalParameters | None = None,
    thresholds: dict[str, float] | None = None,
) -> Fitted:
    """Fits, measures and proposes, from `scores_of`: `evidence` is a text or its digest.

    Args:
        thresholds: of the policy, by verdict, for a verdict of which none is proposed.

    Raises:
        InputError: too few rows, one kind of label, or one evidence for all.
    """
    local = local or LocalParameters()
    _check(scored, local)
    if "weight" not in scored.columns:
        scored = scored.with_columns(weight=1.0)
    scored = scored.with_columns(weight=weighted.evened(pl.col("weight")))
    codes = scored["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    weights = scored["weight"].to_numpy()
    before = matrix(scored)
    fold = parts(scored["evidence"], local.folds, seed)
    after = cross_fitted(before, codes, fold, local, weights)
    fits = parts(scored["evidence"], 2, seed) == 0
    calibration = fit(before[fits], codes[fits], local, weights[fits])
    proposed = _proposed(calibration.apply(before), codes, weights, fits, parameters)
    used = dict.fromkeys(WRONG, HALF) | (thresholds or {})
    used |= {name: each.threshold for name, each in proposed.items() if each.threshold is not None}
    return Fitted(
        calibration=calibration,
        rows=scored.height,
        unread=int((~is_read(before)).sum()),
        fitted_rows=int(fits.sum()),
        figures=_report(scored, after),
        thresholds=proposed,
        accuracy=weighted.accuracy(_judged(scored, after, used)),
        used=used,
        effective_rows=weighted.effective(weights),
    )


def _proposed(
    applied: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    fits: np.ndarray,
    parameters: RiskParameters,
) -> dict[str, Threshold]:
    """By verdict; the rows that fitted the calibration say where to begin, the others decide."""
    thresholds = {}
    for name, column in WRONG.items():
        # A row that says not_supported may be contradicted or not: counted as wrong, it errs to caution.
        if (codes == column).any():
            learned, tested = (
                Rows(applied[which, column], codes[which] != column, weights[which])
                for which in (fits, ~fits)
            )
            thresholds[name] = risk.propose(learned, tested, parameters)
    return thresholds


def _judged(frame: pl.DataFrame, probabilities: np.ndarray, by: dict[str, float]) -> pl.DataFrame:
    limits = (pl.lit(by[name]) for name in ("supported", "contradicted"))
    return frame.with_columns(rounded(probabilities)).with_columns(verdict=judged(*limits))


def _check(scored: pl.DataFrame, local: LocalParameters) -> None:
    if scored.height < local.minimum_rows:
        raise InputError(
            f"calibration needs {local.minimum_rows} labelled pairs or more, and there are {scored.height}; "
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
    if not is_read(matrix(scored)).any():
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
    verdicts = _judged(frame, p, dict.fromkeys(WRONG, HALF))
    measured = metrics.figures(verdicts.select("label", "verdict", "weight", *PROBABILITIES))
    codes = frame["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    return {
        "rows": frame.height,
        **{f"{to}_{moment}": measured[name] for name, to in REPORTED.items()},
        f"log_loss_{moment}": metrics.log_loss(p, codes, weights=frame["weight"].to_numpy()),
    }


def _columns(values: np.ndarray) -> list[pl.Series]:
    return [pl.Series(name, values[:, i]) for i, name in enumerate(PROBABILITIES)]


def scores_of(frame: pl.DataFrame, verifier: Verifier) -> pl.DataFrame:
    """What `calibrate` takes, from labelled pairs; of the evidence only its digest.

    Columns: `dataset`, `label`, `weight`, `weighted.SLICES` (null where the pairs have none), `evidence`,
    probabilities.
    """
    evidence = pl.col("evidence")
    if isinstance(frame.schema["evidence"], pl.List):
        evidence = evidence.cast(pl.List(pl.String)).list.join("\n", ignore_nulls=True)
    texts = frame.select(evidence.cast(pl.String).fill_null(""))["evidence"]
    slices = (
        pl.col(name) if name in frame.columns else pl.lit(None, pl.String).alias(name)
        for name in weighted.SLICES
    )
    weight = pl.col("weight") if "weight" in frame.columns else pl.lit(1.0).alias("weight")
    return frame.select("dataset", "label", weight, *slices).with_columns(
        ids.text_sha256(texts).alias("evidence"), *_columns(scoring.probabilities(frame, verifier))
    )


def fit(
    probabilities: np.ndarray,
    codes: np.ndarray,
    parameters: LocalParameters | None = None,
    weights: np.ndarray | None = None,
) -> Calibration:
    """Temperatures and biases of least log loss on these rows, held towards T = 1 and no bias.

    Bias-corrected temperature scaling (Alexandari, Kundaje, Shrikumar, ICML 2020; temperature alone: Guo et
    al., ICML 2017; of two classes it is Platt's scaling, 1999) of each question of `Calibration` by itself.
    A label has no part in what a row weighs: the biases are there to learn how common each label is where
    these rows come from. The penalty is that of normal priors (`LocalParameters`): it rules where there are
    20 rows and is lost among a thousand. Unequal weights add up to the rows that they are worth
    (`weighted.effective`), so that few heavy rows are not believed like many.

    Args:
        probabilities: (n, 3) uncalibrated.
        codes: (n,) of `labels.CODES`; `not_supported` counts for the first question alone.
        parameters: the priors and least numbers of rows.
        weights: (n,) how many others each row stands for; equal without.
    """
    parameters = parameters or LocalParameters()
    weights = np.ones(len(codes)) if weights is None else weights
    rows = np.asarray(probabilities, np.float64).reshape(-1, 3)
    read = is_read(rows)
    rows, codes, weights = rows[read], codes[read], weights[read]
    first = _fit(support_logit(rows[:, 0]), codes == 0, weights, parameters)
    share = contradicted_share(rows)
    labelled = ((codes == 1) | (codes == 2)) & (share > 0) & (share < 1)
    counts = np.bincount(codes[labelled], minlength=3)[1:3]
    second = (1.0, 0.0)
    if (counts >= parameters.minimum_rest).all():
        second = _fit(logit(share[labelled]), codes[labelled] == 1, weights[labelled], parameters)
    return Calibration(*first, *second)


def _fit(
    logits: np.ndarray, hit: np.ndarray, weights: np.ndarray, parameters: LocalParameters
) -> tuple[float, float]:
    """(temperature, bias) of σ(logits / T + b)."""
    worth = weights * weighted.effective(weights) / weights.sum() if len(weights) else weights
    scale = np.array([parameters.temperature_scale, parameters.bias_scale])
    sign = np.where(hit, 1.0, -1.0)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = logits * np.exp(-values[0])
        margin = sign * (scaled + values[1])
        slope = -sign * expit(-margin) * worth
        distance = values / scale
        value = -(worth * log_expit(margin)).sum() + 0.5 * (distance**2).sum()
        gradient = np.array([-(slope * scaled).sum(), slope.sum()]) + distance / scale
        return float(value), gradient

    low, high = np.log(TEMPERATURE_RANGE)
    bounds = [(low, high), (-BIAS_LIMIT, BIAS_LIMIT)]
    best = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds).x
    # exp(log(x)) may miss the end of the range by a rounding.
    return float(np.clip(np.exp(best[0]), *TEMPERATURE_RANGE)), float(best[1])


def parts(evidence: pl.Series, count: int, seed: int) -> np.ndarray:
    """(n,) part 0 to `count` − 1 of every row: equal evidence in one part, as many texts in each.

    Evidence is ordered by a digest of `seed` and its text, so the division depends neither on the order of
    rows nor on a library's random numbers.
    """
    distinct = evidence.unique(maintain_order=True).rename("evidence")
    drawn = distinct.to_frame().with_columns(
        digest=ids.digest_rows(f"part of {count} by seed {seed}", [distinct])
    )
    drawn = drawn.sort("digest").with_columns(part=pl.int_range(pl.len()) % count)
    rows = evidence.rename("evidence").to_frame()
    joined = rows.join(drawn, on="evidence", how="left", maintain_order="left", nulls_equal=True)
    return joined["part"].to_numpy()


def cross_fitted(
    probabilities: np.ndarray,
    codes: np.ndarray,
    fold: np.ndarray,
    parameters: LocalParameters | None = None,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """(n, 3) calibrated probabilities, each row's by a fit on the rows of all other folds."""
    result = np.array(probabilities, np.float64)
    weights = np.ones(len(codes)) if weights is None else weights
    for each in np.unique(fold):
        held = fold == each
        fitted = fit(probabilities[~held], codes[~held], parameters, weights[~held])
        result[held] = fitted.apply(probabilities[held])
    return result
