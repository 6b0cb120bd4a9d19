"""The header with which a server says when it wants to be asked again (RFC 9110, 10.2.3)."""

from __future__ import annotations

import email.utils
from datetime import datetime


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds that Retry-After asks for, as a number or a date; None where it says nothing of use."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
