"""Spans of a server: what is new since the last pull, with the rest of each trace, as answers.

(1) Pages of new spans, from the server's own mark on. (2) A trace that lacks its root or a parent, and one
that was open last time, is asked for as a whole. (3) A trace is an answer when it has both, else it waits, at
most `wait_hours`; open traces are remembered with the mark. The mark is given with the last batch, so a pull
that was cut off begins where the last whole one ended, and what comes twice is known by its ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Annotated, Any, Protocol, TypeVar

from annotated_types import Ge, Gt, Le, MinLen

from tasks.errors import SourceError
from tasks.files.beside import beside
from tasks.files.refusal import shown
from tasks.files.web import Web
from tasks.knobs import Example
from tasks.sources import trace_files, traces
from tasks.sources.base import LEFT_OUT, Batch, Scope, Tally
from tasks.sources.batches import Gatherer, gather, trace_mapper
from tasks.sources.gathering import Traces
from tasks.sources.raw_spans import TRACE, Raw, ends, is_complete, spans
from tasks.sources.secrets import minimiser as minimiser_of
from tasks.sources.secrets import secret, variable
from tasks.sources.span_answers import SETTLED_S
from tasks.sources.span_files import Reader
from tasks.sources.trace_files import TraceSettings

ASKED_AT_ONCE = 25
"""Traces of one request: their ids are in its address."""
OPEN_TRACES = 100_000
"""Open traces that are remembered; more are a source whose roots never come."""
SPAN_BYTES = 2_000

Mark = dict[str, Any]
Settings = TypeVar("Settings", bound="ServerSettings")
LISTED = 200_000
"""Ids of one day that are held to be compared: some 30 MB."""
LogIn = Callable[["ServerSettings"], dict[str, Any]]
"""What a request carries so that the server lets it in."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings(TraceSettings):
    """A server of traces, or its exports."""

    url: Annotated[str, Example("https://traces.example")] = ""
    """Address of the server."""
    path: Annotated[str, Example("s3://exports/**/*.parquet")] = ""
    """Instead of a server, its exports: a file, folder, glob or URL."""
    project: Annotated[str, MinLen(1), Example("support")] = "default"
    """Which of the server's projects."""
    page_size: Annotated[int, Ge(1), Le(1000)] = 500
    """Spans, or traces, of one request."""
    requests_per_second: Annotated[float, Ge(0), Le(1000)] = 0.0
    """At most so many; 0 is no limit but the server's own."""
    requests_at_once: Annotated[int, Ge(1), Le(32)] = 1
    """Requests in flight at most, where one does not need the answer of another: traces asked for by their
    ids. A server that asks to wait is left alone by all of them."""
    timeout_s: Annotated[float, Gt(0), Le(3600)] = 60.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.url) == bool(self.path):
            raise ValueError("set either url, the server's address, or path, its exports")


class Server(Protocol):
    """What a kind of server gives."""

    def pages(self, mark: Mark, scope: Scope) -> Iterator[tuple[list[Raw], Mark]]:
        """New spans, a page at a time, and the mark after each; of the scope's days where it is a range."""
        ...

    def of(self, trace_ids: Sequence[str]) -> Iterator[Raw]:
        """All spans of these traces."""
        ...


def web(source: ServerSettings, *, headers: Mapping[str, str] | None = None, **more: Any) -> Web:
    """The door to a source's server; `headers` may hold its key."""
    return Web(
        f"source {source.name!r}",
        source.url,
        headers=headers or {},
        secret=variable(source.name),
        per_second=source.requests_per_second,
        timeout_s=source.timeout_s,
        **more,
    )


def credentials(source: ServerSettings) -> dict[str, Any]:
    """How to log in: with a key and a secret as user and password, with a key alone as a bearer token."""
    key, password = secret(source.name), secret(source.name, "SECRET")
    if key and password:
        return {"auth": (key, password)}
    return {"headers": {"Authorization": f"Bearer {key}"}} if key else {}


def once(cursors: set[str], cursor: str, name: str) -> str:
    """A page's token, which may not come again: pages would follow for ever.

    Raises:
        SourceError: it did.
    """
    if cursor in cursors:
        raise SourceError(
            f"source {name!r}: the server keeps returning the same page; report this to its operator"
        )
    cursors.add(cursor)
    return cursor


