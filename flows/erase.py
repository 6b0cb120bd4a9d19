"""Erasure, readable as a table of contents: take the content away, then write the pages again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from flows.actor import actor
from tasks.lake.store import Lake
from tasks.ledger import opening
from tasks.ledger.parameters import LedgerSettings
from tasks.report import report, site
from tasks.report.page import Checkpoint
from tasks.review import erase as erasure
from tasks.review.erase import Erased


def erase(
    lake: Lake, settings: LedgerSettings, output_id: str, *, reason: str, run_id: str, now: datetime
) -> Erased:
    """Erases one output's content everywhere, and writes the pages that may have shown it again.

    Running it again finishes what was interrupted: a page that is missing is written again too.

    Raises:
        InputError, ConfigError, LakeError: as `tasks.review.erase.erase`.
    """
    with lake.lock("erasure"):
        done = erasure.erase(lake, settings, output_id, reason=reason, run_id=run_id, now=now, actor=actor())
        write_pages_again(lake, settings, done.reports, now=now)
    return done


def write_pages_again(
    lake: Lake, settings: LedgerSettings, report_ids: Iterable[str], *, now: datetime
) -> None:
    """Pages that an erasure removed, from what the lake then holds."""
    head = opening.open_ledger(lake, settings).log.head
    checkpoint: Checkpoint = {"origin": head.origin, "size": head.size, "root": head.root.hex()}
    recorded_runs = set(lake.scan("runs").select("run_id").collect()["run_id"])
    for report_id in report_ids:
        if report_id in recorded_runs:
            page = report.gather(lake, report_id, checkpoint=checkpoint, now=now, is_after_erasure=True)
            report.write_page(lake, page)
    site.write(lake, now=now)
