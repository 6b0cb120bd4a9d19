"""Drift by itself; at the end of a night `stages.nightly_drift` measures it."""

from __future__ import annotations

from datetime import date

from flows.orchestrator import flow
from flows.outcome import Outcome, conclude
from flows.run import finish, opened
from flows.stages import compare_drift
from tasks.settings import load


@flow("drift")
def drift(
    current: tuple[date, date] | None = None,
    baseline: tuple[date, date] | None = None,
    config: str | None = None,
    lake: str | None = None,
) -> Outcome:
    """Compares the newest nights, or the UTC days given, with the baseline.

    Raises:
        InputError: a range ends before it begins, or the baseline reaches into the window.
        EndedWithProblemsError: done, but the ledger needs attention.
    """
    parameters = {"current": current, "baseline": baseline}
    with opened("drift", load(config, lake=lake), parameters) as run:
        compared = compare_drift(run, current=current, baseline=baseline)
        finish(run)
    return conclude(run, {"drift": compared})
