"""The evidence pack of a period: a folder that answers an auditor and can be checked without us.

1. the ledger is verified as a whole; a pack is not made of one that does not hold.
2. populations as CSV files, straight from the tables.
3. numbers are counted in those files, by the queries that the page prints; exceptions come out of them.
4. the events of the period are tied to the signed root; a sample, and proofs of single events.
5. the page, OSCAL, the checkers.
6. the manifest with every file's digest, whose own digest becomes an event; its proof comes last.

The folder is made whole or not at all. Whoever calls holds the lake's lock, so that nothing is published
between the tables that are read and the log that they are compared with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from tasks.errors import InputError
from tasks.files import durable
from tasks.lake.store import Lake
from tasks.ledger import events_table, prove, recording, verify
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.verify import Verified
from tasks.pack import counting, exceptions, integrations, oscal, page, populations, schedule, summary, tree
from tasks.pack.measures import Measure, Ratio, Results, document, results
from tasks.pack.numbers import MEASURES, RATIOS
from tasks.pack.page import Figure, PackPage, Population
from tasks.pack.parameters import PackSettings
from tasks.pack.populations import Period, Recorded
from tasks.pack.rendering import render, render_summary
from tasks.review import sampling
from tasks.review.sample import Sample, draw_sample, opened_log

PROVEN = ("configuration", "erasure", "run")
"""Kinds of events of which each has a proof of its own in the pack."""
PROOFS = 1000
"""Such proofs at most, the newest first; some 3 kB each."""
CARRIED = ("check.py", "check_proof.py", "ed25519.py")
FORMAT = 1
"""Of manifest.json."""


@dataclass(frozen=True)
class Pack:
    """What was made."""

    folder: Path
    since: date
    until: date
    manifest_sha256: str
    event_index: int
    states: dict[str, int]
    exceptions: int
    exceptions_open: int
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**self.__dict__, "folder": str(self.folder)}


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a pack is made under: the configuration's part in it, and who makes it when."""

    ledger: LedgerSettings
    pack: PackSettings
    cron: str
    timezone: str
    policies: pl.DataFrame
    """`populations.POLICY_DOCUMENTS`."""
    inventory: Callable[[date, date], pl.DataFrame]
    """Rows of INVENTORY about a period: what was in use, beside what is declared."""
    nonce: str
    """Words that the sample is drawn by."""
    has_summary: bool = False
    """Management's view is written too, with the period before beside it."""
    run_id: str
    actor: str
    now: datetime


def make(lake: Lake, folder: Path, since: date, until: date, given: Circumstances) -> Pack:
    """Makes the pack of the UTC days from `since` to `until`, both included. Hold the lake's lock.

    Raises:
        InputError: the days are in the wrong order or in the future, the folder is not empty, or no ledger.
        IntegrityError, Unverifiable: the lake is not what was signed, or that cannot be told.
    """
    if since > until or since > given.now.date():
        raise InputError(f"--from {since} --to {until}: expected days in order that are not in the future")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: not an empty folder; give one that does not exist yet")
    opened = opened_log(lake)
    verified = verify.verify(lake, given.ledger, now=given.now)  # (1)
    verified.require()
    period = Period(since=since, until=until, now=given.now, size=opened.head.size)
    with durable.whole_folder(folder) as scratch:
        work = _Work(lake, opened, verified, period, given, scratch, folder)
        return work.all()


