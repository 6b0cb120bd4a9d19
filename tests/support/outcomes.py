"""What a run did, for tests that only look at how it is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flows.outcome import Outcome

NOTHING = Outcome(
    run_id="0",
    flow="nightly audit",
    status="completed",
    records_in=0,
    records_out=0,
    records_already_there=0,
    records_quarantined=0,
    verdicts={},
    counts={},
    problems=[],
    warnings=[],
    report="report.html",
    lake="lake",
    seconds=1.0,
)


def outcome(**values: Any) -> Outcome:
    """A run in which nothing happened but this."""
    return replace(NOTHING, **values)
