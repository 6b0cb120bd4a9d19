"""What judging cost in earlier runs, and what it will cost: time, disk and a paid judge's price.

A run that judged keeps what that took in the lake's state `unit-costs`; a backfill adds up those of the same
judge. Seconds are of the clock while units were judged, models' loading included. A local verifier has all
cores whatever the number of workers, so more of them make no difference to an estimate; a judge behind an
endpoint is waited for, so they divide it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from tasks import ids

STATE = "unit-costs"
KEPT_RUNS = 20
"""Of all judges together; more would say little about the machine and the documents of today."""
_SECTIONS = ("verifier", "retrieve", "extract", "corpus")


@dataclass(frozen=True)
class Cost:
    """What judging took in one run."""

    judge: str
    """`judge_of` its configuration."""
    identity: str
    """Of the verifier, as tables name it."""
    outputs: int
    claims: int
    seconds: float
    workers: int
    bytes: int
    """Of the files that it published."""
    price: float
    """In the currency of verifier.endpoint; 0 of a local verifier."""


@dataclass(frozen=True)
class Estimate:
    """What a backfill is about to do; what no earlier run measured is None."""

    outputs: int
    """To be judged."""
    units: int
    runs: int
    """Measured runs that it follows from."""
    seconds: float | None
    bytes: int | None
    price: float | None
    free_bytes: int
    is_paid: bool

    @property
    def warnings(self) -> list[str]:
        """A sentence where the disk will not do."""
        if self.bytes is None or self.bytes <= self.free_bytes:
            return []
        return [
            f"the lake's disk has {_size(self.free_bytes)} free and this takes about {_size(self.bytes)}; "
            "free some space: what is published before then stays, and running it again resumes from there"
        ]

    def __str__(self) -> str:
        counts = f"{self.outputs:,} outputs to judge in {self.units:,} units"
        if not self.outputs:
            return counts
        if self.seconds is None:
            return f"{counts}; no run of this judge has been measured yet, so time, disk and cost are unknown"
        price = f", cost {self.price:,.2f}" if self.is_paid else ""
        return (
            f"{counts}: about {_duration(self.seconds)}, {_size(self.bytes or 0)} of "
            f"{_size(self.free_bytes)} free{price} (by {self.runs} measured "
            f"{'run' if self.runs == 1 else 'runs'})"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def judge_of(sections: Mapping[str, str]) -> str:
    """Names what the cost of a judgement depends on, from a configuration's sections as JSON."""
    return ids.digest("judge", *(sections.get(name, "") for name in _SECTIONS))


def kept(state: Mapping[str, Any], cost: Cost) -> dict[str, Any]:
    """The state with one more run, the oldest forgotten."""
    return {"runs": [*state.get("runs", []), asdict(cost)][-KEPT_RUNS:]}


def measured(state: Mapping[str, Any], judge: str) -> list[Cost]:
    """Runs of that judge, the oldest first."""
    return [Cost(**each) for each in state.get("runs", []) if each["judge"] == judge]


def estimate(
    costs: Sequence[Cost], *, outputs: int, units: int, workers: int, free_bytes: int, is_paid: bool
) -> Estimate:
    """What so many outputs will take; `is_paid` where a judge behind an endpoint has prices."""
    before = sum(cost.outputs for cost in costs)
    if not before:
        return Estimate(outputs, units, 0, None, None, None, free_bytes, is_paid)
    waited = [cost.seconds * (cost.workers if is_paid else 1) for cost in costs]
    return Estimate(
        outputs=outputs,
        units=units,
        runs=len(costs),
        seconds=outputs * sum(waited) / before / (workers if is_paid else 1),
        bytes=round(outputs * sum(cost.bytes for cost in costs) / before),
        price=outputs * sum(cost.price for cost in costs) / before,
        free_bytes=free_bytes,
        is_paid=is_paid,
    )


def to_judge(published: pl.LazyFrame, verdicts: pl.LazyFrame, actions: pl.LazyFrame) -> int:
    """Published outputs that have neither one of some verdicts nor an action that needs none.

    Args:
        published: output_id.
        verdicts: VERDICTS of the present verifier and snapshot.
        actions: ACTIONS.
    """
    without = actions.filter(pl.col("outcome").is_in(["no_claims", "abstained"]))
    judged = pl.concat([verdicts.select("output_id"), without.select("output_id")])
    left = published.select("output_id").join(judged, on="output_id", how="anti")
    return int(left.select(pl.len()).collect(engine="streaming").item())


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _size(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:,.0f} kB"
