"""The ledger of a lake: what the tables hold is recorded in the log, once, and signed.

Belongs here: which rows have no event yet, which keys sign, the `events` table as a rendering of the log.
Does not belong here: the log's files (`log.py`), the fields of events (`ledger/events.py`), checking
(`ledger_verify.py`).

`record` reads what is published and not yet in the log, so that it may be called at any time, by any run,
twice or after a crash: it appends what is missing and nothing else. Nobody hands it rows that could differ
from those in the tables.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks import ids
from tasks.decide.policies import Policy
from tasks.errors import ConfigError, IntegrityError
from tasks.lake import commits
from tasks.lake.store import Lake
from tasks.ledger import canonical, events, key_places, keys, segments
from tasks.ledger.key_places import key_folder, prepare_place, short
from tasks.ledger.keys import Signer
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint, PublicKey
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.vault import Vault
from tasks.schema import conform
from tasks.tables import EVENTS, TABLES

key_path = key_places.key_path
log = logging.getLogger("claimledger.ledger")
STATE = "ledger"
_BATCH = 100_000
"""Events gathered before they are appended: bounds memory on a first night with years of history."""
_UNIT = "events-"
_PERSONAL = re.compile(r"[\w.+-]+@[\w-]+\.\w+|\d[\d ().-]{7,}\d")


@dataclass(frozen=True)
class Recorded:
    """What `record` did: the newest checkpoint, events appended, sentences about what needs attention."""

    checkpoint: Checkpoint
    appended: int
    notices: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class Ledger:
    """An open ledger of a lake that this process may append to; hold the lake's lock while it lives."""

    lake: Lake
    log: Log
    signers: tuple[Signer, ...]
    vault: Vault
    notices: list[str]

    @property
    def public(self) -> list[PublicKey]:
        """Public keys of the signers."""
        return [s.public for s in self.signers]


def folder(lake: Lake) -> Path:
    """LAKE/ledger."""
    return lake.root / "ledger"


def vault_of(lake: Lake, settings: LedgerSettings, origin: str) -> Vault:
    """The vault of a lake's ledger."""
    return Vault(key_folder(settings) / f"{short(origin)}.vault.sqlite", lake.root / "vault")


def exists(lake: Lake) -> bool:
    """Whether the lake has a ledger.

    Raises:
        IntegrityError: it had one, and the folder is gone: never a reason to begin a new history.
    """
    if (folder(lake) / "checkpoint").exists():
        return True
    traces = []
    if lake.read_state(STATE):
        traces.append("LAKE/state/ledger.json")
    if any((folder(lake) / "segments").glob("*.json")):
        traces.append("segments without a checkpoint")
    if not lake.scan("events").head(1).collect().is_empty():
        traces.append("rows in the events table")
    if traces:
        raise IntegrityError(
            f"{folder(lake)}: the ledger is lost ({', '.join(traces)} show that there was one); restore the "
            "folder from a copy, a new history is never begun in its place"
        )
    return False


def initialise(lake: Lake, settings: LedgerSettings) -> Ledger:
    """Makes the lake's ledger and, where none is configured, its key: `ledger init`.

    Raises:
        ConfigError: a configured key is missing or unusable.
        LakeError, IntegrityError: there is or was a ledger already.
    """
    notices = []
    if exists(lake):
        raise ConfigError(f"{folder(lake)}: a ledger is there already; `ledger rotate` gives it a new key")
    origin = settings.origin or _kept_origin(lake) or f"claimledger.local/{secrets.token_hex(8)}"
    path = key_path(settings, origin)
    if not settings.signer and not path.exists():
        prepare_place(settings, path, lake.root)
        keys.write_key(path, keys.new_signer(origin))
        notices.append(
            f"made the ledger's signing key at {path} (readable by you alone); back it up, and give auditors "
            f"the public key in {folder(lake) / 'vkey'}"
        )
    signers = key_places.signers(settings, origin, lake.root, None)
    made = Log.create(folder(lake), origin, signers)
    lake.write_state(STATE, {"origin": origin, "rendered": 0})
    for notice in notices:
        log.info("%s", notice)
    return Ledger(lake, made, signers, vault_of(lake, settings, origin), notices)


