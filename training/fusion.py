"""Fits what combines network and words (`verify/crossencoder.py`) on rows that the network never saw."""

from __future__ import annotations

import numpy as np
import polars as pl

from tasks.errors import InputError
from tasks.ids import digest_rows
from tasks.text import words
from tasks.verify.crossencoder import Fusion
from tasks.verify.labels import CODES
from tasks.verify.selection import SelectionParameters
from tasks.verify.softmax import cooled, support_odds
from training.regression import SoftmaxParameters, fit, fit_temperature

PENALTY = SoftmaxParameters(l2=0.03)
"""More penalty than for rules alone, since network and words say much the same; chosen leave-source-out."""
VARIANT = r" \([^()]*\)$"
"""What follows the name of a data set where it is a variant of another, held out together with it."""


def fit_fusion(
    frame: pl.DataFrame,
    values: np.ndarray,
    fusion_weights: tuple[dict[str, float], float],
    parameters: SelectionParameters,
) -> tuple[Fusion, np.ndarray]:
    """(fusion, (n, 3) probabilities of each row by a fusion that never saw its data set).

    Args:
        frame: `label` and `dataset` of n rows that the network did not learn from.
        values: (n, len(INPUTS)) of `crossencoder.compute`.
        fusion_weights: inverse document frequencies and that of unknown stems.
        parameters: how sentences were selected.

    Raises:
        InputError: only one kind of label.
    """
    if frame["label"].eq("supported").sum() in (0, frame.height):
        raise InputError("a fusion needs supported rows and others; only one kind is there")
    codes = frame["label"].replace_strict(CODES, return_dtype=pl.Int64).to_numpy()
    rows = evened(balanced_weights(frame), frame["label"])
    held_out = _held_out_logits(values, codes, rows, frame["dataset"].str.replace(VARIANT, "").to_numpy())
    # Of support against all the rest: a third class of no weight keeps the shape that labels have.
    odds = np.column_stack([support_odds(held_out), np.zeros(len(codes)), np.full(len(codes), -1e9)])
    temperature = fit_temperature(odds, np.where(codes == 0, 0, CODES["not_supported"]), rows)
    fusion = Fusion(fit(values, codes, rows, PENALTY), temperature, *fusion_weights, parameters)
    return fusion, cooled(held_out, temperature)


def _held_out_logits(
    values: np.ndarray, codes: np.ndarray, rows: np.ndarray, dataset: np.ndarray
) -> np.ndarray:
    """(n, 3) logits of every row by a fusion that saw nothing of its data set; five folds where only one."""
    groups = dataset if len(np.unique(dataset)) > 1 else np.arange(len(dataset)) % 5
    logits = np.zeros((len(codes), 3))
    for group in np.unique(groups):
        held = groups == group
        model = fit(values[~held], codes[~held], rows[~held], PENALTY)
        logits[held] = model.logits(values[held])
    return logits


def balanced_weights(frame: pl.DataFrame) -> np.ndarray:
    """(n,) row weights: every data set weighs one, half of it its supported rows, half the others; within
    these by the column `weight`, where there is one."""
    weight = pl.col("weight") if "weight" in frame.columns else pl.lit(1.0)
    return (
        frame.with_columns(supported=pl.col("label") == "supported", weight=weight)
        .select(pl.col("weight") / pl.col("weight").sum().over("dataset", "supported"))
        .to_series()
        .to_numpy()
    )


def evened(weights: np.ndarray, labels: pl.Series) -> np.ndarray:
    """(n,) the same weights, but contradicted and insufficient rows weigh the same in all.

    More sources tell of contradictions than of silence; left so, silence is called a contradiction.
    """
    kinds = [labels.eq(kind).to_numpy() for kind in ("contradicted", "insufficient")]
    totals = [weights[rows].sum() for rows in kinds]
    if not all(totals):
        return weights
    result = weights.copy()
    for rows, total in zip(kinds, totals, strict=True):
        result[rows] *= sum(totals) / 2 / total
    return result


def chosen_rows(frame: pl.DataFrame, count: int) -> pl.DataFrame:
    """At most `count` rows of each data set, the same ones in every run and for every order of rows."""
    key = digest_rows("fit", [frame["claim"], frame["evidence"], frame["label"]])
    return (
        frame.with_columns(key=key)
        .sort("key", maintain_order=True)
        .filter(pl.int_range(pl.len()).over("dataset") < count)
        .drop("key")
    )


def vocabulary(frame: pl.DataFrame, count: int) -> tuple[dict[str, float], float]:
    """Inverse document frequency by stem over the evidence and claims, and that of an unknown stem."""
    texts = pl.concat([frame["evidence"].unique(), frame["claim"].rename("evidence").unique()])
    stems = words.content_stems(texts).select("row", "term").unique(maintain_order=True)
    common = (
        stems.group_by("term")
        .agg(pl.len().alias("count"))
        .sort(["count", "term"], descending=[True, False])
        .head(count)
    )
    weight = (np.log((len(texts) + 1) / (common["count"].to_numpy() + 1))).round(2)
    unknown = float(np.round(np.log(len(texts) + 1), 2))
    return dict(zip(common["term"].to_list(), weight.tolist(), strict=True)), unknown
