"""Whether what a source counts for a UTC day is what the lake accounts for, and which days were never pulled.

Belongs here: the comparison, frames in and frames out. Asking sources and the lake is `counting.py`.

(1) A source's own count is compared with the distinct records of the day that are published or were read just
now. (2) Where ids are listed they decide: an id is accounted for if an output of any day has it, or if it was
set aside as refused, as no answer, or as not yet complete. (3) A day that is not over is never a finding.
(4) A day without a record between days that have some is named, unless such weekdays are often empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from tasks.sources.base import LEFT_OUT, QUARANTINED, Tally
from tasks.tables import COMPLETENESS

COUNTED_AT_ONCE = 500_000
"""Ids that are held to be told apart: some 100 MB."""
IDS_KEPT = 1_000
"""Missing ids of a day that a row names; the count has all."""
DRAFT = pl.Schema({name: COMPLETENESS.schema[name] for name in COMPLETENESS.schema if name != "run_id"})
"""Rows of COMPLETENESS without their run."""
Draft = dict[str, Any]


@dataclass(frozen=True)
class CompletenessParameters:
    """Which days are looked at again, and when an empty day is worth a word."""

    late_days: int = 3
    """Days before the last one asked for that are asked for again every night: records are written late."""
    recheck_days: int = 31
    """A day that lacked records is asked for again as long; most systems keep traces for a month."""
    usual_share: float = 0.75
    """A day is named where so many of the other days of its weekday have records: three of four Sundays."""
    weekdays: int = 2
    """With fewer other days of that weekday, all other days are looked at."""
    least_days: int = 4
    """Days with records without which nothing is usual yet."""


@dataclass(frozen=True)
class Accounted:
    """What is known of a source's records."""

    published: pl.LazyFrame
    """`day` and `source_id` of published outputs around the days in question."""
    read: pl.LazyFrame
    """The same of outputs that were read just now; some may be published."""
    erased: str
    """What stands in the place of an erased output's id."""

    @cached_property
    def counts(self) -> dict[date, tuple[int, int]]:
        """By day, the records that are held, and how many of them are erased."""
        passes = self._passes()
        rows = pl.concat(self._counts(number, passes) for number in range(passes)).group_by("day").sum()
        return {day: (held, erased) for day, held, erased in rows.iter_rows()}

    def held(self, day: date) -> int:
        """Distinct records of a day."""
        return self.counts.get(day, (0, 0))[0]

    def _passes(self) -> int:
        rows = pl.concat([self.published, self.read]).select(pl.len()).collect(engine="streaming").item()
        return 1 + int(rows) // COUNTED_AT_ONCE

    def _counts(self, number: int, passes: int) -> pl.DataFrame:
        """Counts of a share of all ids: distinct ids have to be held, and a day may have millions."""
        share = pl.col("source_id").hash() % passes == number
        published, read = (
            frame.filter(share).collect(engine="streaming") for frame in (self.published, self.read)
        )
        new = read.unique().join(published, on=["source_id", "day"], how="anti")
        # Erased outputs have one id in common, and each counts.
        is_erased = pl.col("source_id") == self.erased
        whole = pl.col("source_id").filter(~is_erased).n_unique() + is_erased.sum()
        outputs = pl.concat([published.select("source_id", "day"), new.select("source_id", "day")])
        return outputs.group_by("day").agg(whole, erased=is_erased.sum())


def unmatched(tally: Tally, accounted: Accounted, aside: Mapping[str, str]) -> list[str]:
    """Ids that the source lists and neither the outputs near the day nor what was set aside have.

    Args:
        aside: of records that are not outputs, QUARANTINED or LEFT_OUT.
    """
    near = [tally.day + timedelta(days=n) for n in (-1, 0, 1)]
    both = pl.concat([each.select("source_id", "day") for each in (accounted.published, accounted.read)])
    own = both.filter(pl.col("day").is_in(near)).select(id="source_id")
    # An answer of a further root of a trace is called TRACE:SPAN.
    whole = own.filter(pl.col("id").str.contains(":", literal=True)).select(
        pl.col("id").str.replace(":[^:]*$", "")
    )
    listed = pl.LazyFrame({"id": tally.ids or []}, schema={"id": pl.String})
    left = listed.join(own, on="id", how="anti").join(whole, on="id", how="anti").collect()["id"]
    return [each for each in left if each not in aside]


def compared(
    tally: Tally, missing: Sequence[str], accounted: Accounted, aside: Mapping[str, str], *, today: date
) -> Draft:
    """A row of DRAFT for a day that the source counts, but for source and time.

    Args:
        missing: of its ids, those that are accounted for nowhere.
    """
    held, erased = accounted.counts.get(tally.day, (0, 0))
    refused = waiting = 0
    names: list[str] | None = None
    if tally.ids is None:
        lacking, ours = max(0, tally.count - held), held
        names = None if lacking else []
    else:
        fates = [aside[each] for each in tally.ids if each in aside]
        refused, waiting = fates.count(QUARANTINED), fates.count(LEFT_OUT)
        # Which of the ids an erased output had is not known any more.
        lacking = max(0, len(missing) - erased)
        ours = max(tally.count - lacking, 0)
        names = list(missing[:IDS_KEPT]) if lacking else []
    state, reason = _state(tally, lacking, held, today=today)
    if state == "surplus":
        ours = held
    return {
        "day": tally.day, "theirs": tally.count, "ours": ours, "missing_ids": names,
        "missing_count": lacking, "quarantined": min(refused, ours),
        "left_out": min(waiting, max(ours - refused, 0)), "basis": "source", "state": state, "reason": reason,
    }  # fmt: skip


