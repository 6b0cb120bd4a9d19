"""Traces that have ended, as answers; those that have not wait, and their files are read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tasks.sources import traces
from tasks.sources.base import Batch, Scope
from tasks.sources.batches import Gatherer, gather, trace_mapper
from tasks.sources.minimise import Minimiser
from tasks.sources.parameters import SpanSettings
from tasks.sources.raw_spans import Raw, ends, is_complete, spans

SETTLED_S = 60
"""Spans of one trace are sent by several processes, each every few seconds."""


class Answers:
    """Turns traces of files into batches, and notes what they say of the files."""

    def __init__(self, source: SpanSettings, wait_hours: float, scope: Scope, minimiser: Minimiser) -> None:
        self._now_ns = int(scope.now.timestamp() * 1e9)
        self._is_range, self._wait_s = scope.is_range, wait_hours * 3600
        self._delivery = source.fields.names()
        self.gatherer = Gatherer(trace_mapper(source, scope), source.name, scope, minimiser)
        self.open: set[int] = set()
        """Files, by their numbers, that have traces which have not ended."""
        self.shares: dict[int, set[int]] = {}
        """With which other files each shares traces."""

    def batches(self, groups: Iterable[list[Raw]]) -> Iterator[Batch]:
        """Batches that became full; what is left is in the gatherer."""
        for group in groups:
            self._trace(group)
            if self.gatherer.is_full:
                yield self.gatherer.batch()

    def note(self, files: set[int], shares: dict[int, set[int]]) -> None:
        """What other traces said of the files."""
        self.open |= files
        for number, others in shares.items():
            self.shares.setdefault(number, set()).update(others)

    def _trace(self, group: list[Raw]) -> None:
        numbers = {span[-1] for span in group}
        if len(numbers) > 1:
            self.note(set(), {number: numbers - {number} for number in numbers})
        moments = ends(group)
        if not moments:
            return  # logs of spans that have not come
        is_whole = is_complete(group)
        if not self._is_range:
            quiet_s = (self._now_ns - max(moments)) / 1e9
            if not is_whole:
                self.open |= numbers
            if -SETTLED_S < quiet_s < (SETTLED_S if is_whole else self._wait_s):
                self.open |= numbers
                return
        gather(traces.read(spans(group, self._delivery)), self.gatherer)
