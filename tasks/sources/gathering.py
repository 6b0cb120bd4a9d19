"""Spans of many traces, mixed, brought together by trace in bounded memory.

Spans are held until there are many; then all are appended to a scratch file in parts, one of each digest of
trace ids, and the parts of a digest are read back together. So memory does not grow with the number of spans,
only the disk of the run's folder does. The file has no name: what a run that is killed had read is gone with
it, and nothing that people wrote is left behind.
"""

from __future__ import annotations

import tempfile
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import orjson

from tasks.sources.raw_spans import Raw

HELD_BYTES = 32 * 2**20
"""Bytes of spans as they were read that are held at once; as objects they take some five times that."""
BUCKETS = 256
"""Digests that spans are divided by: of a day of 5 million spans of 1.5 kB, 30 MB each."""


class Traces:
    """Spans by trace."""

    def __init__(self, folder: Path, *, held_bytes: int = HELD_BYTES) -> None:
        self._folder, self._limit = folder, held_bytes
        self._held: dict[str, list[Raw]] = {}
        self._bytes = 0
        self._scratch: IO[bytes] | None = None
        self._parts: dict[int, list[tuple[int, int]]] = {}

    def add(self, span: Raw, size: int) -> None:
        """A span, and roughly how many bytes it was read from."""
        self._held.setdefault(span[0], []).append(span)
        self._bytes += size + 200
        if self._bytes > self._limit:
            self._spill()

    def __iter__(self) -> Iterator[list[Raw]]:
        """The spans of each trace so far; they stay, so that more can be added and all be read again."""
        if self._scratch is None:
            yield from self._held.values()
            return
        self._spill()
        for number in sorted(self._parts):
            traces: dict[str, list[Raw]] = {}
            for start, size in self._parts[number]:
                self._scratch.seek(start)
                for line in self._scratch.read(size).splitlines():
                    spans = orjson.loads(line)
                    traces.setdefault(spans[0][0], []).extend(spans)
            yield from traces.values()

    def ids(self) -> set[str]:
        """Ids of the traces so far."""
        return {spans[0][0] for spans in self}

    def _spill(self) -> None:
        if self._scratch is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._scratch = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - as long as this object
            weakref.finalize(self, self._scratch.close)
        lines: dict[int, list[bytes]] = {}
        for trace_id, spans in self._held.items():
            part = lines.setdefault(zlib.crc32(trace_id.encode("utf-8", "replace")) % BUCKETS, [])
            part.append(orjson.dumps(spans, option=orjson.OPT_APPEND_NEWLINE))
        at = self._scratch.seek(0, 2)
        for number, part in lines.items():
            size = self._scratch.write(b"".join(part))
            self._parts.setdefault(number, []).append((at, size))
            at += size
        self._held, self._bytes = {}, 0
