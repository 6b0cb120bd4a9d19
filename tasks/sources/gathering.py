"""Spans of many traces, mixed, brought together by trace in bounded memory.

Spans are held until there are many; then all are put into files by a digest of their trace id, and each file
is read back by itself. So memory does not grow with the number of spans, only the disk of the run's folder
does.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import orjson

from tasks.sources.raw_spans import Raw

HELD_BYTES = 32 * 2**20
"""Bytes of spans as they were read that are held at once; as objects they take some five times that."""
BUCKETS = 256
"""Files that spans are divided into: a day of 5 million spans of 1.5 kB is 30 MB a file."""


class Traces:
    """Spans by trace."""

    def __init__(self, folder: Path, *, held_bytes: int = HELD_BYTES) -> None:
        self._folder, self._limit = folder, held_bytes
        self._held: dict[str, list[Raw]] = {}
        self._bytes = 0
        self._is_spilled = False

    def add(self, span: Raw, size: int) -> None:
        """A span, and roughly how many bytes it was read from."""
        self._held.setdefault(span[0], []).append(span)
        self._bytes += size + 200
        if self._bytes > self._limit:
            self._spill()

    def __iter__(self) -> Iterator[list[Raw]]:
        """The spans of each trace so far; they stay, so that more can be added and all be read again."""
        if not self._is_spilled:
            yield from self._held.values()
            return
        self._spill()
        for path in sorted(self._folder.glob("*.spans")):
            traces: dict[str, list[Raw]] = {}
            with path.open("rb") as stream:
                for line in stream:
                    spans = orjson.loads(line)
                    traces.setdefault(spans[0][0], []).extend(spans)
            yield from traces.values()

    def ids(self) -> set[str]:
        """Ids of the traces so far."""
        return {spans[0][0] for spans in self}

    def _spill(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        parts: dict[int, list[bytes]] = {}
        for trace_id, spans in self._held.items():
            part = parts.setdefault(zlib.crc32(trace_id.encode("utf-8", "replace")) % BUCKETS, [])
            part.append(orjson.dumps(spans, option=orjson.OPT_APPEND_NEWLINE))
        for number, lines in parts.items():
            with (self._folder / f"{number:03d}.spans").open("ab") as stream:
                stream.writelines(lines)
        self._held, self._bytes, self._is_spilled = {}, 0, True
