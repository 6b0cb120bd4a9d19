"""Asks sources how many records their days have, and compares that with what was read and published.

The source is asked as soon as it is read, before a night's judging, so that what arrives meanwhile is no
difference; what was read counts as accounted for then, and is looked up in the lake once it is published.
A source that cannot be asked makes its days `unknown`, with the reason; it stops nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, Protocol

import polars as pl

from tasks.errors import SourceError
from tasks.files.refusal import shown
from tasks.sources import completeness, kinds
from tasks.sources.base import Tally
from tasks.sources.completeness import DRAFT, Accounted, CompletenessParameters, Draft
from tasks.sources.parameters import SourceSettings
from tasks.sources.receipts import READ, Receipt
from tasks.sources.shelves import write
from tasks.tables import ERASED, OUTPUTS

ASIDE = "aside"
"""Prefix of the lake's state of the records of the last weeks that are not outputs, by a source's name."""
DAYS_AT_ONCE = 31
ASIDE_IDS = 200_000
"""Records of a source that are remembered as no output; of more, the newest."""
FORGOTTEN = "more records were left out by rule than are remembered; read the day whole to compare it"
NAMED = 3
"""Days and ids that a sentence names."""


class Lake(Protocol):
    """What is needed of the store."""

    def scan(self, table: str, *, since: date | None = None, until: date | None = None) -> pl.LazyFrame:
        """Published rows."""
        ...

    def read_state(self, name: str) -> dict[str, Any]:
        """A small JSON document, empty where there is none."""
        ...

    def write_state(self, name: str, value: Mapping[str, Any]) -> None:
        """Keeps a small JSON document."""
        ...


@dataclass
class Compared:
    """What became of the comparison."""

    rows: pl.DataFrame
    """COMPLETENESS."""
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def ask(
    sources: Sequence[SourceSettings],
    lake: Lake,
    receipt: Receipt,
    *,
    now: datetime,
    since: date | None,
    until: date | None,
    parameters: CompletenessParameters | None = None,
) -> None:
    """Compares what each source counts with what it gave, now or earlier; stages that in the receipt.

    Args:
        receipt: what this pull read and set aside.
        since, until: UTC days of a range, to which the comparison is limited.
    """
    bounds = parameters or CompletenessParameters()
    days = _days_with_outputs(lake)
    counts = _counts_of_reader(receipt)
    parts = [DRAFT.to_frame()]
    for source in sources:
        of = _Source(source, lake, bounds, now.date(), (since, until), _last(lake, source.name), receipt)
        own = counts.filter(pl.col("source") == source.name)
        rows = list(of.rows(own, days.get(source.name, set())))
        parts.append(pl.DataFrame([{**row, "source": source.name, "checked_at": now} for row in rows], DRAFT))
    write(pl.concat(parts), receipt.draft)


def _counts_of_reader(receipt: Receipt) -> pl.DataFrame:
    """`source`, `day` and `theirs`: how many different outputs a reader handed over."""
    key, empty = ["source", "day"], {"source": pl.String, "day": pl.Date, "theirs": pl.UInt32}
    # Rows of one record are in one group, so that groups can be counted one after the other.
    parts = [rows.group_by(key).agg(theirs=pl.col("output_id").n_unique()) for rows in receipt.groups()]
    return pl.concat([pl.DataFrame(schema=empty), *parts]).group_by(key).sum()


def _days_with_outputs(lake: Lake) -> dict[str, set[date]]:
    day = pl.col("produced_at").dt.date().alias("day")
    frame = lake.scan(OUTPUTS.name).select("source", day).unique().collect(engine="streaming")
    days: dict[str, set[date]] = {}
    for source, each in frame.iter_rows():
        days.setdefault(source, set()).add(each)
    return days


@dataclass(frozen=True)
class _Source:
    """One source, what is known of it, and the rows that it gets."""

    source: SourceSettings
    lake: Lake
    bounds: CompletenessParameters
    today: date
    days: tuple[date | None, date | None]
    """UTC days of a range, if there is one."""
    last: Mapping[date, tuple[int | None, str]]
    """Count and state of the newest row of each day."""
    receipt: Receipt

    @property
    def counts(self) -> bool:
        """Whether it can be asked; exports of a server cannot."""
        return self.source.kind in kinds.COUNTING and not getattr(self.source, "path", "")

    def rows(self, read: pl.DataFrame, published: set[date]) -> Iterator[Draft]:
        """A row for each day that was asked for, read, or is named because it is empty."""
        held = published | set(read["day"])
        empty = [day for day, (theirs, _) in self.last.items() if theirs == 0]
        gaps = completeness.gaps(sorted(held), empty, self.bounds)
        if not self.counts:
            yield from completeness.of_reader(read)
        else:
            days = self._days(set(read["day"]), gaps)
            asked = {row["day"]: row for row in self._asked(days)}
            gaps = [day for day in gaps if day not in asked or asked[day]["state"] == "unknown"]
            asked = {day: row for day, row in asked.items() if day not in gaps}
            yield from asked.values()
        for day in gaps:
            if self.last.get(day, (None, ""))[1] != "never_pulled":
                yield completeness.never_pulled(day)

    def _days(self, read: set[date], gaps: Sequence[date]) -> list[date]:
        """Days to ask for: a range, or those read and all since the last that was asked for; what lacked
        records lately is asked for again.
        """
        since, until = self.days
        if since or until:
            until = min(until or self.today, self.today)
            return _between(since or min(read, default=until), until)
        asked = [day for day, (_, state) in self.last.items() if state not in ("unknown", "never_pulled")]
        days = set(read)
        if asked:
            late = max(asked) - timedelta(days=self.bounds.late_days)
            days |= set(_between(max(late, min(asked)), self.today))
        if read:
            days |= set(_between(min(read), self.today))
        oldest = self.today - timedelta(days=self.bounds.recheck_days)
        days |= {day for day, (_, state) in self.last.items() if state == "missing" and day >= oldest}
        return sorted(day for day in days | set(gaps) if day <= self.today)

    def _asked(self, days: Sequence[date]) -> Iterator[Draft]:
        """Rows of days that the source is asked for, some weeks at a time."""
        for first in range(0, len(days), DAYS_AT_ONCE):
            yield from self._some(days[first : first + DAYS_AT_ONCE])

    def _some(self, days: Sequence[date]) -> Iterator[Draft]:
        accounted = self._accounted(days)
        left = dict.fromkeys(days)
        try:
            for tally in kinds.COUNTING[self.source.kind].tally(
                self.source, days, lambda day, count: count != accounted.held(day)
            ):
                yield self._compared(tally, accounted)
                del left[tally.day]
        except (SourceError, OSError) as failure:
            for day in left:
                yield completeness.uncounted(day, accounted.held(day), shown(str(failure), 300))

    def _accounted(self, days: Sequence[date]) -> Accounted:
        # A trace that begins before midnight may be answered after it.
        since, until = min(days) - timedelta(days=1), max(days) + timedelta(days=1)
        is_own = pl.col("source") == self.source.name
        published = self.lake.scan(OUTPUTS.name, since=since, until=until).filter(is_own)
        read = self.receipt.read().filter(is_own, pl.col("day").is_between(since, until))
        return Accounted(
            published=published.select("source_id", day=pl.col("produced_at").dt.date()),
            read=read.select("source_id", "day"),
            erased=ERASED,
        )

    def _aside(self, tally: Tally) -> Mapping[str, str]:
        """What became of a day's records that are not outputs."""
        listed = pl.LazyFrame({"id": tally.ids or []}, schema={"id": pl.String})
        own = self.receipt.aside().filter(pl.col("source") == self.source.name).select("id", "fate")
        found = own.join(listed, on="id", how="semi", maintain_order="left").collect()
        return _Aside(dict(found.iter_rows()), self._remembered)

    @cached_property
    def _remembered(self) -> dict[str, str]:
        kept = self.lake.read_state(f"{ASIDE}-{self.source.name}").get("ids", {})
        return {identity: fate for identity, (fate, _) in kept.items()}

    @cached_property
    def _has_forgotten(self) -> bool:
        """Whether more was set aside lately than is remembered, and the days are not read whole now."""
        forgotten = self.lake.read_state(f"{ASIDE}-{self.source.name}").get("forgotten", "")
        oldest = self.today - timedelta(days=self.bounds.recheck_days)
        return not any(self.days) and bool(forgotten >= oldest.isoformat())

    def _compared(self, tally: Tally, accounted: Accounted) -> Draft:
        aside = self._aside(tally)
        missing = completeness.unmatched(tally, accounted, aside)
        if missing:
            elsewhere = (
                self.lake.scan(OUTPUTS.name)
                .filter(pl.col("source") == self.source.name, pl.col("source_id").is_in(missing))
                .select("source_id")
                .collect(engine="streaming")["source_id"]
            )
            known = set(elsewhere)
            missing = [each for each in missing if each not in known]
        if missing and self._has_forgotten:
            held = accounted.held(tally.day)
            return completeness.uncounted(tally.day, held, FORGOTTEN)
        return completeness.compared(tally, missing, accounted, aside, today=self.today)


