"""What every reader of records hands over: records and refusals with their places, a portion at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from tasks.files.limits import LimitSettings
from tasks.files.refusal import Refusal, shown

BLOCK = 2**20
"""Bytes read at once."""
KEPT = 8_192
"""First bytes kept of a record that is too long to hold: what quarantine shows."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Record = dict[str, object]
"""A record as it was read: JSON values, and from Parquet also times, bytes and decimals."""


class Readable(Protocol):
    """Anything with a bounded read."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end. Raises Refusal where no more can be read."""
        ...


class Piece(NamedTuple):
    """The bytes of one record; `line` counts from 1, `offset` from 0, both in the unpacked file.

    A row of a table has no bytes of its own; its `line` is the row.
    """

    raw: bytes
    line: int
    offset: int

    def head(self) -> Piece:
        """As much of it as quarantine shows."""
        return self._replace(raw=self.raw[:KEPT])

    def unmarked(self) -> Piece:
        """Without the byte order mark that a file may begin with."""
        return self._replace(raw=self.raw.removeprefix(BYTE_ORDER_MARK)) if self.offset == 0 else self

    def locator(self, file: str) -> str:
        """Where it is in the file of that name."""
        return f"{file}:{self.line} (byte {self.offset})" if self.raw else f"{file}: row {self.line}"

    def text(self, record: Record) -> bytes | str:
        """What quarantine shows of its record: its bytes, or the row of a table as JSON."""
        return self.raw or json.dumps(record, ensure_ascii=False, default=repr)[: 4 * KEPT]


@dataclass
class Portion:
    """Some neighbouring records of a file."""

    records: list[tuple[Record, Piece]] = field(default_factory=list)
    refused: list[tuple[Piece, Refusal]] = field(default_factory=list)
    failure: Refusal | None = None
    """The file cannot be read any further; what came before is good."""
    blank: int = 0
    resume: tuple[int, int] | None = None
    """(offset, line) where reading of the same file, grown longer, may go on."""
    filtered: int = 0
    """Records that the reader's caller left out by a condition of its own."""
    joined: int = 0
    """Records that became part of another record."""


def too_long(size: int, limits: LimitSettings) -> Refusal:
    """The refusal of a record of `size` bytes."""
    most = f"at most {limits.max_record_bytes} are allowed (limits.max_record_bytes)"
    return Refusal("record_too_long", f"the record has {size} bytes, {most}")


def check_columns(names: Sequence[str], limits: LimitSettings, required: Mapping[str, str]) -> None:
    """Raises Refusal for too many columns, one that is there twice, or a required one that is missing.

    `required` maps a dotted path to the setting that names it.
    """
    if len(names) > limits.max_columns:
        most = f"at most {limits.max_columns} are allowed (limits.max_columns)"
        raise Refusal("columns", f"has {len(names)} columns, {most}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal("duplicate_column", f"has the column {shown(twice, 60)!r} twice")
    for path, setting in required.items():
        parts = path.split(".")
        if not any(".".join(parts[:n]) in names for n in range(1, len(parts) + 1)):
            listed = ", ".join(shown(n, 40) for n in names[:12]) + (", …" if len(names) > 12 else "")
            lack = f"has no column {shown(path, 60)!r}; its columns are {listed}"
            raise Refusal("schema", f"{lack}; name the right one as {setting}")
