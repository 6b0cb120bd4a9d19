"""Thinking aloud inside an answer: what a model wrote before it answered, between tags that a server left in.

`<think>` and its relatives at the start of a line, up to the closing tag; or everything up to a closing tag
alone on its line where the opening one was cut off. An opening tag that is never closed opens nothing: in
doubt text is judged, so that nothing hides behind a tag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = r"(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis)"
_TAG = re.compile(
    rf"(?P<line>^[ \t]*)?(?:[<\[](?P<close>/?)(?P<name>{_NAMES})[>\]]"
    r"|<\|channel\|>(?P<channel>analysis|final)(?:<\|message\|>)?)",
    re.MULTILINE | re.IGNORECASE,
)
_REST_OF_LINE = re.compile(r"[ \t]*$", re.MULTILINE)


def spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of each passage of reasoning, tags included, in order and apart; in one pass."""
    passages: list[tuple[int, int]] = []
    opened: tuple[str, int] | None = None
    for tag in _TAG.finditer(text):
        name = "channel" if tag["channel"] else tag["name"].lower()
        closes = bool(tag["close"]) or (tag["channel"] or "").lower() == "final"
        is_at_start = tag["line"] is not None
        if opened and closes and name == opened[0]:
            passages.append((opened[1], tag.end()))
            opened = None
        elif not opened and not closes and is_at_start:
            opened = name, tag.start()
        elif not opened and not passages and is_at_start and _REST_OF_LINE.match(text, tag.end()):
            passages.append((0, tag.end()))
    return passages


def without(text: str, passages: Sequence[tuple[int, int]]) -> str:
    """The text with line ends in place of reasoning, so that every other character keeps its position."""
    parts, done = [], 0
    for start, end in passages:
        parts += [text[done:start], "\n" * (end - start)]
        done = end
    return "".join([*parts, text[done:]])