class _Aside(Mapping[str, str]):
    """What became of records that are not outputs: those of this pull by id, earlier ones by its digest."""

    def __init__(self, own: Mapping[str, str], earlier: Mapping[str, str]) -> None:
        self._own, self._earlier = own, earlier

    def __getitem__(self, identity: str) -> str:
        return self._own[identity] if identity in self._own else self._earlier[_digest(identity)]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._own, *self._earlier])

    def __len__(self) -> int:
        return len(self._own) + len(self._earlier)


def settle(receipt: Receipt, lake: Lake, *, run_id: str, now: datetime) -> Compared:
    """The rows, once everything is published; remembers what is not an output."""
    there = lake.scan(OUTPUTS.name).select("output_id")
    parts = [READ.to_frame()]
    for read in receipt.groups():
        ids = read.lazy().select("output_id")
        published = there.join(ids, on="output_id", how="semi").collect(engine="streaming")
        parts.append(read.unique("output_id").join(published, on="output_id", how="anti"))
    absent = pl.concat(parts)
    refused = absent.clear()
    if absent.height:
        quarantine = lake.scan("quarantine").filter(pl.col("table") == OUTPUTS.name).select("locator")
        locators = quarantine.with_columns(output_id=pl.col("locator").str.head(64)).collect()
        refused = absent.join(locators, on="output_id", how="semi")
    lost = absent.join(refused, on="output_id", how="anti")
    rows = completeness.settled(pl.read_parquet(receipt.draft), lost, refused, run_id)
    _remember(lake, receipt.aside(), now)
    return Compared(rows, *_sentences(rows))


