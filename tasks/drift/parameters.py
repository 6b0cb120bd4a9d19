"""What is compared with what: the knobs of drift, and the days of window and baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated, Literal

from tasks.drift.alarms import DEFAULT_RULES, AlarmRule
from tasks.drift.metrics import METRICS, Metric
from tasks.knobs import Example, Section


@dataclass(frozen=True)
class DriftParameters(Section):
    """What is compared, and when a difference counts."""

    baseline: Literal["rolling", "fixed", "release"] = "rolling"
    """rolling: the days before the window; fixed: `baseline_from` to `baseline_to`; release: the days before
    the window on which `baseline_release` answered or judged."""
    baseline_days: int = 28
    """Days of a rolling baseline: four of each weekday, which weekday effects need."""
    baseline_from: Annotated[date | None, Example(date(2026, 10, 1))] = None
    """First day of a fixed baseline."""
    baseline_to: Annotated[date | None, Example(date(2026, 10, 28))] = None
    """Last day of a fixed baseline."""
    baseline_release: Annotated[str | None, Example("model=gpt-4")] = None
    """COLUMN=VALUE, for example model=gpt-4 or verifier=FINGERPRINT or agent=NAME."""
    window_days: int = 2
    """Nights that are compared: one night of 400 claims cannot show five points, two can."""
    change_days: int = 60
    """Days in which a change point is looked for."""
    minimum_baseline_days: int = 10
    """Days with rows below which a day's own variation is not known: too few."""
    minimum_units: int = 100
    """Claims, outputs or reviews in the window below which two points are less than two units: too few."""
    minimum_outputs: int = 20
    """Outputs in the window below which their variation is not known: too few."""
    false_discovery_rate: float = 0.1
    """Share of drifted rows that may be chance. Alarms look one way only, so theirs is half of it."""
    slices: tuple[Literal["source", "agent", "model", "use_case"], ...] = (
        "agent",
        "model",
        "use_case",
        "source",
    )
    """Columns of outputs and verdicts whose values are slices."""
    pairs: bool = True
    """Whether pairs of the columns are slices too."""
    thresholds: Annotated[dict[str, float], Example({"supported_share": 0.03})] = field(default_factory=dict)
    """Metric to smallest difference that matters, where the built-in one does not suit."""
    weight: Annotated[str | None, Example("sampling_weight")] = None
    """Key of the outputs' metadata that holds each one's sampling weight."""

    def __post_init__(self) -> None:
        """Raises ValueError for values that no comparison can mean."""
        for name, value in vars(self).items():
            if type(value) is int and value < 1:
                raise ValueError(f"{name} is {value}, expected 1 or more")
        if not 0 < self.false_discovery_rate < 1:
            raise ValueError(f"false_discovery_rate is {self.false_discovery_rate}, expected between 0 and 1")
        unknown = sorted(set(self.thresholds) - set(METRICS))
        if unknown:
            raise ValueError(
                f"thresholds names {unknown[0]!r}, which is not a metric; known: {', '.join(METRICS)}"
            )
        if self.baseline == "fixed" and not (self.baseline_from and self.baseline_to):
            raise ValueError("a fixed baseline needs baseline_from and baseline_to")
        if self.baseline == "release" and "=" not in (self.baseline_release or ""):
            raise ValueError("a release baseline needs baseline_release, written as COLUMN=VALUE")

    def threshold(self, metric: Metric) -> float:
        """Smallest difference that matters, in the metric's unit or as a share of the baseline."""
        return self.thresholds.get(metric.name, metric.threshold)


@dataclass(frozen=True, kw_only=True)
class DriftSettings(Section):
    """Whether drift is measured, what raises an alarm, and who is notified."""

    enabled: bool = True
    """Whether the nightly audit measures drift at its end; `claimledger drift` works either way."""
    parameters: DriftParameters = DriftParameters()
    alarms: tuple[AlarmRule, ...] = DEFAULT_RULES
    """What raises an alarm; an empty list never does."""
    notify_variable: str = "CLAIMLEDGER_NOTIFY"
    """Environment variable with apprise URLs, blank-separated: they hold secrets, so no file names them."""
    link: Annotated[str | None, Example("https://audits.example/reports")] = None
    """Address under which people reach LAKE/reports; without it, messages name the file."""

    def __post_init__(self) -> None:
        if not self.notify_variable.isidentifier():
            raise ValueError(
                f"notify_variable is {self.notify_variable!r}, expected the name of an environment variable"
            )


@dataclass(frozen=True)
class Windows:
    """The days compared, all inclusive; the baseline ends before the window begins."""

    window_start: date
    window_end: date
    baseline_start: date
    baseline_end: date
    kind: str

    @property
    def first(self) -> date:
        """First day of either."""
        return min(self.baseline_start, self.window_start)


def windows(
    parameters: DriftParameters,
    last_day: date,
    *,
    current: tuple[date, date] | None = None,
    baseline: tuple[date, date] | None = None,
) -> Windows:
    """The window that ends on `last_day` and its baseline, or the ranges that were asked for.

    Raises:
        ValueError: a range is empty, or the two overlap, or the baseline is the later one.
    """
    start, end = current or (last_day - timedelta(days=parameters.window_days - 1), last_day)
    kind: str = parameters.baseline
    if baseline is None and parameters.baseline == "fixed":
        baseline = (parameters.baseline_from or start, parameters.baseline_to or start)
    if baseline is None:
        days = parameters.baseline_days if kind == "rolling" else max(parameters.change_days, 90)
        baseline = (start - timedelta(days=days), start - timedelta(days=1))
    elif parameters.baseline != "release":
        kind = "fixed"
    for name, (first, last) in (("current", (start, end)), ("baseline", baseline)):
        if first > last:
            raise ValueError(f"the {name} window {first}..{last} ends before it begins")
    if baseline[1] >= start:
        raise ValueError(
            f"the baseline {baseline[0]}..{baseline[1]} reaches into the window {start}..{end}; "
            "end it before the window begins, or the change is compared with itself"
        )
    return Windows(start, end, *baseline, kind)
