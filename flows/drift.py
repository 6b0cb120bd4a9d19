"""Drift by itself; at the end of a night `stages.nightly_drift` measures it."""

from __future__ import annotations

from datetime import date

from flows.orchestrator import flow
from flows.outcome import Outcome, conclude
from flows.run import finish, opened
from flows.stages import compare_drift
from tasks.errors import InputError
from tasks.settings import load


@flow("drift")
def drift(
    *,
    since: date | None = None,
    until: date | None = None,
    baseline_since: date | None = None,
    baseline_until: date | None = None,
    config: str | None = None,
    lake: str | None = None,
) -> Outcome:
    """Compares the newest nights, or the UTC days given, with the baseline.

    Args:
        since: First UTC day of the window; without days, the newest nights.
        until: Last UTC day of the window, included.
        baseline_since: First UTC day of the baseline; without days, the configured baseline.
        baseline_until: Last UTC day of the baseline, included.
        config: Configuration file on the machine that runs this; its claimledger.toml by default.
        lake: Lake to use instead of the configured one.

    Raises:
        InputError: a range has one end or ends before it begins, or the baseline reaches into the window.
        EndedWithProblemsError: done, but the ledger needs attention.
    """
    current, baseline = _range("", since, until), _range("baseline_", baseline_since, baseline_until)
    parameters = {"current": current, "baseline": baseline}
    with opened("drift", load(config, lake=lake), parameters) as run:
        compared = compare_drift(run, current=current, baseline=baseline)
        finish(run)
    return conclude(run, {"drift": compared})


def _range(name: str, since: date | None, until: date | None) -> tuple[date, date] | None:
    if since is None and until is None:
        return None
    if since is None or until is None:
        missing = "since" if since is None else "until"
        raise InputError(f"a range of days needs both ends; {name}{missing} is missing")
    return since, until
