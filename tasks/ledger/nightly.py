"""The verification at the end of every run: what is new and every table file, and now and then everything.

What a run says of its ledger comes from here, so that nothing is called sound that was not checked in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tasks.errors import ClaimledgerError, Unverifiable
from tasks.lake.store import Lake
from tasks.ledger import verify
from tasks.ledger.parameters import LedgerSettings


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What the check of a run's end says, for the page and the terminal."""

    statement: str
    """One sentence that claims no more than was proven."""
    is_whole: bool
    """Every event was checked; else those since the check before, and every table file."""
    whole_at: datetime | None
    """When everything was last checked and held."""
    events: int = 0
    findings: list[str] = field(default_factory=list)
    unverifiable: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Nothing failed, and nothing was left open."""
        return not self.findings and not self.unverifiable

    @property
    def problems(self) -> list[str]:
        """One sentence where something failed."""
        if not self.findings:
            return []
        more = f"; and {len(self.findings) - 1} more" if len(self.findings) > 1 else ""
        return [f"the ledger does not verify: {self.findings[0]}{more}; `claimledger ledger verify` has all"]


def verification(lake: Lake, settings: LedgerSettings, *, now: datetime) -> Verification:
    """Checks the lake against its ledger after a run: whole where that is due, else incrementally."""
    before = verify.whole_at(lake)
    due = before is None or now - before >= timedelta(days=settings.whole_verification_days)
    try:
        done = verify.verify(lake, settings, incremental=not due, now=now)
    except Unverifiable as error:
        return Verification(statement=str(error), is_whole=due, whole_at=before, unverifiable=[str(error)])
    except ClaimledgerError as error:
        return Verification(statement=str(error), is_whole=due, whole_at=before, findings=[str(error)])
    return Verification(
        statement=done.statement,
        is_whole=done.is_whole,
        whole_at=verify.whole_at(lake),
        events=done.events,
        findings=done.findings,
        unverifiable=done.unverifiable,
    )
