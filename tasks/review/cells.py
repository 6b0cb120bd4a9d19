"""Cells of a spreadsheet file out of text that anybody may have written, and back.

A cell that begins with one of `ACTIVE` is a formula or a command to a spreadsheet program (OWASP, "CSV
Injection"), and one that looks like a number, a date or a truth value comes back from it as another text:
`0123` as 123, an id of digits rounded, `1/2` as a day. An apostrophe before it makes it text; `original`
takes it away again.
"""

from __future__ import annotations

import re

ACTIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters that wake a spreadsheet up; the last four are their full-width forms."""
_READ_OTHERWISE = re.compile(r"[ $€£]*[0-9][0-9.,:/eE%$€£ -]*|(?i:true|false)")
"""What LibreOffice and Excel take for a number, an amount, a share, a day, a time or a truth value."""
_UNHARMED = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{0,13}[1-9])?")
"""Of these, numbers that are written as the programs write them."""


def inert(text: str) -> str:
    """The text as a cell that every program shows, none runs, and none reads as something else."""
    return f"'{text}" if text.startswith("'") or _is_awake(text) else text


def original(cell: str) -> str:
    """The text that `inert` made a cell of; other cells are themselves."""
    return cell[1:] if cell.startswith("'") and (cell[1:].startswith("'") or _is_awake(cell[1:])) else cell


def _is_awake(text: str) -> bool:
    is_read_otherwise = _READ_OTHERWISE.fullmatch(text) and not _UNHARMED.fullmatch(text)
    return text.startswith(ACTIVE) or bool(is_read_otherwise)