def _kept_origin(lake: Lake) -> str | None:
    """The origin of a ledger whose making was interrupted before its first checkpoint."""
    try:
        return (folder(lake) / "origin").read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def open_ledger(lake: Lake, settings: LedgerSettings) -> Ledger:
    """Opens the ledger for appending, finishing what a crash left; makes one where there never was one.

    Raises:
        ConfigError: the signing key is missing or another than the one that signed so far.
        IntegrityError: the ledger is lost, damaged, or signed by a key that is not ours.
    """
    if not exists(lake):
        return initialise(lake, settings)
    opened = Log.open(folder(lake))
    signers = key_places.signers(settings, opened.origin, lake.root, opened.head)
    retired = lake.read_state(STATE).get("retired", [])
    for signer in signers:
        if str(signer.public) in retired:
            raise ConfigError(
                f"{signer.public}: the ledger was handed over to another key, {_vkey(lake)}; "
                "configure that one"
            )
    ledger = Ledger(lake, opened, signers, vault_of(lake, settings, opened.origin), [])
    try:
        ledger.notices += opened.recover(ledger.public)
    except IntegrityError as error:
        if "signed by none" in str(error):
            raise ConfigError(
                f"{key_path(settings, opened.origin)}: this key did not sign the ledger in {folder(lake)}; "
                "configure the key that did"
            ) from None
        raise
    for notice in ledger.notices:
        log.warning("%s", notice)
    render(ledger)
    return ledger


def _vkey(lake: Lake) -> str:
    try:
        return (folder(lake) / "vkey").read_text("utf-8").strip()
    except OSError:
        return "which LAKE/ledger/vkey should name"


def erased_outputs(lake: Lake) -> set[str]:
    """Outputs that an erasure event names; whoever pulls records leaves these out for ever."""
    events_table = lake.scan("events").filter(pl.col("kind") == "erasure")
    return set(events_table.select("subject_id").collect()["subject_id"])


# Recording ------------------------------------------------------------------------------------------------


def record(
    lake: Lake,
    settings: LedgerSettings,
    policies: Sequence[Policy],
    *,
    run_id: str,
    now: datetime,
    since: date | None = None,
    until: date | None = None,
) -> Recorded:
    """Appends an event for every published row that has none yet, signs, renders, and tells the witnesses.

    Args:
        since, until: UTC days of `produced_at` to look at; all days where they are None, which also finds
            what an interrupted run published and did not record.

    Raises:
        ConfigError, IntegrityError: as `open_ledger`.
        LakeError: locked, full or read-only; nothing is lost, the next call records the same.
    """
    with lake.lock("recording in the ledger"):
        ledger = open_ledger(lake, settings)
        before = ledger.log.head.size
        waiting: list[pl.DataFrame] = []
        session = _Session(ledger, policies, run_id, now)
        for frame in _missing(session, since, until):
            waiting.append(frame)
            if sum(f.height for f in waiting) >= _BATCH:
                ledger.log.append(pl.concat(waiting), ledger.signers, run_id)
                waiting = []
        if waiting:
            ledger.log.append(pl.concat(waiting), ledger.signers, run_id)
        if session.learned:
            _remember(lake, **session.learned)
        render(ledger)
        return tell(ledger, settings, before)


def record_start(
    lake: Lake,
    settings: LedgerSettings,
    policies: Sequence[Policy],
    row: Mapping[str, Any],
    sections: Mapping[str, str] | None = None,
) -> Recorded:
    """Appends the start of a run and, where policies or settings are others than before, events that say so.

    Witnesses are told at the run's end: its start adds nothing that they would miss.

    Args:
        row: one row of `runs`, complete or not: run_id, flow, started_at, status, code_version, policy.
        sections: the configuration as `Settings.sections` gives it; None where there is none to compare.
    """
    schema = TABLES["runs"].schema
    values = {name: row.get(name) for name in schema}
    counts = dict.fromkeys(("rows_in", "rows_out", "rows_quarantined"), 0)
    frame = pl.DataFrame([{**values, **counts, "finished_at": values["started_at"]}], schema=schema)
    with lake.lock("recording in the ledger"):
        ledger = open_ledger(lake, settings)
        before = ledger.log.head.size
        if ledger.log.find(events.run_subjects(frame["run_id"], "start")).is_empty():
            start = events.runs(frame, "start", {})
            changes = _policy_change(ledger, policies, str(row["run_id"]), row["started_at"])
            learned: dict[str, Any] = {"policies": _policies_digest(policies)}
            if sections is not None:
                learned["sections"] = {n: hashlib.sha256(t.encode()).hexdigest() for n, t in sections.items()}
                changes += _settings_changes(
                    ledger, learned["sections"], str(row["run_id"]), row["started_at"]
                )
            ledger.log.append(pl.concat([start, *changes]), ledger.signers, str(row["run_id"]))
            _remember(lake, **learned)
        render(ledger)
        return Recorded(ledger.log.head, ledger.log.head.size - before, ledger.notices)


