"""Calibration of a verifier to one team's own labelled pairs: a temperature and a bias, fitted and applied.

Belongs here: the parameters, their fit, and how rows are divided so that no row is judged by a calibration
that saw its evidence. Does not belong here: what calibrates the network when it is packed (`calibration.py`),
thresholds (`risk.py`), files (`tasks/verify/calibrated.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeGuard

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit

from tasks import ids
from tasks.verify.calibration import TEMPERATURE_RANGE

FLOOR = 1e-6
"""Support closer to 0 or 1 counts as this close, the precision of the tables: nothing moves a certainty."""
BIAS_LIMIT = 20.0
"""A bias beyond it moves every probability that the floor allows to an end; nothing useful lies there."""


@dataclass(frozen=True)
class LocalParameters:
    """How a calibration is fitted."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

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
class Calibration:
    """Two questions, each with `σ(logit(p) / temperature + bias)`; the default changes nothing.

    Is the claim supported? If not, is it contradicted? Each is bias-corrected temperature scaling of two
    classes, so the order of p_supported stays, whatever the other classes do.
    """

    temperature: float = 1.0
    bias: float = 0.0
    rest_temperature: float = 1.0
    rest_bias: float = 0.0

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(n, 3) rows that sum to 1, calibrated.

        A row of exactly (0, 0, 1) was not judged and stays. A verifier that gives contradiction (or its
        absence) no probability at all says nothing of it, and is not made to.
        """
        rows = np.asarray(probabilities, np.float64).reshape(-1, 3)
        support = expit(_logit(rows[:, 0]) / self.temperature + self.bias)
        share = _share(rows)
        with np.errstate(divide="ignore"):  # certainty is infinite, and stays certain
            share = expit(logit(share) / self.rest_temperature + self.rest_bias)
        contradicted = (1.0 - support) * share
        moved = np.column_stack([support, contradicted, 1.0 - support - contradicted])
        return np.where(judged(rows)[:, None], np.maximum(moved, 0.0), rows)

    def as_dict(self) -> dict[str, float]:
        """JSON-able parameters; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Raises ValueError, in words, for anything that no fit gives."""
        found = {}
        for name in cls.__dataclass_fields__:
            low, high = TEMPERATURE_RANGE if "temperature" in name else (-BIAS_LIMIT, BIAS_LIMIT)
            value = values.get(name)
            if not _is_number(value) or not low <= value <= high:
                raise ValueError(f"{name} is {repr(value)[:60]}, expected a number from {low} to {high}")
            found[name] = float(value)
        return cls(**found)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def judged(probabilities: np.ndarray) -> np.ndarray:
    """(n,) bool: not exactly (0, 0, 1), which is what a pair gets that was not read."""
    there: np.ndarray = (probabilities != (0.0, 0.0, 1.0)).any(axis=1)
    return there


def _logit(support: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(support, FLOOR, 1.0 - FLOOR)))


def _share(rows: np.ndarray) -> np.ndarray:
    """(n,) contradicted within contradicted and insufficient; 0 where neither has any probability."""
    rest = rows[:, 1] + rows[:, 2]
    return np.asarray(np.divide(rows[:, 1], rest, out=np.zeros(len(rows)), where=rest > 0))


def fit(
    probabilities: np.ndarray, codes: np.ndarray, parameters: LocalParameters | None = None
) -> Calibration:
    """Temperatures and biases of least log loss on these rows, held towards T = 1 and no bias.

    Bias-corrected temperature scaling (Alexandari, Kundaje, Shrikumar, ICML 2020; temperature alone: Guo et
    al., ICML 2017; of two classes it is Platt's scaling, 1999) of each question of `Calibration` by itself.
    Rows weigh the same, whatever their label: the biases are there to learn how common each label is where
    these rows come from. The penalty is that of normal priors (`LocalParameters`): it rules where there are
    20 rows and is lost among a thousand.

    Args:
        probabilities: (n, 3) uncalibrated.
        codes: (n,) of `labels.CODES`; `not_supported` counts for the first question alone.
        parameters: the priors and least numbers of rows.
    """
    parameters = parameters or LocalParameters()
    rows = np.asarray(probabilities, np.float64).reshape(-1, 3)
    there = judged(rows)
    rows, codes = rows[there], codes[there]
    first = _fit(_logit(rows[:, 0]), codes == 0, parameters)
    share = _share(rows)
    told = ((codes == 1) | (codes == 2)) & (share > 0) & (share < 1)
    counts = np.bincount(codes[told], minlength=3)[1:3]
    second = (1.0, 0.0)
    if (counts >= parameters.minimum_rest).all():
        second = _fit(logit(share[told]), codes[told] == 1, parameters)
    return Calibration(*first, *second)


def _fit(logits: np.ndarray, hit: np.ndarray, parameters: LocalParameters) -> tuple[float, float]:
    """(temperature, bias) of σ(logits / T + b)."""
    scale = np.array([parameters.temperature_scale, parameters.bias_scale])
    sign = np.where(hit, 1.0, -1.0)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = logits * np.exp(-values[0])
        margin = sign * (scaled + values[1])
        slope = -sign * expit(-margin)
        distance = values / scale
        value = -log_expit(margin).sum() + 0.5 * (distance**2).sum()
        gradient = np.array([-(slope * scaled).sum(), slope.sum()]) + distance / scale
        return float(value), gradient

    low, high = np.log(TEMPERATURE_RANGE)
    bounds = [(low, high), (-BIAS_LIMIT, BIAS_LIMIT)]
    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds).x
    # exp(log(x)) may miss the end of the range by a rounding.
    return float(np.clip(np.exp(found[0]), *TEMPERATURE_RANGE)), float(found[1])


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
    probabilities: np.ndarray, codes: np.ndarray, fold: np.ndarray, parameters: LocalParameters | None = None
) -> np.ndarray:
    """(n, 3) calibrated probabilities, each row's by a fit on the rows of all other folds."""
    result = np.array(probabilities, np.float64)
    for each in np.unique(fold):
        held = fold == each
        result[held] = fit(probabilities[~held], codes[~held], parameters).apply(probabilities[held])
    return result
