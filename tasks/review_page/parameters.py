"""How the review page behaves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReviewPageParameters:
    """Bounds of the page; nobody had to change one yet, so they are not keys of the configuration."""

    lease_s: float = 20 * 60
    """How long a verdict is kept for the reviewer who looks at it: a long read and a coffee."""
    refresh_s: float = 15.0
    """How often the lake is looked at for verdicts that came or went."""
    look_ahead: int = 40
    """Verdicts whose texts are read at once: reading one costs as much as reading many."""
    listed: int = 100
    """Verdicts of the list of what waits."""
    days: int = 30
    """Days back over which decisions are counted."""
    wait_s: float = 5.0
    """How long a reviewer waits for the ledger; after that the decision is kept and recorded later."""
    retry_s: float = 1.0
    """Pause before a lake that another run holds is tried again."""
    batch: int = 200
    """Decisions recorded at once where many came while the lake was held."""
    form_bytes: int = 160 << 10
    """Longest form: a comment of 10,000 characters of four bytes, each byte written as `%XX`."""


DEFAULTS = ReviewPageParameters()
