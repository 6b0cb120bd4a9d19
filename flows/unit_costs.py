"""What judging took in a run, kept for the estimate of the next backfill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.backfill import estimate as costs
from tasks.judge.job import Judged
from tasks.lake import runs
from tasks.lake.store import Lake


def claims_of(units: Sequence[Judged]) -> int:
    """Claims that got a verdict."""
    return sum(sum(judged.verdicts.values()) for judged in units)


def remember(
    run_id: str,
    lake: Lake,
    units: Sequence[Judged],
    sections: Mapping[str, str],
    *,
    seconds: float,
    workers: int,
    price: float,
) -> None:
    """Keeps what judging some units took; nothing where nothing was judged."""
    outputs, claims = sum(sum(judged.outcomes.values()) for judged in units), claims_of(units)
    if not (claims and outputs):
        return
    cost = costs.Cost(
        judge=costs.judge_of(sections),
        identity=units[-1].by.identity,
        outputs=outputs,
        claims=claims,
        seconds=round(seconds, 3),
        workers=workers,
        bytes=runs.published_bytes(run_id, lake),
        price=price,
    )
    lake.write_state(costs.STATE, costs.kept(lake.read_state(costs.STATE), cost))
