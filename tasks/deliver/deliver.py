"""Door to all endpoints of a lake: each is sent what it lacks, in a thread of its own, so that none waits for
another; how each one stands; dead letters replayed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks import ids
from tasks.deliver import deliveries, outbox, secrets
from tasks.deliver.cursor import Cursor
from tasks.deliver.outbox import Outbox
from tasks.deliver.parameters import WebhookSettings
from tasks.deliver.sending import Sender
from tasks.errors import ClaimledgerError, InputError, IntegrityError, LakeError
from tasks.lake.store import Lake
from tasks.ledger import opening
from tasks.ledger.log import Log

BUSY = "another process is sending to it"
EVENTS_AT_ONCE = 200_000
"""Of a journal, made into rows at a time."""


@dataclass(frozen=True)
class Standing:
    """How an endpoint stands."""

    endpoint: str
    kind: str
    sent: int
    """Events acknowledged in this delivery."""
    acknowledged: int
    """Events acknowledged so far."""
    waiting: int
    """Events of the log that it has not acknowledged."""
    oldest_waiting_at: datetime | None
    """When the first of them happened."""
    dead: int
    """Dead letters."""
    failures: int
    """Attempts since the last one that was accepted."""
    error: str
    """What is wrong, in words; empty where nothing is."""
    succeeded_at: str
    silent_hours: float = 0.0
    """Hours since it took anything or, later, since what waits happened; 0 where nothing waits."""
    is_late: bool = False
    """They are more than its `late_after_hours`."""

    @property
    def is_well(self) -> bool:
        """It has everything, and nothing failed."""
        return not (self.waiting or self.dead or self.error)

    @property
    def sentence(self) -> str:
        """How it stands, in one line."""
        parts = [f"{self.acknowledged:,} events delivered"]
        if self.waiting:
            since = f" since {self.oldest_waiting_at:%Y-%m-%d %H:%M}Z" if self.oldest_waiting_at else ""
            parts.append(f"{self.waiting:,} waiting{since}")
        if self.is_late:
            parts.append(f"nothing was delivered for {self.silent_hours:,.0f} hours")
        if self.dead:
            parts.append(
                f"{self.dead:,} refused; resend with `claimledger deliver --replay {self.endpoint}` repeats"
            )
        if self.error:
            parts.append(self.error)
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "ok": self.is_well}


def deliver(
    lake: Lake, webhooks: Sequence[WebhookSettings], *, run_id: str, is_limited: bool = False
) -> list[Standing]:
    """Sends every endpoint what it has not acknowledged; how each one stands then.

    What an endpoint does wrong is in its standing; nothing of it is raised.

    Args:
        is_limited: end after each endpoint's `limit_s`, where something else waits for this.

    Raises:
        InputError: the lake has no ledger.
        IntegrityError: its ledger cannot be opened.
    """
    log = open_log(lake)

    def send(sender: Sender) -> None:
        sender.run()

    return _in_threads(lake, log, webhooks, send, is_limited=is_limited, run_id=run_id)


def replay(
    lake: Lake, webhooks: Sequence[WebhookSettings], name_or_id: str, *, run_id: str
) -> list[Standing]:
    """Sends dead letters again: all of the endpoint of that name, or the event of that id or index.

    Raises:
        InputError: there is no such endpoint and no such dead letter, or the lake has no ledger.
    """
    log = open_log(lake)
    named = [each for each in webhooks if each.name == name_or_id]
    letters = {
        each.name: _letters(log, Outbox.of(lake, each.name).cursor(), None if named else name_or_id)
        for each in named or webhooks
    }
    chosen = named or [each for each in webhooks if letters[each.name].height]
    if not chosen:
        raise InputError(
            f"--replay {name_or_id}: neither an endpoint's name nor the id or index of an event that one "
            "refused; `claimledger deliver --status` shows the endpoints' state"
        )

    def send(sender: Sender) -> None:
        cursor = sender.replay(letters[sender.settings.name])
        if not cursor.error:
            sender.run()

    return _in_threads(lake, log, chosen, send, is_limited=False, run_id=run_id)


def standings(lake: Lake, webhooks: Sequence[WebhookSettings]) -> list[Standing]:
    """How each endpoint stands, without sending anything.

    Raises:
        InputError: the lake has no ledger.
    """
    log = open_log(lake)
    return [_standing(log, lake, each) for each in webhooks]


def open_log(lake: Lake) -> Log:
    """The lake's log, for reading.

    Raises:
        InputError: it has none yet.
        IntegrityError: it is damaged or lost.
    """
    if not opening.exists(lake):
        raise InputError(opening.NONE_YET)
    return Log.open(opening.folder(lake))


def _letters(log: Log, cursor: Cursor, wanted: str | None) -> pl.DataFrame:
    """Rows of an endpoint's dead letters, all or the one of that id or index."""
    found = [outbox.event_at(log, index) for index in cursor.dead]
    letters = pl.concat([outbox.no_rows(), *found])
    if wanted is None:
        return letters
    index = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 19 else -1
    return letters.filter((pl.col("event_id") == wanted) | (pl.col("sequence") == index))


