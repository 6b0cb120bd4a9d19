"""An event in words: for people who read a proof, an erasure or a sample before any digest.

The stand-alone checker (`docs/auditor/check_proof.py`) says the same in the same words; a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

_FIRST = ("kind", "verdict", "outcome", "action", "reason", "actor")
_DIGEST = re.compile("[0-9a-f]{64}")


def moment(microseconds: int) -> str:
    """A time of an event (microseconds since 1970) in UTC, to the second."""
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds):%Y-%m-%d %H:%M:%S} UTC"


def share(millionths: int) -> str:
    """A probability or threshold of an event (millionths) in percent."""
    return f"{millionths / 10_000:.1f}%"


def lines(body: Mapping[str, object], texts: Mapping[str, str]) -> Iterator[str]:
    """What an event says: disclosed texts first, then its fields without digests, times and shares in words.

    Whoever prints them shows control characters as escapes, because texts are hostile.

    Args:
        body: an event's fields.
        texts: disclosed text by field: claim, `passage 0`, reviewer.
    """
    yield from (f"{field}: {text}" for field, text in texts.items())
    names = [name for name in _FIRST if name in body]
    for name in [*names, *(name for name in body if name not in names)]:
        stem, _, unit = name.rpartition("_")
        value = body[name]
        if value is None or isinstance(value, list) or _DIGEST.fullmatch(str(value)):
            continue
        if unit == "us" and isinstance(value, int):
            yield f"{stem.replace('_', ' ')}: {moment(value)}"
        elif unit == "u6" and isinstance(value, int):
            yield f"{stem.replace('_', ' ')}: {share(value)}"
        else:
            yield f"{name.replace('_', ' ')}: {value}"
