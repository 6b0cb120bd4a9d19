"""Outputs of a unit that cannot be judged, as rows of `quarantine`: the rest of a backfill goes on."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tasks.gate import refusals
from tasks.tables import OUTPUTS

CHECK = "unit_set_aside"


def quarantine(outputs: pl.DataFrame, reason: str, *, run_id: str, now: datetime) -> pl.DataFrame:
    """A QUARANTINE row for each of some outputs (OUTPUTS frame), with the reason that its unit failed for."""
    rows = outputs.with_columns(check=pl.lit(CHECK), reason=pl.lit(f"its unit was set aside: {reason}"))
    return refusals.refuse(
        OUTPUTS, rows, offending=["produced_at"], source="backfill", run_id=run_id, quarantined_at=now
    )