def record_again(
    lake: Lake,
    settings: LedgerSettings,
    policies: Sequence[Policy],
    judged_again: pl.DataFrame,
    *,
    run_id: str,
) -> Recorded:
    """Appends a re-verification for verdicts reached again by the same verifier, policy and snapshot.

    Their rows are in the tables already and stay as they are, so the event says the new probabilities by
    value, lists the passages that were shown again, and binds no row. Recording the same run twice appends
    nothing.

    Args:
        judged_again: VERDICTS frame of this run; verdicts the log does not know are left to `record`.
    """
    with lake.lock("recording in the ledger"):
        ledger = open_ledger(lake, settings)
        before = ledger.log.head.size
        known = ledger.log.find(judged_again["verdict_id"])
        mine = known.filter(pl.col("run_id") == run_id)["subject_id"]
        fresh = judged_again.filter(
            pl.col("verdict_id").is_in(known["subject_id"].implode())
            & ~pl.col("verdict_id").is_in(mine.implode())
        )
        if fresh.height:
            earlier = known.group_by("claim_id").agg(pl.col("sequence").max().alias("earlier_index"))
            days = fresh["produced_at"].dt.date().sort().to_list()

            def rows(table: str) -> pl.LazyFrame:
                return lake.scan(table, since=days[0], until=days[-1])

            frames = verdict_frames(lake, rows, fresh)
            output_keys = ledger.vault.keys(fresh["output_id"])
            again = events.verifications(frames, output_keys, earlier, policies, binds_rows=False)
            ledger.log.append(again, ledger.signers, run_id)
        render(ledger)
        return tell(ledger, settings, before)


def append_one(
    lake: Lake,
    settings: LedgerSettings,
    kind: str,
    *,
    run_id: str,
    now: datetime,
    subject_id: str,
    **values: Any,
) -> Recorded:
    """Appends a single event, such as an erasure.

    Raises:
        ConfigError: a value holds what looks like personal data, which could never leave the log again.
    """
    for name, value in values.items():
        if isinstance(value, str) and not re.fullmatch("[0-9a-f]{64}", value) and _PERSONAL.search(value):
            raise ConfigError(
                f"{name}: it seems to hold an e-mail address or a number of a person, and what enters the "
                "ledger stays for ever; word it without"
            )
    with lake.lock("recording in the ledger"):
        ledger = open_ledger(lake, settings)
        before = ledger.log.head.size
        frame = events.one(kind, occurred_at=now, subject_id=subject_id, run_id=run_id, **values)
        ledger.log.append(frame, ledger.signers, run_id)
        render(ledger)
        return tell(ledger, settings, before)


@dataclass(frozen=True)
class _Session:
    """What the steps of one recording share."""

    ledger: Ledger
    policies: Sequence[Policy]
    run_id: str
    now: datetime
    learned: dict[str, str] = field(default_factory=dict)
    """State to keep once the events that say so are in the log."""


def _missing(session: _Session, since: date | None, until: date | None) -> Iterator[pl.DataFrame]:
    """Events of everything that is published and not in the log, in small frames."""
    ledger, lake = session.ledger, session.ledger.lake
    days = {day for table in ("verdicts", "actions", "findings", "flips") for day in lake.days(table)}
    for day in sorted(days):
        if (since is None or day >= since) and (until is None or day <= until):
            yield from _missing_of_day(session, day)
    yield from _missing_reviews(ledger)
    health = lake.scan("health", verify=True).filter(~pl.col("ok")).collect()
    health = _unseen(ledger, health, events.health_subjects(health))
    if health.height:
        yield events.health_alarms({"health": health})
    runs = lake.scan("runs", verify=True).collect()
    runs = _unseen(ledger, runs, events.run_subjects(runs["run_id"], "end"))
    if runs.height:
        yield events.runs(runs, "end", {r: commits_digest(lake.root, r) for r in runs["run_id"]})


