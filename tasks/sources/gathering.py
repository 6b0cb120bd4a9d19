"""Spans of many traces, mixed, brought together by trace in bounded memory.

Spans are held until there are many; then all are appended to a scratch file in parts, one of each digest of
trace ids, and the parts of a digest are read back together. So memory does not grow with the number of spans,
only the disk of the run's folder does. The file has no name: what a run that is killed had read is gone with
it, and nothing that people wrote is left behind. Other processes of the same user read it, and add parts of
their own, by what Linux calls the open file of a process.
"""

from __future__ import annotations

import os
import tempfile
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import orjson

from tasks.sources.raw_spans import Raw

HELD_BYTES = 32 * 2**20
"""Bytes of spans as they were read that are held at once; as objects they take some five times that."""
BUCKETS = 256
"""Digests that spans are divided by: of a day of 5 million spans of 1.5 kB, 30 MB each."""


class Part(NamedTuple):
    """Lines of spans within a scratch file."""

    file: str
    start: int
    size: int


Parts = dict[int, list[Part]]
"""By digest of the trace ids, in the order in which spans came."""


class Scratch:
    """Scratch files of this process and others."""

    def __init__(self) -> None:
        self._files: dict[str, IO[bytes]] = {}

    def create(self, folder: Path) -> str:
        """A file without a name; by what it gives, other processes find it as long as this one has it."""
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - as long as this object
        weakref.finalize(self, file.close)
        address = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        self._files[address] = file
        return address

    def append(self, address: str, parts: Mapping[int, bytes]) -> dict[int, Part]:
        """Writes to a file of this process."""
        file = self._files[address]
        at, places = file.seek(0, 2), {}
        for number, part in parts.items():
            places[number] = Part(address, at, file.write(part))
            at += len(part)
        file.flush()
        return places

    def groups(self, parts: Sequence[Part]) -> Iterator[list[Raw]]:
        """The spans of each trace of one digest."""
        traces: dict[str, list[Raw]] = {}
        for part in parts:
            file = self._files.get(part.file)
            if file is None:
                file = self._files[part.file] = Path(part.file).open("rb")  # noqa: SIM115 - as long as this object
                weakref.finalize(self, file.close)
            file.seek(part.start)
            for line in file.read(part.size).splitlines():
                spans = orjson.loads(line)
                traces.setdefault(spans[0][0], []).extend(spans)
        yield from traces.values()


class Traces:
    """Spans by trace."""

    def __init__(self, folder: Path, *, held_bytes: int = HELD_BYTES) -> None:
        self._folder, self._limit = folder, held_bytes
        self._held: dict[str, list[Raw]] = {}
        self._bytes = 0
        self._scratch = Scratch()
        self._own = ""
        self._parts: Parts = {}

    def add(self, span: Raw, size: int) -> None:
        """A span, and roughly how many bytes it was read from."""
        self._held.setdefault(span[0], []).append(span)
        self._bytes += size + 200
        if self._bytes > self._limit:
            self._spill()

    def adopt(self, parts: Parts) -> None:
        """Spans that another process put aside."""
        for number, more in parts.items():
            self._parts.setdefault(number, []).extend(more)

    def parts(self) -> Parts:
        """All spans so far, put aside."""
        self._spill()
        return {number: self._parts[number] for number in sorted(self._parts)}

    def take(self) -> Parts:
        """All spans since this was asked last, put aside for another process."""
        parts, self._parts = self.parts(), {}
        return parts

    def __iter__(self) -> Iterator[list[Raw]]:
        """The spans of each trace so far; they stay, so that more can be added and all be read again."""
        if not self._parts:
            yield from self._held.values()
            return
        for parts in self.parts().values():
            yield from self._scratch.groups(parts)

    def ids(self) -> set[str]:
        """Ids of the traces so far."""
        return {spans[0][0] for spans in self}

    def _spill(self) -> None:
        if not self._held:
            return
        self._own = self._own or self._scratch.create(self._folder)
        lines: dict[int, list[bytes]] = {}
        for trace_id, spans in self._held.items():
            part = lines.setdefault(zlib.crc32(trace_id.encode("utf-8", "replace")) % BUCKETS, [])
            part.append(orjson.dumps(spans, option=orjson.OPT_APPEND_NEWLINE))
        joined = {number: b"".join(part) for number, part in lines.items()}
        self.adopt({number: [part] for number, part in self._scratch.append(self._own, joined).items()})
        self._held, self._bytes = {}, 0
