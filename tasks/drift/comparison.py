"""Window against baseline, for many daily series at once.

Arrays of daily sums in, differences with standard errors, degrees of freedom and P values out; the correction
for many comparisons comes later (`correction.py`).

The model of a series is r_d = level + weekday + day effect + sampling error. Claims of one output move
together, so the sampling error is cluster-robust by outputs; outputs of one day move together, so days have
an effect of their own with variance τ². Ignoring either makes every ordinary week an alarm.

1. Sampling variance per unit, from residuals within baseline days (Cochran 1977, section 6.4); the window's
   follows from its own number of units, as in a score test.
2. τ² by moments about weekday means (DerSimonian and Laird, Controlled Clinical Trials 7, 1986), pooled over
   the series of a metric, because 28 days alone say little about a variance. Where hardly any weekday comes
   twice, squares are about the level, and what weekdays do counts as what days do.
3. Weekday effects, shrunk by their own moment estimate (Morris, JASA 78, 1983).
4. The remaining dispersion per series, moderated towards the common one (Smyth, Statistical Applications
   in Genetics and Molecular Biology 3, 2004). Series lend each other freedom about sampling, none about days,
   which they share: the t distribution gets the degrees that follow from both (Satterthwaite, Biometrics
   Bulletin 2, 1946).
5. A skewed sampling distribution (a share near 0 or 1, a rare count) is that of a gamma variable with its
   mean, variance and skewness (Pearson's type III), which unlike an expansion never runs backwards; the
   more skewed, the coarser its steps, of which half a one is given away (Yates, JRSS Supplement 1, 1934).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

ROUNDING = 1e-9
"""A ratio of variances below this is what rounding leaves of days that do not vary at all."""
LEAST_SKEWNESS = 1e-3
"""Below it a gamma variable is a normal one, to the last digit that anybody reads."""
MOST_SKEWNESS = 1e3
"""Beyond it nothing was expected at all."""
FARTHEST = 37.0
"""Standard deviations at which the normal distribution ends in double precision."""
WEEK = 7
MINIMUM_AGAIN = 1
"""Days whose weekday was there before, below which weekdays cannot be told from days."""
MAXIMUM_DEGREES = 1e4
"""Beyond this a t distribution is the normal one."""


@dataclass(frozen=True)
class Sums:
    """Daily sums of series, each (series, days) float64; see `cells.py`. Days without rows hold 0."""

    y: np.ndarray
    x: np.ndarray
    yy: np.ndarray
    xy: np.ndarray
    xx: np.ndarray
    clusters: np.ndarray

    def on(self, days: np.ndarray) -> Sums:
        """The same series on these days (a mask or numbers)."""
        return Sums(*(array[:, days] for array in vars(self).values()))

    def of(self, series: np.ndarray) -> Sums:
        """These series (a mask) alone."""
        return Sums(*(array[series] for array in vars(self).values()))

    @property
    def rate(self) -> np.ndarray:
        """(series, days): y over x, NaN on days without rows."""
        return np.asarray(np.divide(self.y, self.x, out=np.full(self.y.shape, np.nan), where=self.x > 0))

    def pooled(self) -> np.ndarray:
        """(series,): y over x of all days together, NaN where there are none."""
        x = self.x.sum(1)
        return np.asarray(np.divide(self.y.sum(1), x, out=np.full(len(x), np.nan), where=x > 0))

    def smoothed(self) -> np.ndarray:
        """(series,): the share of all days together, never 0 or 1 (Laplace)."""
        return np.asarray((self.y.sum(1) + 1) / (self.x.sum(1) + 2))

    def squares(self, rate: np.ndarray) -> np.ndarray:
        """Sum over outputs of (y - rate x)², per series and day; `rate` broadcasts."""
        rate = np.nan_to_num(rate)
        return np.asarray(np.maximum(self.yy - 2 * rate * self.xy + rate**2 * self.xx, 0.0))


@dataclass(frozen=True)
class Daily:
    """One value per series and day with its sampling variance and size; NaN and 0 where there are no rows."""

    value: np.ndarray
    variance: np.ndarray
    size: np.ndarray

    def on(self, days: np.ndarray) -> Daily:
        """The same series on these days (a mask)."""
        return Daily(self.value[:, days], self.variance[:, days], self.size[:, days])


@dataclass(frozen=True)
class Dispersion:
    """How days vary beyond sampling: τ² common to all series, and each one's own factor and freedom."""

    tau2: float
    factor: np.ndarray
    degrees: np.ndarray
    day_degrees: np.ndarray
    """(series,): of the series' own days, of which other series tell nothing new."""


