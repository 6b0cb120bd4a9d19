"""Whether failed answers were caught before their users had them, in words."""

from __future__ import annotations

import polars as pl

from tasks.report.sentence import Sentence, number

LATE = {
    "delivered_first": "delivered first",
    "delivered_anyway": "delivered in spite of the decision",
}
"""Why an answer was late."""


def sentences(caught: pl.DataFrame) -> list[Sentence]:
    """One sentence out of the query `caught`; none where no answer failed, or no delivery is known."""
    if caught.is_empty():
        return []
    row = caught.row(0, named=True)
    known = row["caught"] + row["late"]
    if not known or row["share"] is None:
        return []
    text = (
        f"Of {number(known, 'failed answer')} whose delivery is known {row['caught']:,} "
        f"{'was' if row['caught'] == 1 else 'were'} caught before the customer ({row['share']:.0%}, "
        f"95% interval {row['ci_low']:.0%} to {row['ci_high']:.0%})"
    )
    if row["late"]:
        text += f", and {row['late']:,} had been delivered"
        if row["hours"] is not None:
            text += f", {_hours(row['hours'])} before detection (median)"
    if row["unknown"]:
        text += f"; for {row['unknown']:,} it is unknown"
    return [Sentence(f"{text}.", "caught", "worse" if row["late"] else "better")]


def _hours(hours: float) -> str:
    if hours < 1:
        return number(round(60 * hours), "minute")
    return number(round(hours), "hour") if hours < 72 else number(round(hours / 24), "day")
