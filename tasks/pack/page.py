"""What the pack's page shows, criterion by criterion: frozen, so that nothing is counted while it is
rendered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from tasks.pack.criteria import CRITERIA, Criterion
from tasks.pack.measures import Measure, Number, Ratio, Results
from tasks.pack.parameters import PackSettings

NOT_NAMED = "not named"
"""The owner of a control that the configuration gives to nobody."""
CLEAN, EXCEPTIONS, UNTESTED = "no exception", "exceptions", "not tested"
"""What the test of a criterion ended with; `not tested` is neither of the others."""


@dataclass(frozen=True)
class Figure:
    """One number as the page prints it; `value` is what `check.py` computes again."""

    name: str
    words: str
    value: Number
    is_share: bool
    interval: list[float] | None
    file: str

    @property
    def text(self) -> str:
        """The number for people."""
        if self.value is None:
            return "not measured"
        return f"{100 * self.value:.2f}%" if self.is_share else f"{self.value:,}"

    @property
    def interval_text(self) -> str:
        """The 95% interval, or why there is none."""
        if self.interval:
            return f"{100 * self.interval[0]:.1f}% to {100 * self.interval[1]:.1f}%"
        return "whole population" if self.is_share and self.value is not None else ""


@dataclass(frozen=True)
class Section:
    """One criterion with what its tests gave."""

    criterion: Criterion
    owner: str
    state: str
    figures: Sequence[Figure]
    exceptions: pl.DataFrame
    exceptions_count: Figure
    reason: str
    """Why it was not tested; empty otherwise."""


@dataclass(frozen=True)
class Population:
    """A file of the pack."""

    name: str
    rows: Figure
    sha256: str


@dataclass(frozen=True, kw_only=True)
class PackPage:
    """Everything that `pack.html.j2` shows."""

    since: date
    until: date
    now: datetime
    origin: str
    size: int
    root: str
    keys: Sequence[str]
    verification: str
    outside: Sequence[str]
    first_run: datetime | None
    schedules: Sequence[str]
    sections: Sequence[Section]
    figures: Mapping[str, Figure]
    exceptions: pl.DataFrame
    exceptions_shown: int
    populations: Sequence[Population]
    low: int | None
    high: int | None
    sample: Mapping[str, object] | None
    sample_limit: float | None
    """Highest deviation rate that a sample of that size without deviations leaves, at its confidence."""
    proofs: Sequence[tuple[int, str]]
    """Index and kind of events with a proof of their own."""
    proofs_left_out: int
    queries: Mapping[str, str]
    notes: Sequence[str] = field(default_factory=tuple)

    def state_count(self, state: str) -> int:
        """Criteria that ended so."""
        return sum(section.state == state for section in self.sections)


def figures(measures: Sequence[Measure], ratios: Sequence[Ratio], found: Results) -> dict[str, Figure]:
    """Every number by name."""
    files = {m.name: m.file for m in measures}
    counts = {m.name: Figure(m.name, m.words, found.values[m.name], False, None, m.file) for m in measures}
    shares = {
        r.name: Figure(r.name, r.words, found.values[r.name], True, found.intervals[r.name], files[r.part])
        for r in ratios
    }
    return counts | shares


def per_criterion() -> list[Measure]:
    """The number of exceptions of each criterion."""
    return [
        Measure(f"exceptions.{c.name}", f"exceptions under {c.name}", (("criterion", "=", c.name),))
        for c in CRITERIA
    ]


STATES = tuple(
    Measure(f"criteria.{name}", f"criteria: {state}", (("state", "=", state),))
    for name, state in (("clean", CLEAN), ("deviating", EXCEPTIONS), ("untested", UNTESTED))
)


def criteria(sections: Sequence[Section]) -> pl.DataFrame:
    """The state of every control, as a population: criterion, owner, state, exceptions, reason."""
    return pl.DataFrame(
        [
            (each.criterion.name, each.owner, each.state, each.exceptions.height, each.reason or None)
            for each in sections
        ],
        schema={
            "criterion": pl.String,
            "owner": pl.String,
            "state": pl.String,
            "exceptions": pl.Int64,
            "reason": pl.String,
        },
        orient="row",
    )


def sections(
    numbers: Mapping[str, Figure], exceptions: pl.DataFrame, settings: PackSettings
) -> list[Section]:
    """The criteria in their order, none of them clean where nothing was there to be tested."""
    return [_section(criterion, numbers, exceptions, settings) for criterion in CRITERIA]


def _section(
    criterion: Criterion, numbers: Mapping[str, Figure], exceptions: pl.DataFrame, settings: PackSettings
) -> Section:
    mine = exceptions.filter(pl.col("criterion") == criterion.name)
    is_tested = any(numbers[name].value for name in criterion.needs)
    reason = ""
    if mine.height:
        state = EXCEPTIONS
    elif is_tested:
        state = CLEAN
    else:
        state = UNTESTED
        words = " and no ".join(numbers[name].words for name in criterion.needs)
        reason = f"the period has no {words}" if criterion.needs else "no test of it is possible here"
    return Section(
        criterion=criterion,
        owner=settings.owner(criterion.name) or NOT_NAMED,
        state=state,
        figures=[numbers[name] for name in criterion.numbers],
        exceptions=mine,
        exceptions_count=numbers[f"exceptions.{criterion.name}"],
        reason=reason,
    )