@dataclass
class _Work:
    """One pack in the making; its steps share what was read."""

    lake: Lake
    opened: Log
    verified: Verified
    period: Period
    given: Circumstances
    folder: Path
    place: Path

    def all(self) -> Pack:
        """Steps 2 to 6."""
        measures, counted, found = self.counted()
        low, high = self.tied()
        drawn = self.sampled(counted.count("events.sampled_from"))
        proofs, left_out = self.proven(low)
        shown = self.page(
            measures, counted, found, bounds=(low, high), drawn=drawn, proofs=(proofs, left_out)
        )
        self.written(shown, measures, counted)
        digest, index = self.sealed()
        states = {each: shown.state_count(each) for each in (page.CLEAN, page.EXCEPTIONS, page.UNTESTED)}
        return Pack(
            self.place, self.period.since, self.period.until, digest, index, states,
            counted.count("exceptions.all"), counted.count("exceptions.open"), list(shown.notes),
        )  # fmt: skip

    def counted(self) -> tuple[list[Measure], Results, pl.DataFrame]:
        """(2) and (3): the files, every number, and the exceptions."""
        sizes = [size for size in self.opened.sizes() if size <= self.period.size]
        given, period = self.given, self.period
        expected, following = schedule.expected(self.schedules(period), period.since, period.until)
        recorded = Recorded(
            checkpoints=[self.opened.checkpoint(size) for size in sizes],
            erasures=self.verified.erasures,
            expected=expected,
            following=following,
            policies=given.policies,
            inventory=given.inventory(period.since, period.until),
        )
        frames = populations.populations(self.lake, self.period, recorded)
        if given.has_summary:
            self.previous(recorded)
        where = self.folder / "populations"
        populations.write(where, frames)
        read = {name: populations.read(where, name) for name in frames}
        found = exceptions.exceptions(
            read,
            self.given.pack.responses,
            is_outside_checked=bool(self.verified.outside),
            until=self.period.until.isoformat(),
        )
        populations.write(where, {"exceptions": found.lazy()})
        rows = [Measure(f"{name}.rows", "rows") for name in (*frames, "exceptions", "criteria")]
        first = [*MEASURES, *page.per_criterion(), *(m for m in rows if m.name != "criteria.rows")]
        if given.has_summary:
            first += summary.measures()
        counts = counting.counts(self.lake, self.folder, first)
        figures = page.figures(first, self.ratios(), results(counts, self.ratios()))
        sections = page.sections(figures, found, self.given.pack)
        populations.write(where, {"criteria": page.criteria(sections).lazy()})
        last = [*page.STATES, *(m for m in rows if m.name == "criteria.rows")]
        counts |= counting.counts(self.lake, self.folder, last)
        return [*first, *last], results(counts, self.ratios()), found

    def schedules(self, period: Period) -> list[schedule.Schedule]:
        """Those that held in a period."""
        today = schedule.Schedule(self.given.cron, self.given.timezone)
        runs = self.lake.scan("runs").select("run_id", "started_at").collect()
        return schedule.history(self.lake, runs, today, period.since, period.until)

    def ratios(self) -> list[Ratio]:
        """Every share that is shown."""
        return [*RATIOS, *(summary.ratios() if self.given.has_summary else ())]

    def previous(self, recorded: Recorded) -> None:
        """The populations of the period before, and their exceptions."""
        period = summary.before(self.period)
        expected, following = schedule.expected(self.schedules(period), period.since, period.until)
        used = self.given.inventory(period.since, period.until)
        frames = populations.populations(
            self.lake, period, replace(recorded, expected=expected, following=following, inventory=used)
        )
        where = self.folder / "previous"
        populations.write(where, {name: frames[name] for name in summary.FILES})
        found = exceptions.exceptions(
            {name: populations.read(where, name) for name in summary.FILES},
            self.given.pack.responses,
            is_outside_checked=bool(self.verified.outside),
            until=period.until.isoformat(),
        )
        populations.write(where, {"exceptions": found.lazy()})

    def tied(self) -> tuple[int | None, int | None]:
        """(4) The range of the period's events, and what ties it to the root.

        The table of events agreed with the log in step 1; `check.py` computes the root from the file.
        """
        events = populations.read(self.folder / "populations", "events").select("sequence")
        bounds = events.select(
            low=pl.col("sequence").cast(pl.Int64).min(), high=pl.col("sequence").cast(pl.Int64).max() + 1
        )
        low, high = bounds.collect().row(0)
        head = self.opened.head
        rest = tree.outside(low, high, head.size, self.opened.node()) if low is not None else []
        facts = {
            "low": low or 0,
            "high": high or 0,
            "size": head.size,
            "root": head.root.hex(),
            "outside": [each.hex() for each in rest],
        }
        durable.make_folder(self.folder / "proofs")
        durable.write_new(self.folder / "proofs" / "range.json", _json(facts))
        durable.write_new(self.folder / "proofs" / "checkpoint", str(head.note).encode())
        return low, high

    def sampled(self, population: int) -> Sample | None:
        """(4) The sample; None where nothing was judged."""
        if not population:
            return None
        durable.make_folder(self.folder / "samples")
        return draw_sample(
            self.lake,
            self.given.ledger,
            self.folder / "samples" / "verdicts",
            nonce=self.given.nonce,
            confidence=self.given.pack.confidence,
            tolerable=self.given.pack.tolerable,
            since=self.period.since,
            until=self.period.until,
            place=self.place / "samples" / "verdicts",
        )

    def proven(self, low: int | None) -> tuple[list[tuple[int, str]], int]:
        """(4) Proofs of single events, and how many have none."""
        if low is None:
            return [], 0
        events = populations.read(self.folder / "populations", "events")
        rows = events.filter(pl.col("kind").is_in(PROVEN)).select(
            pl.col("sequence").cast(pl.Int64), "kind"
        ).collect()  # fmt: skip
        kept = rows.tail(PROOFS)
        for index in kept["sequence"]:
            text = prove.prove_index(self.opened, index)
            durable.write_new(self.folder / "proofs" / f"{index}.tlog-proof", text.encode())
        return list(kept.iter_rows()), rows.height - kept.height

    def page(
        self,
        measures: Sequence[Measure],
        counted: Results,
        found: pl.DataFrame,
        *,
        bounds: tuple[int | None, int | None],
        drawn: Sample | None,
        proofs: tuple[list[tuple[int, str]], int],
    ) -> PackPage:
        """(5) What the page shows."""
        figures = page.figures(measures, self.ratios(), counted)
        runs = self.lake.scan("runs").select(pl.col("started_at").min()).collect().item()
        head = self.opened.head
        answered = exceptions.unanswered(found, self.given.pack.responses)
        notes = [
            f"[[pack.responses]] names {each!r}, which is not an exception in this pack." for each in answered
        ]
        if self.period.until >= self.period.now.date():
            notes.append("The period is not over: later events are not in this pack.")
        return PackPage(
            since=self.period.since,
            until=self.period.until,
            now=self.period.now,
            origin=head.origin,
            size=head.size,
            root=head.root.hex(),
            keys=self.keys(),
            verification=self.verified.statement,
            outside=self.verified.outside,
            first_run=runs,
            schedules=[each.words for each in self.schedules(self.period)],
            sections=page.sections(figures, found, self.given.pack),
            figures=figures,
            exceptions=found,
            exceptions_shown=self.given.pack.exceptions_shown,
            populations=self.files_of(figures),
            low=bounds[0],
            high=bounds[1],
            sample=self.sample_facts(drawn) if drawn else None,
            sample_limit=self.limit(drawn) if drawn else None,
            proofs=proofs[0],
            proofs_left_out=proofs[1],
            queries={m.name: m.sql() for m in measures},
            notes=notes,
        )

    def sample_facts(self, drawn: Sample) -> dict[str, object]:
        """What the page says of the sample."""
        facts = {"size": drawn.size, "population": drawn.population, "seed_words": self.given.nonce}
        return facts | {"confidence": self.given.pack.confidence}

    def limit(self, drawn: Sample) -> float:
        """The deviation rate that such a sample leaves possible where none of it deviates."""
        return sampling.upper_limit(0, drawn.size, self.given.pack.confidence, population=drawn.population)

    def files_of(self, figures: Mapping[str, Figure]) -> list[Population]:
        """Every population with its rows and digest."""
        paths = sorted((self.folder / "populations").glob("*.csv"))
        return [Population(p.stem, figures[f"{p.stem}.rows"], durable.sha256_file(p)) for p in paths]

    def keys(self) -> list[str]:
        """Public keys of the log: today's, and those that were handed over."""
        own = (self.opened.folder / "vkey").read_text("utf-8").strip()
        retired = self.lake.read_state(events_table.STATE).get("retired", [])
        return [own, *(key for key in retired if key != own)]

    def written(self, shown: PackPage, measures: Sequence[Measure], counted: Results) -> None:
        """(5) The files for people and machines."""
        durable.write_new(self.folder / "measures.json", _json(document(measures, self.ratios(), counted)))
        durable.write_new(self.folder / "index.html", render(shown).encode())
        if self.given.has_summary:
            lines = summary.lines(shown.figures, self.given.pack.availability_target)
            text = render_summary(shown, lines, summary.before(self.period))
            durable.write_new(self.folder / "summary.html", text.encode())
        for name in CARRIED:
            carried = (files("tasks.pack") / "carried" / f"{name}.txt").read_bytes()
            durable.write_new(self.folder / name, carried)
        digests = {f"populations/{each.name}.csv": each.sha256 for each in shown.populations}
        results_of = oscal.assessment_results(shown, digests, version("claimledger"))
        durable.make_folder(self.folder / "oscal")
        durable.write_new(self.folder / "oscal" / "assessment-results.json", _json(results_of))
        durable.make_folder(self.folder / "integrations")
        for name, body in integrations.documents(shown).items():
            durable.write_new(self.folder / "integrations" / name, _json(body))

    def sealed(self) -> tuple[str, int]:
        """(6) The manifest, its event, and the proof of that; the manifest's digest and the event's index."""
        head = self.opened.head
        paths = sorted(p for p in self.folder.rglob("*") if p.is_file())
        manifest = {
            "format": FORMAT,
            "from": self.period.since.isoformat(),
            "to": self.period.until.isoformat(),
            "made_at": self.given.now.isoformat(),
            "code_version": version("claimledger"),
            "checkpoint": {"origin": head.origin, "size": head.size, "root": head.root.hex()},
            "keys": self.keys(),
            "files": {
                p.relative_to(self.folder).as_posix(): {
                    "sha256": durable.sha256_file(p),
                    "bytes": p.stat().st_size,
                }
                for p in paths
            },
        }
        data = _json(manifest)
        durable.write_new(self.folder / "manifest.json", data)
        digest = durable.sha256_file(self.folder / "manifest.json")
        recorded = recording.append_one(
            self.lake,
            self.given.ledger,
            "pack",
            run_id=self.given.run_id,
            now=self.given.now,
            actor=self.given.actor,
            subject_id=digest,
            manifest_sha256=digest,
            period_start_us=_microseconds(self.period.since),
            period_end_us=_microseconds(self.period.until + timedelta(days=1)),
        )
        now = Log.open(self.opened.folder)
        index = recorded.checkpoint.size - 1
        durable.write_new(
            self.folder / "proofs" / "manifest.tlog-proof", prove.prove_index(now, index).encode()
        )
        return digest, index


def _microseconds(day: date) -> int:
    """The first instant of a UTC day."""
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()
