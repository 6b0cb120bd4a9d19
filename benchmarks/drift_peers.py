"""The default drift tests of two well-known tools, re-implemented from their documentation.

They are what a team gets that points the tools at the same columns (`verdict` and `p_supported`), slice by
slice, night by night. Not the tools themselves: those need some hundred further packages.

* Evidently (documentation of `DataDriftPreset`, "How it works: data drift"): reference of at most 1000 rows:
  Kolmogorov-Smirnov for numbers, chi-square for categories (z test for two), drift where p < 0.05; more rows:
  Wasserstein distance normed by the reference's standard deviation, and Jensen-Shannon distance, drift where
  >= 0.1. Here a slice alarms where either column drifts.
* NannyML (documentation of `UnivariateDriftCalculator`): Jensen-Shannon distance of each chunk from the
  reference, alarm outside the reference chunks' mean plus or minus 3 standard deviations. A chunk is a night.

Scores come in 20 bins, as the cells keep them, so their tests are those of rounded scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats
from scipy.spatial.distance import jensenshannon

from tasks.drift import slices
from tasks.drift.cells import SCORE_BINS, SUMS, Cells

VERDICTS = ("supported_share", "contradicted_share", "insufficient_share")
WINDOW = 2


@dataclass(frozen=True)
class Counts:
    """(slices, days, 3) counts of verdicts and (slices, days, bins) of scores, the newest day last."""

    verdicts: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, cells: Cells, slice_names: list[str]) -> Counts:
        first = cells.sums["date"].min()
        days = (cells.sums["date"].max() - first).days + 1  # type: ignore[operator]
        scores = cells.profiles.filter(metric="score_distance").with_columns(
            metric=pl.col("bin").cast(pl.String), y=pl.col("weight"), **dict.fromkeys(SUMS[1:], pl.lit(0.0))
        )
        columns = ("agent", "model", "use_case", "source")
        out = []
        for rows, names in (
            (cells.sums.filter(pl.col("metric").is_in(VERDICTS)), VERDICTS),
            (scores, [str(number) for number in range(SCORE_BINS)]),
        ):
            sums = slices.summed(rows, columns).filter(pl.col("slice").is_in(slice_names))
            array = np.zeros((len(slice_names), days, len(names)))
            places = [
                sums["slice"]
                .replace_strict(slice_names, range(len(slice_names)), return_dtype=pl.Int64)
                .to_numpy(),
                (sums["date"] - first).dt.total_days().to_numpy(),
                sums["metric"].replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy(),
            ]
            array[tuple(places)] = sums["y"].to_numpy()
            out.append(array)
        return cls(*out)


def evidently(counts: Counts, reference: slice) -> int:
    """Slices in which a column drifts between the reference days and the newest two."""
    alarms = 0
    for verdicts, scores in zip(counts.verdicts, counts.scores, strict=True):
        before, after = verdicts[reference].sum(0), verdicts[-WINDOW:].sum(0)
        binned, now = scores[reference].sum(0), scores[-WINDOW:].sum(0)
        if before.sum() == 0 or after.sum() == 0:
            continue
        if before.sum() <= 1000:
            used = (before + after) > 0
            categories = stats.chi2_contingency([before[used], after[used]], correction=False).pvalue < 0.05
            gap = np.abs(np.cumsum(binned) / binned.sum() - np.cumsum(now) / now.sum()).max()
            size = binned.sum() * now.sum() / (binned.sum() + now.sum())
            numbers = stats.kstwobign.sf(gap * np.sqrt(size)) < 0.05
        else:
            categories = jensenshannon(before, after, base=2) >= 0.1
            middles = (np.arange(SCORE_BINS) + 0.5) / SCORE_BINS
            mean = np.average(middles, weights=binned)
            deviation = np.sqrt(np.average((middles - mean) ** 2, weights=binned))
            numbers = stats.wasserstein_distance(middles, middles, binned, now) / deviation >= 0.1
        alarms += bool(categories or numbers)
    return alarms


def nannyml(counts: Counts) -> int:
    """Slices in which the newest night lies outside what the reference nights span."""
    alarms = 0
    for columns in zip(counts.verdicts, counts.scores, strict=True):
        for column in columns:
            reference = column[:-WINDOW]
            whole = reference.sum(0)
            chunks = reference[reference.sum(1) > 0]
            if len(chunks) < 2 or column[-1].sum() == 0:
                continue
            usual = np.array([jensenshannon(whole, chunk, base=2) for chunk in chunks])
            distance = jensenshannon(whole, column[-1], base=2)
            if abs(distance - usual.mean()) > 3 * usual.std():
                alarms += 1
                break
    return alarms


PEERS: dict[str, Callable[[Counts], int]] = {
    "Evidently's tests, reference 28 nights": lambda c: evidently(c, slice(0, -WINDOW)),
    "Evidently's tests, reference 2 nights before": lambda c: evidently(c, slice(-2 * WINDOW, -WINDOW)),
    "NannyML's test, reference 28 nights": nannyml,
}