def odd(source: ServerSettings, place: str, what: str, error: Exception, tested: str = "") -> SourceError:
    """What to say of an answer of another form; `tested` names the server that was tested."""
    return SourceError(
        f"source {source.name!r}: {place} answered with something else than {what} "
        f"({type(error).__name__}: {shown(str(error), 80)})"
        + (f"; it was tested with {tested}" if tested else "")
    )


def reach(source: Settings, look: Callable[[Settings, Web], str], log_in: LogIn = credentials) -> str:
    """What is there: of its exports, or what `look` says of its server.

    Raises:
        SourceError: it cannot be reached, or lets nobody in.
    """
    if source.path:
        return trace_files.reach(source.path)
    with web(source, **log_in(source)) as door:
        return look(source, door)


def pull(
    source: Settings,
    scope: Scope,
    server: Callable[[Settings, Web], Server],
    exported: Reader,
    log_in: LogIn = credentials,
) -> Iterator[Batch]:
    """Answers of the traces that are new or were open, from a server or from its exports.

    Args:
        exported: reads a file of the exports.

    Raises:
        SourceError: the server, or the exports, cannot be read.
    """
    if source.path:
        yield from trace_files.pull(source, source.path, scope, exported)
        return
    with web(source, **log_in(source)) as door:
        yield from _pull(source, scope, server(source, door))


def tally(
    source: Settings,
    days: Sequence[date],
    listed: Callable[[Settings, Web, date], Iterator[str]],
    log_in: LogIn = credentials,
) -> Iterator[Tally]:
    """The traces of each UTC day, by when they began, listed by their ids.

    Raises:
        SourceError: the server cannot be asked, or has too many traces a day to list.
    """
    with web(source, **log_in(source)) as door:
        for day in days:
            ids = list(dict.fromkeys(islice(listed(source, door, day), LISTED + 1)))
            if len(ids) > LISTED:
                raise SourceError(
                    f"source {source.name!r}: more than {LISTED:,} traces on {day}, too many to list"
                )
            yield Tally(day, len(ids), ids)


def _pull(source: ServerSettings, scope: Scope, server: Server) -> Iterator[Batch]:
    mark = {} if scope.is_range else dict(scope.marks)
    minimiser = minimiser_of(source)
    gatherer = Gatherer(trace_mapper(source, scope), source.name, scope, minimiser)
    gathered = Traces(scope.work / "spans")
    for page, after in server.pages(mark, scope):
        for span in page:
            gathered.add(minimiser.span(span), SPAN_BYTES)
        mark = {**mark, **after}
    asked = {group[0][TRACE] for group in gathered if not is_complete(group)} | set(mark.get("open", ()))
    for span in whole(server.of, sorted(asked), ASKED_AT_ONCE, source.requests_at_once):
        gathered.add(minimiser.span(span), SPAN_BYTES)
    still_open: list[str] = []
    for group in gathered:
        if _is_open(group, source, scope):
            still_open.append(group[0][TRACE])
            gatherer.set_aside(group[0][TRACE], LEFT_OUT)
            continue
        trace = traces.read(spans(group, source.fields.names()))
        if not trace.records:
            gatherer.set_aside(group[0][TRACE], LEFT_OUT)
        gather(trace, gatherer)
        if gatherer.is_full:
            yield gatherer.batch()
    marks = {} if scope.is_range else {**mark, "open": sorted(still_open)[:OPEN_TRACES]}
    yield replace(gatherer.batch(marks), warnings=(*gatherer.fidelity(), *minimiser.doubts()))


def whole(
    of: Callable[[Sequence[str]], Iterable[Raw]], trace_ids: Sequence[str], at_once: int, requests: int
) -> Iterator[Raw]:
    """All spans of these traces as a server gives them (`Server.of`).

    So many traces of one request, and so many requests in flight.
    """
    parts = [trace_ids[first : first + at_once] for first in range(0, len(trace_ids), at_once)]
    for found in beside(lambda part: list(of(part)), parts, requests):
        yield from found


def _is_open(group: list[Raw], source: ServerSettings, scope: Scope) -> bool:
    moments = ends(group)
    if scope.is_range or not moments:
        return False
    quiet_s = scope.now.timestamp() - max(moments) / 1e9
    return -SETTLED_S < quiet_s < (SETTLED_S if is_complete(group) else source.wait_hours * 3600)
