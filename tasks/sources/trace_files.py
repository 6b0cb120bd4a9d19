"""Spans in files: an answer out of all spans of its trace, once, however they are spread.

(1) Files that are new or changed are read, and files that had open traces when they were read last. (2)
Traces go on in other files, so these are read as well, for the traces of (1) alone: files that shared a
trace with one of (1) before, and, where a span's parent or root is missing, all files of the hours before.
(3) A trace that has its root and every parent is an answer; one that has not waits for the next pull, at
most `wait_hours`; then it is what it is, and a root that comes later makes a new version of the same output.
(4) Each file's mark says whether it has open traces and with which files it shares some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Annotated, Any

from annotated_types import Ge, Le

from tasks.errors import SourceError
from tasks.files import places
from tasks.files.places import Place
from tasks.files.refusal import Refusal, shown
from tasks.sources import span_crew
from tasks.sources.base import Batch, Scope
from tasks.sources.gathering import Traces
from tasks.sources.parameters import SpanSettings, deciding
from tasks.sources.raw_spans import is_complete
from tasks.sources.secrets import minimiser
from tasks.sources.span_answers import Answers
from tasks.sources.span_crew import Crew
from tasks.sources.span_files import Reader, Reading, SpanFile

_HOUR_NS = 3600 * 10**9
_VERSION = 1
"""Of what spans become; another one reads every file again."""


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
    with ExitStack() as stack:
        reading = _Pull(source, scope, files, reader, stack)
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
    """What was met in one file, and its mark."""

    mark: dict[str, Any]
    met: SpanFile


class _Pull:
    def __init__(
        self,
        source: TraceSettings,
        scope: Scope,
        files: Mapping[str, Place],
        reader: Reader,
        stack: ExitStack,
    ) -> None:
        self._source, self._scope, self._files = source, scope, files
        self._stack = stack
        self._crew: Crew | None = None
        self._now_ns = int(scope.now.timestamp() * 1e9)
        self._traces = Traces(scope.work / "spans")
        self._read: dict[str, _File] = {}
        self._names: list[str] = []
        self._minimiser = minimiser(source)
        self._reading = Reading(reader, scope.limits, scope.work / "files", self._traces, self._minimiser)
        self._answers = Answers(source, source.wait_hours, scope, self._minimiser)
        self._gatherer = self._answers.gatherer
        self._reader = sha256(repr((_VERSION, sorted(deciding(source).items()))).encode()).hexdigest()
        self._problems: list[str] = []
        self._inputs: dict[str, str] = {}

    def read(self) -> None:
        """Steps (1) and (2)."""
        own = [name for name in self._files if self._is_new(name) or self._was_open(name)]
        self._spans_of_all(own)
        if self._scope.is_range or not own:
            return
        others = {name: self._mark(name) for name in self._files if name not in self._read}
        shared = {other for name in own for other in self._mark(name).get("with", ())}
        first_ns = min(self._read[name].met.first_ns for name in own)
        start = first_ns - int(self._source.lookback_hours * _HOUR_NS)
        recent = {name for name, mark in others.items() if mark.get("last_ns", 0) >= start}
        if recent - shared and self._has_open():
            shared |= recent
        companions = sorted(shared & others.keys())
        wanted = self._ids() if companions else set()
        for name in companions:
            self._spans_of(name, wanted)

    def batches(self) -> Iterator[Batch]:
        """Steps (3) and (4)."""
        if self._crew is None:
            yield from self._answers.batches(self._traces)
        else:
            yield self._gatherer.batch()  # what was refused in the files comes before what is made of them
            for answered in self._crew.answers(self._traces.parts()):
                self._answers.note(answered.open, answered.shares)
                self._gatherer.absorb(answered.batches, answered.records)
                yield from answered.batches
        marks = {} if self._scope.is_range else {name: self._marked(name) for name in self._names}
        self._problems += [file.met.problem for file in self._read.values() if file.met.problem]
        last = self._gatherer.batch(marks, tuple(self._problems), (), self._inputs)
        yield replace(last, warnings=tuple(self._fidelity()))

    def _has_open(self) -> bool:
        if self._crew is not None:
            return self._crew.has_open(self._traces.parts())
        return any(not is_complete(group) for group in self._traces)

    def _ids(self) -> set[str]:
        return self._crew.ids(self._traces.parts()) if self._crew is not None else self._traces.ids()

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

    def _spans_of_all(self, names: Sequence[str]) -> None:
        """Reads files for all of their spans, by several processes where that is worthwhile."""
        size = sum(self._files[name].size for name in names)
        if not span_crew.can_help(self._scope.processes, size):
            for name in names:
                self._spans_of(name, None)
            return
        self._crew = self._stack.enter_context(
            span_crew.crew(self._source, self._source.wait_hours, self._scope, self._reading.reader)
        )
        first = len(self._names)
        numbered = [(self._files[name], number) for number, name in enumerate(names, first)]
        for name, (met, parts, taken) in zip(names, self._crew.read(numbered), strict=True):
            self._traces.adopt(parts)
            self._minimiser.add(taken)
            self._note(name, met)

    def _spans_of(self, name: str, wanted: set[str] | None) -> None:
        """Reads a file; with `wanted`, only the spans of those traces."""
        met = self._reading.read(self._files[name], len(self._names), wanted)
        self._note(name, met)

    def _note(self, name: str, met: SpanFile) -> None:
        place = self._files[name]
        self._names.append(name)
        self._read[name] = _File({"reader": self._reader, "size": place.size, "version": place.version}, met)
        if met.sha256 is not None:
            self._inputs[name] = met.sha256
        for locator, check, reason, raw in met.refusals:
            self._gatherer.refuse(locator, check, reason, raw)
        met.refusals.clear()

    def _marked(self, name: str) -> dict[str, Any]:
        """Step (4) for one file; a file that was only searched keeps what is known of it."""
        file = self._read[name]
        met, before = file.met, self._mark(name)
        if not met.is_read:
            # As if it had not been tried: what the disk refused tonight it may give tomorrow.
            return {**before, "open": True} if before else {}
        others = self._answers.shares.get(met.number, set())
        shares = {self._names[number] for number in others} | set(before.get("with", ()))
        return {
            **file.mark,
            "open": met.number in self._answers.open,
            "with": sorted(shares),
            "last_ns": max(met.last_ns, before.get("last_ns", 0)),
            **({"problem": met.problem} if met.problem else {}),
        }

    def _fidelity(self) -> list[str]:
        refused = [
            f"{name}: {file.met.refused} spans or messages are in quarantine"
            for name, file in self._read.items()
            if file.met.refused
        ]
        said = [f"source {self._source.name!r}: {sentence}" for sentence in refused[:10]]
        return [*said, *self._gatherer.fidelity(), *self._minimiser.doubts()]
