"""Legal holds: what no rule and no night may erase, by whom and why. Each is an event, and so is its release.

The log is the only record of holds: who deletes a file of the lake lifts none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from tasks import ids
from tasks.errors import InputError
from tasks.lake.store import Lake
from tasks.ledger import events, opening, recording
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Hold:
    """A hold that was placed: what it is about, until when, why, by whom."""

    hold_id: str
    reason: str
    actor: str
    placed_at: datetime
    use_case: str | None = None
    agent: str | None = None
    output_ids: tuple[str, ...] = ()
    until: datetime | None = None

    @property
    def sentence(self) -> str:
        """The hold in one line."""
        about = [
            f"use case {self.use_case}" if self.use_case else "",
            f"agent {self.agent}" if self.agent else "",
        ]
        if self.output_ids:
            about.append(f"{len(self.output_ids)} outputs, first {self.output_ids[0][:12]}")
        until = f"until {self.until:%Y-%m-%d}" if self.until else "until it is released"
        placed = f"placed {self.placed_at:%Y-%m-%d} by {self.actor}"
        what = " and ".join(filter(None, about))
        return f"{self.hold_id[:12]}: {what}, {until}; {placed}; reason: {self.reason}"

    @property
    def which(self) -> pl.Expr:
        """The rows of `outputs` that it holds."""
        held = pl.lit(value=True)
        if self.use_case is not None:
            held = held & (pl.col("use_case") == self.use_case)
        if self.agent is not None:
            held = held & (pl.col("agent") == self.agent)
        if self.output_ids:
            held = held & pl.col("output_id").is_in(list(self.output_ids))
        return held

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {**asdict(self), "placed_at": self.placed_at.isoformat(), "until": _iso(self.until)}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def place(
    lake: Lake,
    settings: LedgerSettings,
    *,
    reason: str,
    run_id: str,
    now: datetime,
    actor: str,
    use_case: str | None = None,
    agent: str | None = None,
    output_ids: Sequence[str] = (),
    until: datetime | None = None,
) -> Hold:
    """Places a hold; with several criteria, on what meets all of them.

    Raises:
        InputError: it is about nothing, about outputs that are not there, or over already.
        ConfigError: a value holds what looks like personal data, or the signing key is missing.
    """
    if use_case is None and agent is None and not output_ids:
        raise InputError("a hold is about a use case, an agent or outputs; give one of them")
    if until is not None and until <= now:
        raise InputError(f"--until {until:%Y-%m-%d} is over; give a later day")
    known = lake.scan("outputs").filter(pl.col("output_id").is_in(list(output_ids)))
    missing = set(output_ids) - set(known.select("output_id").collect()["output_id"])
    if missing:
        raise InputError(f"{min(missing)[:80]}: no output with this id in {lake.root}")
    hold_id = ids.digest("hold", run_id)
    shared: dict[str, object] = {"agent": agent, "use_case": use_case, "reason": reason, "phase": "placed"}
    shared |= {"until_us": None if until is None else (until - _EPOCH) // timedelta(microseconds=1)}
    each = [{"subject_id": hold_id, "output_id": output_id} for output_id in output_ids or (None,)]
    recording.append_each(lake, settings, "hold", each, run_id=run_id, now=now, actor=actor, **shared)
    return Hold(hold_id, reason, actor, now, use_case, agent, tuple(output_ids), until)


def release(
    lake: Lake, settings: LedgerSettings, hold: str, *, reason: str, run_id: str, now: datetime, actor: str
) -> Hold:
    """Releases a hold, named by its id or the beginning of it.

    Raises:
        InputError: there is no such hold, or several.
    """
    found = [each for each in holds(lake, now) if hold and each.hold_id.startswith(hold)]
    if len(found) != 1:
        raise InputError(
            f"{hold[:80]}: {len(found) or 'no'} holds in force begin so; "
            "`claimledger retention holds` lists them"
        )
    recording.append_one(
        lake,
        settings,
        "hold",
        run_id=run_id,
        now=now,
        actor=actor,
        subject_id=found[0].hold_id,
        reason=reason,
        phase="released",
    )
    return found[0]


def holds(lake: Lake, now: datetime) -> list[Hold]:
    """The holds in force, in the order in which they were placed.

    Raises:
        IntegrityError: the log is damaged.
    """
    if not opening.exists(lake):
        return []
    log = Log.open(opening.folder(lake))
    placed: dict[str, Hold] = {}
    for segment in log.segments:
        for data in segment.events(["hold"])["event"]:
            body = events.read(data)
            if body["phase"] == "released":
                placed.pop(body["subject_id"], None)
                continue
            before = placed.get(body["subject_id"])
            placed[body["subject_id"]] = _of(body, before.output_ids if before else ())
    return [hold for hold in placed.values() if hold.until is None or hold.until > now]


def _of(body: events.Body, before: tuple[str, ...]) -> Hold:
    output_id, until = body.get("output_id"), body.get("until_us")
    return Hold(
        body["subject_id"],
        body["reason"],
        body["actor"] or "",
        _EPOCH + timedelta(microseconds=body["occurred_at_us"]),
        body.get("use_case"),
        body.get("agent"),
        before + ((output_id,) if output_id else ()),
        None if until is None else _EPOCH + timedelta(microseconds=until),
    )
