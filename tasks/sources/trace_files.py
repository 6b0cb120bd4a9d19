"""Spans in files: an answer out of all spans of its trace, once, however they are spread.

(1) Files that are new or changed are read, and files that had open traces when they were read last. (2)
Traces go on in other files, so these are read as well, for the traces of (1) alone: files that shared a
trace with one of (1) before, and, where a span's parent or root is missing, all files of the hours before.
(3) A trace that has its root and every parent is an answer; one that has not waits for the next pull, at
most `wait_hours`; then it is what it is, and a root that comes later makes a new version of the same output.
(4) Each file's mark says whether it has open traces and with which files it shares some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le

from tasks.errors import SourceError
from tasks.files import places, streams
from tasks.files.limits import LimitSettings
from tasks.files.places import Place
from tasks.files.refusal import Refusal, shown
from tasks.sources import traces
from tasks.sources.base import Batch, Scope
from tasks.sources.batches import Gatherer, gather, trace_mapper
from tasks.sources.gathering import Traces
from tasks.sources.parameters import SpanSettings, deciding
from tasks.sources.raw_spans import END, START, TRACE, Raw, ends, is_complete, spans
from tasks.sources.secrets import minimiser

SETTLED_S = 60
"""Spans of one trace are sent by several processes, each every few seconds."""
_HOUR_NS = 3600 * 10**9
_VERSION = 1
"""Of what spans become; another one reads every file again."""


Reader = Callable[[Path, LimitSettings], Iterator[tuple[Raw | Refusal, int, str]]]
"""Gives the spans of a file: each, or why it is none; the bytes that it was read from; where it is."""


@dataclass(frozen=True, kw_only=True)
class TraceSettings(SpanSettings):
    """A source of spans."""

    wait_hours: Annotated[float, Ge(0), Le(720)] = 6.0
    """Hours after a trace's last span until it counts as ended though its root did not come."""
    lookback_hours: Annotated[float, Ge(0), Le(8760)] = 48.0
    """Hours before a late span whose files, read already, are searched for the rest of its trace."""


def reach(path: str) -> str:
    """How many files there are.

    Raises:
        SourceError: none, or they cannot be listed.
    """
    return f"{len(listing(path))} files at {shown(path)}"


def pull(source: TraceSettings, path: str, scope: Scope, reader: Reader) -> Iterator[Batch]:
    """Answers of the traces that are new or were open.

    Raises:
        SourceError: nothing at the path, or the store cannot be reached.
    """
    files = {place.name: place for place in listing(path)}
    reading = _Pull(source, scope, files, reader)
    reading.read()
    yield from reading.batches()


def listing(path: str) -> list[Place]:
    """The files of a path.

    Raises:
        SourceError: none, or they cannot be listed.
    """
    try:
        return places.listing(path)
    except Refusal as refusal:
        raise SourceError(f"{shown(path)}: {refusal.reason}; correct the source's path") from None


@dataclass
class _File:
    """What was met in one file."""

    number: int
    mark: dict[str, Any]
    first_ns: int = 2**63
    last_ns: int = 0
    is_open: bool = False
    shares: set[int] = field(default_factory=set)
    refused: int = 0
    is_read: bool = True
    """Whether it could be read to its end, whatever was in it."""
    problem: str | None = None

    def met(self, start_ns: int, end_ns: int) -> None:
        self.first_ns, self.last_ns = min(self.first_ns, start_ns), max(self.last_ns, end_ns)


