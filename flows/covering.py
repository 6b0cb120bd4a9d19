"""How a lake holds confidential data, remembered, so that a change of it is said or refused."""

from __future__ import annotations

import hmac

from tasks.errors import ConfigError
from tasks.lake.store import Lake
from tasks.privacy.cover import Cover
from tasks.privacy.leak_files import HASH_KEY

_STATE = "privacy"


def remember(lake: Lake, cover: Cover | None) -> list[str]:
    """Notes what covers this lake's texts; a sentence where earlier runs published them otherwise.

    Raises:
        ConfigError: its tokens were made with another key, so that equal values would no longer be equal.
    """
    mode = cover.mode if cover else "clear"
    before = lake.read_state(_STATE) or {"lake": "clear", "key": ""}
    key = require_key(lake, cover)
    if {"lake": mode, "key": key} != before:
        lake.write_state(_STATE, {"lake": mode, "key": key})
    if mode == before["lake"] or not lake.days("outputs"):
        return []
    return [
        f"privacy.lake was {before['lake']!r} and is {mode!r}: what earlier runs published stays as it is, "
        "and answers that are read again become new versions; start another lake, or erase what must go"
    ]


def require_key(lake: Lake, cover: Cover | None) -> str:
    """What the lake remembers of the key of its tokens, which whoever adds words to it must have.

    Raises:
        ConfigError: the key is another one, so that equal values would no longer be equal.
    """
    before = str((lake.read_state(_STATE) or {"key": ""})["key"])
    key = _check(cover.key) if cover and cover.mode == "hashed" else before
    if before and key != before:
        raise ConfigError(
            f"{HASH_KEY} is not the key that this lake's hashes were made with; set the original key, or use "
            "another lake"
        )
    return key


def _check(key: bytes) -> str:
    """Says whether two keys are the same, and nothing else of them."""
    return hmac.digest(key, b"the key of this lake's hashes", "sha256").hex()
