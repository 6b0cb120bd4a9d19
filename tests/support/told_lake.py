"""A lake with verdicts on the traces of a source, for what is written back."""

from __future__ import annotations

from pathlib import Path

from tasks.lake.store import Lake
from tests.support.report_lake import NOW, RUN_ID, Rows

SOURCE = "desk"
RIGHT = ("The refund takes 5 days.", "supported", 0.9, 0.02, False)
WRONG = ("The warranty lasts 24 months.", "contradicted", 0.03, 0.95, False)


def told_lake(root: Path, *traces: str) -> Lake:
    """Two verdicts on each of the traces, reached at `NOW`, on answers of `SOURCE`."""
    rows = Rows()
    for trace in traces:
        rows.answer(trace, 0, "ada", [RIGHT, WRONG], action="escalated")
    lake = Lake.open(str(root))
    lake.commit(RUN_ID, "unit", rows.frames(), run_day=NOW.date())
    return lake