@dataclass(frozen=True)
class Difference:
    """Per series: what the baseline lets expect, what the window shows, and how sure that is; NaN unknown."""

    expected: np.ndarray
    current: np.ndarray
    standard_error: np.ndarray
    """Of current minus expected if nothing changed: what P values rest on."""
    ci_low: np.ndarray
    ci_high: np.ndarray
    degrees: np.ndarray
    p_value: np.ndarray
    effects: np.ndarray
    """(series, 7): weekday effects, Monday first."""
    dispersion: Dispersion

    def adjusted(self, daily: Daily, weekday: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(series, days) twice: values without weekday effects, and their variances with the day effect's."""
        spread = self.dispersion
        variance = spread.factor[:, None] * (daily.variance + spread.tau2)
        return daily.value - self.effects[:, weekday], variance


def heaviness(sums: Sums) -> np.ndarray:
    """(series,): units of the output that a unit is in, on average; 1 where there are none."""
    x = sums.x.sum(1)
    return np.asarray(np.divide(sums.xx.sum(1), x, out=np.ones(len(x)), where=x > 0))


def unseen_variance(sums: Sums, reach: np.ndarray | float) -> np.ndarray:
    """(series,): least variance of one unit's contribution that so many outputs leave possible; above 0.

    Outputs that were all alike so far say that fewer than one in their number is not (Laplace's rule of
    succession), so one that lies `reach` off, with all its units, is given that probability.
    """
    odd = 1 / (sums.clusters.sum(1) + 2)
    return np.asarray(np.square(reach) * odd * (1 - odd) * heaviness(sums))


def unit_variance(base: Sums, *, is_share: bool, reach: np.ndarray | float = 1.0) -> np.ndarray:
    """(series,): variance of one unit's contribution, from outputs within days; above 0.

    A share of 0 or 1, and a mean of equal units, has no visible variance; what remains possible takes its
    place (`unseen_variance`), and outputs whose claims differ by less than independent ones would are given
    no credit for it.
    """
    units, outputs = base.x.sum(1), base.clusters.sum(1)
    days = (base.x > 0).sum(1)
    correction = np.where(outputs > days, outputs / np.maximum(outputs - days, 1), 1.0)
    variance = base.squares(base.rate).sum(1) * correction / np.maximum(units, 1e-300)
    variance = np.maximum(variance, unseen_variance(base, reach))
    if is_share:
        smooth = base.smoothed()
        variance = np.maximum(variance, smooth * (1 - smooth))
    return np.asarray(variance)


def clumping(window: Sums, base: Sums) -> np.ndarray:
    """(series,): how much more than the baseline's the window's units sit in few outputs; at least 1."""
    return np.asarray(np.maximum(heaviness(window) / heaviness(base), 1.0))


def rates(sums: Sums, per_unit: np.ndarray) -> Daily:
    """Daily ratios of which each unit has the given variance."""
    variance = np.divide(per_unit[:, None], sums.x, out=np.full(sums.x.shape, np.nan), where=sums.x > 0)
    return Daily(sums.rate, variance, sums.x)


def log_counts(y: np.ndarray, present: np.ndarray) -> Daily:
    """Daily counts on the log scale, with Poisson variance; a day without rows counts as half a row."""
    count = np.where(present, np.maximum(y, 0.5), np.nan)
    return Daily(np.log(count), 1 / count, np.where(present, 1.0, 0.0) * np.ones_like(y))


def dispersion(base: Daily, weekday: np.ndarray) -> Dispersion:
    """How much baseline days vary beyond sampling, in steps 2 and 4 above; `weekday` is (days,), 0 to 6."""
    has_rows = base.size > 0
    sampling = np.divide(1.0, base.variance, out=np.zeros_like(base.variance), where=has_rows)
    statistic, degrees, slope = _squares(base.value, sampling, weekday)
    usable = (degrees > 0) & (slope > 0)
    tau2 = 0.0
    if usable.any():
        excess = (statistic - degrees)[usable]
        tau2 = float(excess.sum() / slope[usable].sum())
        # Large slices have large slopes and would decide alone: the median over series resists one odd slice.
        tau2 = min(tau2, float(np.median(excess / slope[usable]))) if usable.sum() > 2 else tau2
        tau2 = max(0.0, tau2)
    variance = np.where(has_rows, base.variance, 1.0) + tau2
    statistic, degrees, _ = _squares(base.value, np.where(has_rows, 1 / variance, 0.0), weekday)
    factor, freedom = moderated(statistic / np.maximum(degrees, 1), degrees)
    # Days that vary less than chance (a fixed set of questions) do not make a window's own chance smaller.
    return Dispersion(tau2, np.maximum(factor, 1.0), freedom, np.maximum(degrees, 1.0))


def moderated(ratios: np.ndarray, degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance ratios shrunk towards their common value, and the degrees of freedom gained (Smyth 2004).

    Args:
        ratios, degrees: (series,): each ratio is about a common value times χ²/degrees.

    Returns:
        (series,) moderated ratios and total degrees of freedom. With fewer than three series that have a
        ratio nothing is borrowed.
    """
    usable = (degrees >= 1) & (ratios > ROUNDING)
    if usable.sum() < 3:
        return np.where(usable, ratios, 1.0), np.maximum(degrees, 1.0)
    half = degrees[usable] / 2
    logs = np.log(ratios[usable]) - special.digamma(half) + np.log(half)
    excess = float(np.var(logs, ddof=1) - special.polygamma(1, half).mean())
    if excess <= 0:
        prior, common = MAXIMUM_DEGREES, float(np.exp(logs.mean()))
    else:
        prior = min(2 * _inverse_trigamma(excess), MAXIMUM_DEGREES)
        common = float(np.exp(logs.mean() + special.digamma(prior / 2) - np.log(prior / 2)))
    own = np.where(usable, degrees, 0.0)
    shrunk = (prior * common + own * np.where(usable, ratios, 0.0)) / (prior + own)
    return shrunk, np.minimum(prior + own, MAXIMUM_DEGREES)


def _inverse_trigamma(value: float) -> float:
    """x with trigamma(x) = value, by Newton's method on the convex 1/trigamma (Smyth 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x


def _squares(
    value: np.ndarray, weights: np.ndarray, weekday: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per series: weighted squares of days, their freedom, and how they grow with τ².

    About weekday means where enough weekdays come again, else about the level.
    """
    about_weekdays = _about(value, weights, weekday)
    about_level = _about(value, weights, np.zeros_like(weekday))
    again = _again(weights, weekday) >= MINIMUM_AGAIN
    statistic, degrees, slope = (
        np.where(again, with_week, plain)
        for with_week, plain in zip(about_weekdays, about_level, strict=True)
    )
    return statistic, degrees, slope


def _about(
    value: np.ndarray, weights: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`_squares` about the means of groups (days,) of days, numbered 0 to 6."""
    value, week = np.nan_to_num(value), _week(group)
    sums = weights @ week
    total = np.maximum(sums, 1e-300)
    residual = value - ((weights * value) @ week / total)[:, group]
    degrees = np.maximum(np.sign(weights) @ week - 1, 0)
    slope = np.where(degrees > 0, sums - weights**2 @ week / total, 0.0)
    return (weights * residual**2 * (degrees > 0)[:, group]).sum(1), degrees.sum(1), slope.sum(1)


def _again(weights: np.ndarray, weekday: np.ndarray) -> np.ndarray:
    """(series,): how many days with rows have an earlier one of their weekday."""
    return np.asarray(np.maximum(np.sign(weights) @ _week(weekday) - 1, 0).sum(1))


def _week(weekday: np.ndarray) -> np.ndarray:
    """(days, 7): 1.0 where a day is of a weekday; times it, an array over days becomes one over weekdays."""
    return np.asarray(np.equal.outer(weekday, np.arange(WEEK)), dtype=float)


def difference(
    base: Daily,
    window: Daily,
    base_weekday: np.ndarray,
    window_weekday: np.ndarray,
    *,
    clumped: np.ndarray | float = 1.0,
    window_variance: np.ndarray | None = None,
    skewness: np.ndarray | float = 0.0,
) -> Difference:
    """Window against baseline, series by series.

    Args:
        base, window: (series, days) each.
        clumped: factor on the window's sampling variance, from `clumping`.
        window_variance: (series,) sampling variance of the window's value from the window's own rows, for the
            interval; None takes the baseline's.
        skewness: (series,) third standardised moment of the window's value if nothing changed.
    """
    spread = dispersion(base, base_weekday)
    factor, tau2 = spread.factor, spread.tau2
    has_rows = base.size > 0
    weights = np.where(has_rows, 1 / (np.where(has_rows, base.variance, 1.0) + tau2), 0.0)
    total = np.maximum(weights.sum(1), 1e-300)
    level = (weights * np.nan_to_num(base.value)).sum(1) / total
    effects, uncertain = _weekday_effects(base.value, weights, level, factor, base_weekday)

    size = window.size.sum(1)
    share = np.divide(window.size, size[:, None], out=np.zeros_like(window.size), where=size[:, None] > 0)
    current = np.where(size > 0, (share * np.nan_to_num(window.value)).sum(1), np.nan)
    expected = level + (share * effects[:, window_weekday]).sum(1)
    sampling = (share**2 * np.nan_to_num(window.variance)).sum(1) * clumped
    others = tau2 * (share**2).sum(1) + 1 / total
    posterior = ((share @ _week(window_weekday)) ** 2 * uncertain).sum(1)
    error = np.sqrt(factor * (sampling + others) + posterior)
    # A window that shows less than its chance (no finding at all) is no surer than one that shows all of it.
    own = sampling if window_variance is None else np.maximum(window_variance, sampling)
    interval_error = np.sqrt(factor * (own + others) + posterior)

    change = current - expected
    part = np.divide(factor * sampling, error**2, out=np.zeros_like(error), where=error > 0)
    degrees = 1 / (part**2 / spread.degrees + (1 - part) ** 2 / spread.day_degrees)
    half = special.stdtrit(degrees, 0.975) * interval_error
    p_value = _p_value(np.divide(change, error), np.asarray(skewness) * part**1.5, degrees)
    unknown = np.isnan(change) | ~has_rows.any(1)
    return Difference(
        expected=np.where(has_rows.any(1), expected, np.nan),
        current=current,
        standard_error=np.where(unknown, np.nan, error),
        ci_low=np.where(unknown, np.nan, change - half),
        ci_high=np.where(unknown, np.nan, change + half),
        degrees=degrees,
        p_value=np.where(unknown, np.nan, np.clip(p_value, 0.0, 1.0)),
        effects=effects,
        dispersion=spread,
    )


def _p_value(statistic: np.ndarray, skewness: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """(series,) two-sided P values of a standardised change; step 5 above."""
    size = np.clip(np.abs(skewness), LEAST_SKEWNESS, MOST_SKEWNESS)
    towards = np.where(skewness < 0, -1.0, 1.0)
    # One rare event more is a step of `size` deviations; where steps are fine there is nothing to correct.
    half_step = np.minimum(size, size**2) / 2
    statistic = np.sign(statistic) * np.maximum(np.abs(statistic) - half_step, 0.0)
    # A gamma variable of this shape, standardised, has that skewness.
    shape = 4 / size**2
    quantile = np.maximum(shape + np.nan_to_num(statistic) * towards * np.sqrt(shape), 0.0)
    above, below = special.gammaincc(shape, quantile), special.gammainc(shape, quantile)
    # The smaller tail, whose digits are not lost beside 1, as a normal deviate.
    normal = np.where(above < below, -special.ndtri(above), special.ndtri(below))
    is_skewed = np.abs(skewness) > LEAST_SKEWNESS
    deviate = np.where(is_skewed, np.clip(normal * towards, -FARTHEST, FARTHEST), statistic)
    return np.asarray(2 * special.stdtr(degrees, -np.abs(deviate)))


def _weekday_effects(
    value: np.ndarray, weights: np.ndarray, level: np.ndarray, factor: np.ndarray, weekday: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(series, 7) effects about the level, shrunk by empirical Bayes, and their posterior variances.

    None where weekdays cannot be told from days: what they do is in τ² there.
    """
    residual = np.nan_to_num(value) - level[:, None]
    held = weights @ _week(weekday) / factor[:, None]
    sums = (weights * residual) @ _week(weekday) / factor[:, None]
    means = np.divide(sums, held, out=np.zeros_like(sums), where=held > 0)
    total = np.maximum(held.sum(1), 1e-300)
    statistic = (held * means**2).sum(1)
    slope = np.maximum(total - (held**2).sum(1) / total, 1e-300)
    between = np.maximum(statistic - ((held > 0).sum(1) - 1), 0.0) / slope
    between = np.where(_again(weights, weekday) >= MINIMUM_AGAIN, between, 0.0)
    shrink = np.divide(between[:, None] * held, 1 + between[:, None] * held)
    return shrink * means, between[:, None] * (1 - shrink)