def as_dict(rows: pl.DataFrame) -> dict[str, Any]:
    """Days by state, and how many records are missing, of COMPLETENESS rows."""
    return {
        "days": rows.height,
        "states": dict(rows.group_by("state").len().sort("state").iter_rows()),
        "missing": int(rows.filter(pl.col("state") == "missing")["missing_count"].sum()),
    }


def in_words(rows: pl.DataFrame) -> str:
    """The same, for the terminal."""
    known = as_dict(rows)
    states = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in known["states"].items())
    return f"{known['days']} days compared" + (f": {states}" if states else "")


def _remember(lake: Lake, aside: pl.LazyFrame, now: datetime) -> None:
    oldest = (now.date() - timedelta(days=CompletenessParameters().recheck_days)).isoformat()
    today = now.date().isoformat()
    heights = aside.group_by("source").len().collect(engine="streaming")
    for source, height in heights.iter_rows():
        rows = aside.filter(pl.col("source") == source).tail(ASIDE_IDS).collect(engine="streaming")
        name = f"{ASIDE}-{source}"
        state = lake.read_state(name)
        kept = {each: mark for each, mark in state.get("ids", {}).items() if mark[1] >= oldest}
        new = {_digest(identity): [fate, today] for identity, fate in rows.select("id", "fate").iter_rows()}
        # The newest last, so that the oldest are forgotten.
        ordered = list(({each: mark for each, mark in kept.items() if each not in new} | new).items())
        dropped = ordered[:-ASIDE_IDS]
        forgotten = dropped[-1][1][1] if dropped else state.get("forgotten", "")
        forgotten = today if height > ASIDE_IDS else forgotten
        lake.write_state(name, {"ids": dict(ordered[-ASIDE_IDS:]), "forgotten": forgotten})


def _sentences(rows: pl.DataFrame) -> tuple[list[str], list[str]]:
    """(problems, warnings): a sentence a source for what is missing, and for days that were never pulled."""
    problems, warnings = [], []
    for (source,), own in rows.sort("day").group_by("source", maintain_order=True):
        missing = own.filter(pl.col("state") == "missing")
        if missing.height:
            problems.append(_missing(str(source), missing))
        gone = own.filter(pl.col("state") == "never_pulled")["day"]
        if gone.len():
            warnings.append(
                f"source {source!r}: no record of {_listed(gone)}, though days like that usually have some; "
                f"`claimledger audit {_range(gone)}` reads what is there"
            )
    return problems, warnings


def _missing(source: str, rows: pl.DataFrame) -> str:
    ids = rows["missing_ids"].drop_nulls().explode().drop_nulls()
    named = f" ({', '.join(shown(each, 60) for each in ids.head(NAMED))}{', …' if len(ids) > NAMED else ''})"
    return (
        f"source {source!r}: {rows['missing_count'].sum()} of {rows['theirs'].sum()} records of "
        f"{_listed(rows['day'])} are missing here{named if len(ids) else ''}; `claimledger audit "
        f"{_range(rows['day'])}` reads these days whole"
    )


def _listed(days: pl.Series) -> str:
    more = f" and {len(days) - NAMED} more days" if len(days) > NAMED else ""
    return ", ".join(str(day) for day in days.head(NAMED)) + more


def _range(days: pl.Series) -> str:
    ordered = days.sort()
    return f"--since {ordered[0]} --until {ordered[-1]}"


def _last(lake: Lake, source: str) -> dict[date, tuple[int | None, str]]:
    """What the newest row of each day says: the count and the state."""
    rows = (
        lake.scan("completeness")
        .filter(pl.col("source") == source)
        .sort("checked_at")
        .group_by("day")
        .agg(pl.col("theirs", "state").last())
        .collect()
    )
    return {day: (theirs, state) for day, theirs, state in rows.iter_rows()}


def _between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _digest(identity: str) -> str:
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]