def _missing_of_day(session: _Session, day: date) -> Iterator[pl.DataFrame]:
    ledger, lake = session.ledger, session.ledger.lake

    def rows(table: str) -> pl.LazyFrame:
        return lake.scan(table, since=day, until=day, verify=True)

    def unseen(table: str, key: str) -> pl.DataFrame:
        frame = rows(table).collect()
        return _unseen(ledger, frame, frame[key])

    verdicts = unseen("verdicts", "verdict_id")
    actions = unseen("actions", "action_id")
    found = unseen("findings", "finding_id")
    flips = unseen("flips", "flip_id")
    concerned = pl.concat([f["output_id"] for f in (verdicts, actions, found, flips)])
    output_ids = concerned.unique(maintain_order=True)
    if output_ids.is_empty():
        return
    outputs = rows("outputs").filter(pl.col("output_id").is_in(output_ids.implode())).collect()
    output_keys = ledger.vault.keys(output_ids)
    ledger.vault.keep_salts(output_keys)
    if verdicts.height:
        frames = verdict_frames(lake, rows, verdicts)
        yield from _verifier_change(session, verdicts)
        earlier = (
            ledger.log.find(verdicts["claim_id"].unique(), "claim_id")
            .filter(pl.col("kind").is_in(["verification", "re-verification"]))
            .group_by("claim_id")
            .agg(pl.col("sequence").max().alias("earlier_index"))
        )
        yield events.verifications(frames, output_keys, earlier, session.policies)
    if actions.height:
        yield events.actions({"actions": actions, "outputs": outputs}, output_keys)
    if found.height:
        yield events.findings({"findings": found}, output_keys)
    if flips.height:
        first = (
            ledger.log.find(flips["verdict_id_before"].unique())
            .group_by(verdict_id_before="subject_id")
            .agg(pl.col("sequence").min().alias("earlier_index"))
        )
        yield events.flips({"flips": flips}, output_keys, first)


