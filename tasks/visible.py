"""Hostile text made visible: what a page, a chart or a log may show of a trace.

Markup is not its concern: the template engine that writes it escapes it.

Control characters, bidirectional overrides and zero-width characters reorder, hide or forge what a reader
sees (Unicode TR36, "Unicode Security Considerations"; CVE-2021-42574, "Trojan Source"). They are replaced
by their code point in visible brackets, `⟨U+202E⟩`. Two invisible characters carry spelling and stay where
they do: the joiner inside an emoji sequence, and joiners between letters of Arabic and Indic scripts.
"""

from __future__ import annotations

import re

_ACTIVE = re.compile(
    "["
    "\u0000-\u0008\u000b-\u001f\u007f-\u009f"  # C0 but tab and line feed, DEL, C1
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, bidirectional controls
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff"  # fillers, byte order mark, annotations, noncharacters
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # shorthand, music, tags
    "\ud800-\udfff"  # half a character
    "]"
)
_EMOJI_JOINER = re.compile(
    "(?<=[\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])\u200d(?=[\u2190-\u2bff\U0001f000-\U0001faff])"
)
_LETTER_JOINER = re.compile("(?<=[\u0600-\u06ff\u0900-\u0dff])[\u200c\u200d](?=[\u0600-\u06ff\u0900-\u0dff])")
_MARKS = re.compile(
    "([\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
"""More than four combining marks on one letter are no language's spelling and cover neighbouring lines."""


def visible(text: str) -> str:
    """The text with every character that acts instead of being seen shown as `⟨U+XXXX⟩`.

    Tabs and line feeds stay. The result holds no control, bidirectional or zero-width character except
    the two kinds of joiners that spelling needs. Idempotent.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    kept = {match.start() for pattern in (_EMOJI_JOINER, _LETTER_JOINER) for match in pattern.finditer(text)}
    text = _ACTIVE.sub(lambda match: match[0] if match.start() in kept else f"⟨U+{ord(match[0]):04X}⟩", text)
    return _MARKS.sub(r"\1", text)


def shortened(text: str, length: int) -> str:
    """At most `length` characters, with an ellipsis where something was left out."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
