"""Drift: by itself (`claimledger drift`) or at the end of a night."""

from __future__ import annotations

from datetime import date
from typing import Any

from flows.audit import close, compare_drift, running
from tasks.settings import Settings


def drift(
    settings: Settings,
    *,
    current: tuple[date, date] | None = None,
    baseline: tuple[date, date] | None = None,
) -> dict[str, Any]:
    """Compares the newest nights, or the ranges given, with the baseline; publishes, records, tells.

    Raises:
        InputError: a range ends before it begins, or the baseline reaches into the window.
    """
    parameters = {
        "current": current and [day.isoformat() for day in current],
        "baseline": baseline and [day.isoformat() for day in baseline],
    }
    with running("drift", settings, parameters) as (run, bench, validator):
        compared = compare_drift(run, bench, validator, current=current, baseline=baseline)
        outcome = close(run, bench, validator, [], extra={"drift": compared})
    return {
        "run_id": outcome.run_id,
        **compared,
        "report": outcome.report,
        "warnings": outcome.warnings,
        "problems": outcome.problems,
    }