def _in_threads(
    lake: Lake,
    log: Log,
    webhooks: Sequence[WebhookSettings],
    send: Callable[[Sender], None],
    *,
    is_limited: bool,
    run_id: str,
) -> list[Standing]:
    """Each endpoint in its thread, to the end of all; an interruption ends them with their places kept."""
    stopping, done = threading.Event(), {}

    def work(settings: WebhookSettings) -> None:
        done[settings.name] = _one(lake, log, settings, send, stopping, is_limited=is_limited)

    threads = [threading.Thread(target=work, args=(each,), name=f"deliver {each.name}") for each in webhooks]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stopping.set()
        for thread in threads:
            thread.join()
        raise
    finally:
        for each in webhooks:
            with contextlib.suppress(LakeError):  # a run holds the lake: the next delivery makes the rows
                record(lake, each, run_id=run_id)
    standing = [(_standing(log, lake, each), *done[each.name]) for each in webhooks]
    return [replace(each, sent=sent, error=fault or each.error) for each, sent, fault in standing]


def _one(
    lake: Lake,
    log: Log,
    settings: WebhookSettings,
    send: Callable[[Sender], None],
    stopping: threading.Event,
    *,
    is_limited: bool,
) -> tuple[int, str]:
    """Events that one endpoint acknowledged, and what was wrong beside what its cursor says."""
    sender: Sender | None = None
    try:
        box = Outbox.of(lake, settings.name)
        end = time.monotonic() + settings.limit_s if is_limited else None
        with box.held() as is_mine:
            if not is_mine:
                return 0, BUSY
            given = secrets.secrets(settings)
            sender = Sender(settings, log, box, given, end, stopping)
            send(sender)
        return sender.sent, ""
    except ClaimledgerError as error:
        return sender.sent if sender else 0, str(error)
    except Exception as error:  # noqa: BLE001 - an endpoint's answer is hostile; the others and the night go on
        return sender.sent if sender else 0, f"unexpected {type(error).__name__}; report it as a bug"


def _standing(log: Log, lake: Lake, settings: WebhookSettings) -> Standing:
    error, cursor = "", Cursor()
    try:
        cursor = Outbox.of(lake, settings.name).cursor()
        outbox.check(log, cursor)
    except IntegrityError as damage:
        error = str(damage)
    oldest = None
    if cursor.next < log.head.size:
        oldest = outbox.event_at(log, cursor.next)["occurred_at"].item()
    silent_h = _silent_hours(cursor.succeeded_at, oldest)
    gone = "it is gone for good (410) and left alone until it is replayed by name" if cursor.is_gone else ""
    return Standing(
        endpoint=settings.name,
        kind=settings.kind,
        sent=0,
        acknowledged=cursor.next,
        waiting=max(0, log.head.size - cursor.next),
        oldest_waiting_at=oldest,
        dead=len(cursor.dead),
        failures=cursor.failures,
        error=error or gone or cursor.error,
        succeeded_at=cursor.succeeded_at,
        silent_hours=round(silent_h, 2),
        is_late=silent_h > settings.late_after_hours,
    )


def _silent_hours(succeeded_at: str, oldest: datetime | None) -> float:
    if oldest is None:
        return 0.0
    last = datetime.fromisoformat(succeeded_at) if succeeded_at else oldest
    return max(0.0, (datetime.now(UTC) - max(last, oldest)).total_seconds() / 3600)


def record(lake: Lake, settings: WebhookSettings, *, run_id: str) -> int:
    """Brings the table `deliveries` up to what an endpoint's journal says; the number of new rows.

    Raises:
        LakeError: a run holds the lake, or the disk refuses; the journal stays.
    """
    box = Outbox.of(lake, settings.name)
    with box.held() as is_mine:
        journal = box.journal() if is_mine else []
        published = 0
        for at, part in _portions(journal):
            frame = deliveries.of_journal(part, lake.scan("events"), endpoint=settings.name, run_id=run_id)
            unit = f"deliver-{ids.digest(settings.name, part[0]['at'], at)[:16]}"
            now = datetime.now(UTC).date()
            published += lake.commit(run_id, unit, {"deliveries": frame}, run_day=now)["deliveries"].published
        if journal:
            with contextlib.suppress(IntegrityError):  # a damaged cursor: its journal is what can mend it
                box.forget_journal()
    return published


def _portions(journal: Sequence[dict[str, Any]]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Neighbouring lines of about EVENTS_AT_ONCE events, with the place of the first."""
    start, events = 0, 0
    for at, line in enumerate(journal, 1):
        events += max(1, int(line["count"]))
        if events >= EVENTS_AT_ONCE or at == len(journal):
            yield start, list(journal[start:at])
            start, events = at, 0
