"""One file of spans, read: its spans go to where they are brought together, the rest is said of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.files import places, streams
from tasks.files.limits import LimitSettings
from tasks.files.places import Place
from tasks.files.refusal import Refusal, shown
from tasks.sources.gathering import Traces
from tasks.sources.minimise import Minimiser
from tasks.sources.raw_spans import END, START, TRACE, Raw

Reader = Callable[[Path, LimitSettings], Iterator[tuple[Raw | Refusal, int, str]]]
"""Gives the spans of a file: each, or why it is none; the bytes that it was read from; where it is."""
WITHOUT_CONTENT = ("missing", "not_a_file", "empty")


@dataclass
class SpanFile:
    """What was met in one file."""

    number: int
    sha256: str | None = None
    first_ns: int = 2**63
    last_ns: int = 0
    refusals: list[tuple[str, str, str, bytes | str]] = field(default_factory=list)
    """(locator, check, reason, raw) of what is in quarantine."""
    refused: int = 0
    """Spans and messages among them."""
    is_read: bool = True
    """Whether it could be read to its end, whatever was in it."""
    problem: str | None = None


@dataclass(frozen=True)
class Reading:
    """How the files of a source are read."""

    reader: Reader
    limits: LimitSettings
    folder: Path
    """Where a file that is not on this disk is fetched to."""
    traces: Traces
    minimiser: Minimiser

    def read(self, place: Place, number: int, wanted: set[str] | None = None) -> SpanFile:
        """Reads a file, which its spans call by its number; with `wanted`, only the spans of those traces.

        Raises:
            SourceError: it could not be fetched.
        """
        limits = self.limits
        file = SpanFile(number)
        try:
            with places.fetched(place, self.folder, limits.max_file_bytes) as path:
                file.sha256 = streams.digest(path, path.stat().st_size)
                for span, size, where in self.reader(path, limits):
                    if isinstance(span, Refusal):
                        if wanted is None:
                            file.refused += 1
                            file.refusals.append((place.name + where, span.check, span.reason, span.raw))
                    elif wanted is None or span[TRACE] in wanted:
                        if size > limits.max_record_bytes:
                            reason = f"the span's message is over limits.max_record_bytes ({size} bytes)"
                            file.refusals.append((place.name + where, "too_large", reason, ""))
                            continue
                        self.traces.add([*self.minimiser.span(span), number], size)
                        start_ns = span[START]
                        if start_ns is not None:
                            file.first_ns = min(file.first_ns, start_ns)
                            file.last_ns = max(file.last_ns, span[END])
        except Refusal as failure:
            file.problem = f"{shown(place.address)} {failure.reason}"
            if failure.check not in WITHOUT_CONTENT:
                reason = f"the file {failure.reason}"
                file.refusals.append((f"{place.name}: the rest", failure.check, reason, ""))
        except OSError as error:
            file.problem = f"{shown(place.address)} cannot be read ({error.strerror})"
            file.is_read = False
        return file
