"""Signatures of Standard Webhooks (v1): HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
"""Length of a secret, by the specification."""


def parse_secret(text: str) -> bytes:
    """A secret's bytes out of `whsec_BASE64`; the prefix may be missing.

    Raises:
        ValueError: not base64, too short or too long. The sentence does not quote it.
    """
    encoded = text.strip().removeprefix(PREFIX)
    try:
        secret = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is not {PREFIX} and base64") from None
    if not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise ValueError(f"has {len(secret)} bytes, expected {LEAST_BYTES} to {MOST_BYTES}")
    return secret


def headers(message_id: str, timestamp: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The three headers; one signature a secret, so that a receiver may know either during a rotation.

    Args:
        timestamp: of this attempt, POSIX seconds.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
