"""The evidence pack, readable as a table of contents: hold the lake, make the folder."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl

from flows.actor import actor
from tasks.inventory import inventory
from tasks.lake.store import Lake
from tasks.pack import pack as evidence
from tasks.pack.pack import Circumstances, Pack
from tasks.pack.populations import POLICY_DOCUMENTS
from tasks.settings import Settings


def pack(
    lake: Lake,
    settings: Settings,
    folder: Path,
    since: date,
    until: date,
    *,
    nonce: str | None,
    has_summary: bool = False,
    run_id: str,
    now: datetime,
) -> Pack:
    """Makes the evidence pack of UTC days, both included.

    Args:
        nonce: words that the sample is drawn by; by default those of the period, which nobody chose.
        has_summary: management's view is written too.

    Raises:
        InputError, IntegrityError, Unverifiable, ConfigError: as `tasks.pack.pack.make`.
    """

    def used(first: date, last: date) -> pl.DataFrame:
        end = min(now, datetime.combine(last + timedelta(days=1), time(), UTC))
        return inventory.compare(lake, settings.inventory, run_id=run_id, now=end, since=first, until=last)

    given = Circumstances(
        ledger=settings.ledger,
        pack=settings.pack,
        cron=settings.schedule.cron,
        timezone=settings.schedule.timezone,
        policies=pl.DataFrame(
            [
                (
                    each.label,
                    each.owner,
                    each.approver,
                    each.approved_on,
                    each.effective_from,
                    each.effective_until,
                )
                for each in settings.policies
            ],
            schema=POLICY_DOCUMENTS,
            orient="row",
        ),
        inventory=used,
        nonce=nonce or f"pack {since} to {until}",
        has_summary=has_summary,
        run_id=run_id,
        actor=actor(),
        now=now,
    )
    with lake.lock("evidence pack"):
        return evidence.make(lake, folder, since, until, given)
