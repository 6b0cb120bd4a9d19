"""Microsoft Sentinel by the Logs Ingestion API of Azure Monitor: a JSON array of rows for a stream of a rule.

The secret of an application is exchanged for a token first (`posting.py`), as OAuth 2 has it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.deliver.answers import Reply
from tasks.deliver.messages import Message
from tasks.deliver.parameters import WebhookSettings
from tasks.deliver.requests import Circumstances, Format, Request, dumped, parsed, rfc3339, status_alone

SCOPE = "https://monitor.azure.com//.default"


def request(messages: Sequence[Message], made: Circumstances) -> Request:
    """Rows with the columns that `docs/siem.md` declares."""
    rows = [
        {
            "TimeGenerated": rfc3339(message.occurred_at),
            "MessageId": message.id,
            "Kind": message.kind,
            "LeafIndex": message.first,
            "LeafCount": message.count,
            "LeafHash": message.leaf_hash,
            "SubjectId": message.subject,
            "Origin": made.origin,
            "Record": message.record.decode(),
        }
        for message in messages
    ]
    return Request(
        dumped(rows), {"authorization": f"Bearer {made.token}", "content-type": "application/json"}
    )


def token_request(settings: WebhookSettings, secret: str) -> dict[str, str]:
    """Fields of the form that asks for a token."""
    return {
        "client_id": settings.client_id or "",
        "client_secret": secret,
        "scope": SCOPE,
        "grant_type": "client_credentials",
    }


def token(reply: Reply) -> tuple[str, float] | None:
    """A token and how many seconds it holds; None where the answer has none."""
    said = parsed(reply)
    value, seconds = said.get("access_token"), said.get("expires_in", 300)
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        return None
    return value, float(seconds) if isinstance(seconds, int | float) else 300.0


FORMAT = Format(request, status_alone, 500, 5_000)