def verdict_frames(
    lake: Lake, rows: Callable[[str], pl.LazyFrame], verdicts: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """Rows of every table that belong to some verdicts of one day; `rows` scans a table's day."""
    claim_ids = verdicts.lazy().select("claim_id").unique()
    evidence = rows("evidence").join(claim_ids, on="claim_id", how="semi").collect()
    passage_ids = evidence.lazy().select("passage_id").unique()
    passages = [rows("passages").join(passage_ids, on="passage_id", how="semi").collect()]
    if (evidence["origin"] == "corpus").any():
        corpus = lake.scan("passages", verify=True).filter(pl.col("corpus") != "context")
        passages.append(corpus.join(passage_ids, on="passage_id", how="semi").collect())
    output_ids = verdicts.lazy().select("output_id").unique()
    return {
        "verdicts": verdicts,
        "claims": rows("claims").join(claim_ids, on="claim_id", how="semi").collect(),
        "evidence": evidence,
        "passages": pl.concat(passages).unique("passage_id", maintain_order=True),
        "actions": rows("actions").join(output_ids, on="output_id", how="semi").collect(),
    }


def _missing_reviews(ledger: Ledger) -> Iterator[pl.DataFrame]:
    lake = ledger.lake
    reviews = lake.scan("reviews", verify=True).collect()
    reviews = _unseen(ledger, reviews, reviews["review_id"])
    if reviews.is_empty():
        return
    verdict_ids = reviews.lazy().select("verdict_id").unique()
    judged = (
        lake.scan("verdicts")
        .join(verdict_ids, on="verdict_id", how="semi")
        .select("verdict_id", "output_id")
        .collect()
        .join(
            ledger.log.find(reviews["verdict_id"].unique())
            .group_by("subject_id")
            .agg(pl.col("sequence").max().alias("earlier_index")),
            left_on="verdict_id",
            right_on="subject_id",
            how="left",
        )
    )
    output_keys = ledger.vault.keys(judged["output_id"])
    ledger.vault.keep_salts(output_keys)
    yield events.reviews({"reviews": reviews}, output_keys, judged)


def _unseen(ledger: Ledger, frame: pl.DataFrame, subjects: pl.Series) -> pl.DataFrame:
    """Rows whose event is not in the log."""
    if frame.is_empty():
        return frame
    logged = ledger.log.find(subjects)["subject_id"].unique()
    return frame.filter(~subjects.is_in(logged.implode()))


def _verifier_change(session: _Session, verdicts: pl.DataFrame) -> Iterator[pl.DataFrame]:
    before = session.learned.get("verifier") or session.ledger.lake.read_state(STATE).get("verifier")
    for verifier in verdicts.sort("verified_at")["verifier"].unique(maintain_order=True):
        if verifier == before:
            continue
        yield events.one(
            "configuration",
            occurred_at=session.now,
            subject_id=verifier,
            run_id=session.run_id,
            change="verifier",
            before=before,
            after=verifier,
            policies=[],
        )
        before = session.learned["verifier"] = verifier


def _policy_change(
    ledger: Ledger, policies: Sequence[Policy], run_id: str, now: datetime
) -> list[pl.DataFrame]:
    before, after = ledger.lake.read_state(STATE).get("policies"), _policies_digest(policies)
    if before == after:
        return []
    change = events.one(
        "configuration",
        occurred_at=now,
        subject_id=after,
        run_id=run_id,
        change="policies",
        before=before,
        after=after,
        policies=events.policies_field(policies),
    )
    return [change]


def _settings_changes(
    ledger: Ledger, after: Mapping[str, str], run_id: str, now: datetime
) -> list[pl.DataFrame]:
    """One event per section of the configuration that is another than before; one for all at first."""
    before: dict[str, str] | None = ledger.lake.read_state(STATE).get("sections")
    changes: list[tuple[str, str | None, str | None]]
    if before is None:
        changes = [
            ("settings", None, ids.digest("settings", *(f"{n} {d}" for n, d in sorted(after.items()))))
        ]
    else:
        names = sorted({*before, *after})
        changes = [(f"settings.{n}", before.get(n), after.get(n)) for n in names]
    return [
        events.one(
            "configuration",
            occurred_at=now,
            subject_id=ids.digest("configuration", change, new),
            run_id=run_id,
            change=change,
            before=old,
            after=new,
            policies=[],
        )
        for change, old, new in changes
        if old != new
    ]


def _policies_digest(policies: Sequence[Policy]) -> str:
    return ids.digest("policies", *(p.sha256 for p in policies))


def _remember(lake: Lake, **values: Any) -> None:
    lake.write_state(STATE, {**lake.read_state(STATE), **values})


def commits_digest(root: Path, run_id: str) -> str:
    """Digest over what a run's commit manifests name: `sha256  path` of every file, sorted, events apart."""
    lines = []
    for path in sorted((root / "runs" / run_id / "commits").glob("*.json")):
        if path.name.startswith((".", "_", _UNIT)):
            continue
        record = commits._load(path)
        lines += [f"{file.sha256}  {file.place.as_posix()}" for file in commits.record_files(record)]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


# Rendering ------------------------------------------------------------------------------------------------


def rendered(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of the `events` table out of rows of segments."""
    return conform(
        EVENTS, frame.with_columns(body=canonical.text(frame["event"])).select(EVENTS.schema.names())
    )


def rendered_places(lake: Lake, segment: segments.Segment) -> list[Path]:
    """Files of the `events` table that the commit of a segment named, below the lake's root.

    Only a hint where to look: a manifest that is damaged or gone names none.
    """
    found = []
    folder = lake.root / "runs" / segment.run_id / "commits"
    for path in sorted(folder.glob(f"{_UNIT}{segment.number:06d}*.json")):
        with contextlib.suppress(IntegrityError, ValueError, OSError):
            found += [file.place for file in commits.record_files(commits._load(path))]
    return [place for place in found if place.parts[1] == "events"]


def render(ledger: Ledger) -> None:
    """Brings the `events` table up to the log's size; going over the same events changes nothing."""
    lake, size = ledger.lake, ledger.log.head.size
    done = int(lake.read_state(STATE).get("rendered", 0))
    if done >= size:
        return
    for segment in ledger.log.segments:
        if segment.end <= done:
            continue
        frame = rendered(segment.read())
        day = frame["occurred_at"].max()
        assert isinstance(day, datetime)  # noqa: S101 - a segment is never empty
        lake.commit(segment.run_id, f"{_UNIT}{segment.number:06d}", {"events": frame}, run_day=day.date())
    _remember(lake, origin=ledger.log.origin, rendered=size)


def tell(ledger: Ledger, settings: LedgerSettings, before: int) -> Recorded:
    """Shows the newest checkpoint to everybody configured, if there is one since the size `before`."""
    problems: list[str] = []
    if ledger.log.head.size > before:
        from tasks.ledger.witness import timestamps, witness

        problems = witness.tell(ledger.log, settings.witnesses)
        problems += timestamps.stamp(ledger.log, settings, ledger.lake.root)
    return Recorded(ledger.log.head, ledger.log.head.size - before, ledger.notices, problems)
