"""Syslog: RFC 5424 messages, framed by octet counting (RFC 6587), for TLS (RFC 5425)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.deliver.messages import Message
from tasks.deliver.requests import Circumstances, Format, Request, rfc3339, status_alone

PRIORITY = 13 * 8 + 6
"""Facility log audit, severity informational."""
ENTERPRISE = 32473
"""Number for examples (RFC 5612), as this software has none of its own."""


def request(messages: Sequence[Message], made: Circumstances) -> Request:
    """Frames, one after the other; the record is the message's text."""
    host = re.sub(r"[^\x21-\x7e]", "-", made.origin)[:255]
    frames = [_text(message, host) for message in messages]
    return Request(b"".join(b"%d %b" % (len(frame), frame) for frame in frames), {})


def _text(message: Message, host: str) -> bytes:
    about = (
        f'claimledger@{ENTERPRISE} index="{message.first}" count="{message.count}" leaf="{message.leaf_hash}"'
    )
    stamp = rfc3339(message.occurred_at)
    head = f"<{PRIORITY}>1 {stamp} {host} claimledger - {message.kind[:32]} [{about}] "
    return head.encode() + message.record


FORMAT = Format(request, status_alone, 200, 1_000, 50)
"""50 leaf hashes are 4 kB, half of what servers take by default."""