def _state(tally: Tally, lacking: int, held: int, *, today: date) -> tuple[str, str | None]:
    if lacking and tally.day >= today:
        return "open", "the day is not over: what came after the pull is pulled next"
    if lacking:
        return "missing", f"the source has {lacking} of {tally.count} records that are accounted for nowhere"
    if tally.ids is None and held > tally.count:
        return "surplus", "the source has fewer records than were pulled: some were deleted or have expired"
    return "complete", None


def uncounted(day: date, held: int, why: str) -> Draft:
    """A row of DRAFT for a day of which the source's count is not known."""
    return {
        "day": day, "theirs": None, "ours": held, "missing_ids": None, "missing_count": None,
        "quarantined": 0, "left_out": 0, "basis": "none", "state": "unknown", "reason": why,
    }  # fmt: skip


def of_reader(counts: pl.DataFrame) -> list[Draft]:
    """Rows of DRAFT for the days of which a reader handed over so many outputs: `day`, `theirs`."""
    return [
        {
            "day": day, "theirs": count, "ours": count, "missing_ids": [], "missing_count": 0,
            "quarantined": 0, "left_out": 0, "basis": "reader", "state": "complete", "reason": None,
        }
        for day, count in counts.select("day", "theirs").sort("day").iter_rows()
    ]  # fmt: skip


def never_pulled(day: date) -> Draft:
    """A row of DRAFT for a day that is named."""
    why = "no record of this day, though the days around it and most of its weekday have some"
    return {
        "day": day, "theirs": None, "ours": 0, "missing_ids": None, "missing_count": None, "quarantined": 0,
        "left_out": 0, "basis": "none", "state": "never_pulled", "reason": why,
    }  # fmt: skip


def gaps(
    days: Sequence[date], empty: Sequence[date], parameters: CompletenessParameters | None = None
) -> list[date]:
    """Days between the first and the last that have no record and usually would.

    Args:
        days: those with records.
        empty: those that the source itself said to be empty.
    """
    bounds = parameters or CompletenessParameters()
    held = set(days)
    if len(held) < bounds.least_days:
        return []
    first, last = min(held), max(held)
    covered = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    excused = held | set(empty)
    named = []
    for day in covered:
        if day in excused:
            continue
        others = [each for each in covered if each != day and each.weekday() == day.weekday()]
        if len(others) < bounds.weekdays:
            others = [each for each in covered if each != day]
        if sum(each in held for each in others) >= bounds.usual_share * len(others):
            named.append(day)
    return named


def settled(draft: pl.DataFrame, lost: pl.DataFrame, refused: pl.DataFrame, run_id: str) -> pl.DataFrame:
    """COMPLETENESS rows, once everything is published.

    Args:
        draft: DRAFT rows.
        lost: `source`, `day`, `source_id` of what was read in this run and is neither published nor refused.
        refused: `source`, `day` of what was read and then refused by validation.
    """
    key = ["source", "day"]
    gone = lost.group_by(key).agg(gone=pl.len(), gone_ids=pl.col("source_id").head(IDS_KEPT))
    turned = refused.group_by(key).agg(turned=pl.len())
    is_lost = pl.col("gone") > 0
    words = pl.format(
        "{} records were read and are neither published nor refused; report this as a bug", "gone"
    )
    return (
        draft.join(gone, on=key, how="left")
        .join(turned, on=key, how="left")
        .with_columns(pl.col("gone", "turned").fill_null(0).cast(pl.Int64))
        .with_columns(
            ours=pl.max_horizontal(pl.col("ours") - pl.col("gone"), "quarantined", "left_out"),
            quarantined=pl.min_horizontal(pl.col("quarantined") + pl.col("turned"), "ours"),
            missing_count=pl.when(is_lost).then(pl.col("missing_count").fill_null(0) + pl.col("gone"))
            .otherwise("missing_count"),
            missing_ids=pl.when(is_lost)
            .then(pl.concat_list(pl.col("missing_ids").fill_null([]), "gone_ids").list.head(IDS_KEPT))
            .otherwise("missing_ids"),
            state=pl.when(is_lost).then(pl.lit("missing")).otherwise("state"),
            reason=pl.when(is_lost).then(words).otherwise("reason"),
            run_id=pl.lit(run_id),
        )
        .select(COMPLETENESS.schema.names())
        .cast(COMPLETENESS.schema)
    )  # fmt: skip
