"""Only like is compared with like: verdicts by one verifier, under one version of each policy.

Another verifier gives other verdicts of the same answers, and so does another threshold; neither says
anything about the agents. So what an older verifier or policy version judged is left out, with a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl


@dataclass(frozen=True)
class Comparable:
    """Cells that may be compared, and one sentence for each reason why others were left out."""

    cells: pl.DataFrame
    profiles: pl.DataFrame
    notes: tuple[str, ...] = ()


def like_with_like(cells: pl.DataFrame, profiles: pl.DataFrame, *, since: date | None = None) -> Comparable:
    """Cells by the newest verifier and the newest version of each policy, and cells that no verifier made.

    Args:
        cells: CELL rows.
        profiles: PROFILE rows of the same days.
        since: first day of the current window; what judged those days last is the newest. None is all days.
    """
    current = cells if since is None else cells.filter(pl.col("date") >= since)
    notes: list[str] = []
    old = pl.lit(False)
    judged = current.filter(pl.col("verifier").is_not_null()).sort("judged_at", "verifier", nulls_last=False)
    if judged.height:
        newest = judged["verifier"][-1]
        other = (pl.col("verifier") != newest).fill_null(value=False)
        if cells.select(other.any()).item():
            first = cells.filter(pl.col("verifier") == newest)["date"].min()
            notes.append(
                f"only verdicts by the current verifier {newest[:12]} (first on {first!s}) are compared; "
                "`claimledger backfill --reverify` gives earlier days its verdicts"
            )
            old |= other
    versions = pl.col("policy").str.split("@").list.first()
    decided = current.filter(pl.col("policy").is_not_null()).sort("judged_at", "policy", nulls_last=False)
    newest_of = decided.group_by(versions.alias("name"), maintain_order=True).agg(pl.col("policy").last())
    for name, label in newest_of.iter_rows():
        other = ((versions == name) & (pl.col("policy") != label)).fill_null(value=False)
        if cells.select(other.any()).item():
            first = cells.filter(pl.col("policy") == label)["date"].min()
            notes.append(f"only decisions by policy {label} (first on {first!s}) are compared")
            old |= other
    return Comparable(cells.filter(~old), profiles.filter(~old), tuple(notes))


def without_history(cells: pl.DataFrame) -> pl.DataFrame:
    """CELL rows without the lags of days that were over before their source's first pull.

    They say when the first audit was, not how late answers came: with them, a lake that begins with a month
    of exports would report a fall of its lag, and other numbers on another day.
    """
    first = pl.col("pulled_at").min().over("source").dt.date()
    is_history = (pl.col("metric") == "lag_hours") & (pl.col("date") < first - timedelta(days=1))
    return cells.filter(~is_history.fill_null(value=False))