class _Pull:
    def __init__(
        self, source: TraceSettings, scope: Scope, files: Mapping[str, Place], reader: Reader
    ) -> None:
        self._source, self._scope, self._files, self._spans = source, scope, files, reader
        self._now_ns = int(scope.now.timestamp() * 1e9)
        self._traces = Traces(scope.work / "spans")
        self._read: dict[str, _File] = {}
        self._names: list[str] = []
        self._minimiser = minimiser(source)
        self._gatherer = Gatherer(trace_mapper(source, scope), source.name, scope, self._minimiser)
        self._reader = sha256(repr((_VERSION, sorted(deciding(source).items()))).encode()).hexdigest()
        self._problems: list[str] = []
        self._inputs: dict[str, str] = {}

    def read(self) -> None:
        """Steps (1) and (2)."""
        own = [name for name in self._files if self._is_new(name) or self._was_open(name)]
        for name in own:
            self._spans_of(name, None)
        if self._scope.is_range or not own:
            return
        others = {name: self._mark(name) for name in self._files if name not in self._read}
        shared = {other for name in own for other in self._mark(name).get("with", ())}
        start = min(self._read[name].first_ns for name in own) - int(self._source.lookback_hours * _HOUR_NS)
        recent = {name for name, mark in others.items() if mark.get("last_ns", 0) >= start}
        if recent - shared and any(not is_complete(group) for group in self._traces):
            shared |= recent
        companions = sorted(shared & others.keys())
        wanted = self._traces.ids() if companions else set()
        for name in companions:
            self._spans_of(name, wanted)

    def batches(self) -> Iterator[Batch]:
        """Steps (3) and (4)."""
        gatherer = self._gatherer
        for group in self._traces:
            self._trace(group)
            if gatherer.is_full:
                yield gatherer.batch()
        marks = {} if self._scope.is_range else {name: self._marked(name) for name in self._names}
        self._problems += [f.problem for f in self._read.values() if f.problem]
        last = gatherer.batch(marks, tuple(self._problems), (), self._inputs)
        yield replace(last, warnings=tuple(self._fidelity()))

    def _mark(self, name: str) -> Mapping[str, Any]:
        mark = self._scope.marks.get(name, {})
        return mark if mark.get("reader") == self._reader else {}

    def _is_new(self, name: str) -> bool:
        mark, place = self._mark(name), self._files[name]
        if self._scope.is_range or not mark or not place.version:
            return True
        if mark.get("problem") and mark.get("version") == place.version:
            self._problems.append(str(mark["problem"]))
        return (mark.get("size"), mark.get("version")) != (place.size, place.version)

    def _was_open(self, name: str) -> bool:
        mark = self._mark(name)
        oldest = self._now_ns - int(self._source.lookback_hours * _HOUR_NS)
        return bool(mark.get("open")) and mark.get("last_ns", 0) >= oldest

    def _spans_of(self, name: str, wanted: set[str] | None) -> None:
        """Reads a file; with `wanted`, only the spans of those traces."""
        place = self._files[name]
        kept = {"reader": self._reader, "size": place.size, "version": place.version}
        number = len(self._names)
        file = self._read[name] = _File(number, kept)
        self._names.append(name)
        try:
            with places.fetched(place, self._scope.work / "files", self._scope.limits.max_file_bytes) as path:
                self._inputs[name] = streams.digest(path, path.stat().st_size)
                for span, size, where in self._spans(path, self._scope.limits):
                    if isinstance(span, Refusal):
                        if wanted is None:
                            file.refused += 1
                            self._gatherer.refuse(name + where, span.check, span.reason, span.raw)
                    elif wanted is None or span[TRACE] in wanted:
                        if size > self._scope.limits.max_record_bytes:
                            reason = f"the span's message is over limits.max_record_bytes ({size} bytes)"
                            self._gatherer.refuse(name + where, "too_large", reason)
                            continue
                        self._traces.add([*self._minimiser.span(span), number], size)
                        if span[START] is not None:
                            file.met(span[START], span[END])
        except Refusal as failure:
            file.problem = f"{shown(place.address)} {failure.reason}"
            if failure.check not in ("missing", "not_a_file", "empty"):
                self._gatherer.refuse(f"{name}: the rest", failure.check, f"the file {failure.reason}")
        except OSError as error:
            file.problem = f"{shown(place.address)} cannot be read ({error.strerror})"
            file.is_read = False

    def _trace(self, group: list[Raw]) -> None:
        """Step (3) for one trace."""
        numbers = {span[-1] for span in group}
        files = [self._read[self._names[number]] for number in numbers]
        if len(numbers) > 1:
            for file in files:
                file.shares |= numbers - {file.number}
        moments = ends(group)
        if not moments:
            return  # logs of spans that have not come
        is_whole = is_complete(group)
        if not self._scope.is_range:
            quiet_s = (self._now_ns - max(moments)) / 1e9
            for file in files:
                file.is_open |= not is_whole
            if -SETTLED_S < quiet_s < (SETTLED_S if is_whole else self._source.wait_hours * 3600):
                for file in files:
                    file.is_open = True
                return
        gather(traces.read(spans(group, self._source.fields.names())), self._gatherer)

    def _marked(self, name: str) -> dict[str, Any]:
        """Step (4) for one file; a file that was only searched keeps what is known of it."""
        file = self._read[name]
        before = self._mark(name)
        if not file.is_read:
            # As if it had not been tried: what the disk refused tonight it may give tomorrow.
            return {**before, "open": True} if before else {}
        shares = {self._names[number] for number in file.shares} | set(before.get("with", ()))
        return {
            **file.mark,
            "open": file.is_open,
            "with": sorted(shares),
            "last_ns": max(file.last_ns, before.get("last_ns", 0)),
            **({"problem": file.problem} if file.problem else {}),
        }

    def _fidelity(self) -> list[str]:
        refused = [
            f"{name}: {f.refused} spans or messages are in quarantine"
            for name, f in self._read.items()
            if f.refused
        ]
        said = [f"source {self._source.name!r}: {sentence}" for sentence in refused[:10]]
        return [*said, *self._gatherer.fidelity(), *self._minimiser.doubts()]
