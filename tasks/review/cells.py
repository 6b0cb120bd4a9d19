"""Cells of a spreadsheet file out of text that anybody may have written, and back.

A cell that begins with one of `ACTIVE` is a formula or a command to a spreadsheet program (OWASP, "CSV
Injection"). An apostrophe before it makes it text; `original` takes it away again.
"""

from __future__ import annotations

ACTIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters that wake a spreadsheet up; the last four are their full-width forms."""


def inert(text: str) -> str:
    """The text as a cell that every program shows and none runs."""
    return f"'{text}" if text.startswith((*ACTIVE, "'")) else text


def original(cell: str) -> str:
    """The text that `inert` made a cell of; other cells are themselves."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*ACTIVE, "'")) else cell
