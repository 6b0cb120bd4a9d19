"""Why a record or a file is refused, and hostile text as inert text."""

from __future__ import annotations

import re

RAW_CHARACTERS = 2_000
"""Longest raw text kept in quarantine: enough to recognise a row, too little to fill a disk."""

# Everything that a terminal, a page or a log could take for an instruction: C0, C1, zero-width, bidirectional
# controls, line separators, byte order mark, surrogates.
_ACTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


class Refusal(Exception):  # noqa: N818 - it is a verdict on a record or a file, not a failure of the program
    """Why a record or a file is refused: the check's name, one sentence without its place, the text shown."""

    def __init__(self, check: str, reason: str, raw: str = "") -> None:
        super().__init__(reason)
        self.check, self.reason, self.raw = check, reason, raw


def shown(raw: bytes | str, limit: int = RAW_CHARACTERS) -> str:
    """Hostile text as inert text of at most `limit` characters: invalid bytes and controls as escapes."""
    cut = raw[: limit * 4]
    text = cut.decode("utf-8", "backslashreplace") if isinstance(cut, bytes) else cut
    text = _ACTIVE.sub(_escape, text[:limit])
    whole = len(text) <= limit and len(cut) == len(raw)
    return text if whole else text[: limit - 1] + "…"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
