"""Rows of one trace as one record: tables of observations, runs or messages keep an answer in one row, what
it rests on in others.

The record is the row of the last answer, with `joined` beside its own fields: `evidence`, a list of records
with `text` and `uri`; `question`, where rows hold one; `rows`, their number. A file is read twice: first the
rows of each trace are counted, then each trace is given as soon as its last row was met. So only traces that
are open are held, and what a trace becomes does not depend on how the rows of a file are mixed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from tasks.files.portions import Piece, Portion, Record
from tasks.files.refusal import Refusal, shown
from tasks.sources import messages
from tasks.sources.parameters import FieldMapping, FilesSettings, JoinSettings
from tasks.sources.paths import at, locate, opened, parse

EVIDENCE = "joined.evidence"
QUESTION = "joined.question"
HELD_BYTES = 256 * 2**20
"""Rows of open traces that are held, in bytes of their text: more than a day's of a busy agent."""
TEXTS = (
    "text", "content", "page_content", "pageContent", "passage", "body", "chunk", "snippet", "excerpt",
    "paragraph", "txt", "node.text", "document.content",
)  # fmt: skip
"""Where documents keep their text, as retrievers of many platforms write them."""
ADDRESSES = (
    "uri", "url", "source", "link", "href", "document_uri", "metadata.source", "metadata.url", "metadata.uri",
    "metadata.file_name", "node.metadata.file_name", "meta.name",
    "document.id", "document_name", "file_name", "title", "id",
)  # fmt: skip
_LISTS = ("documents", "docs", "results", "passages", "chunks", "matches", "hits", "contexts", "output")
"""Keys under which a retriever's answer holds its list of documents."""
_ROW_NAME = "name"

Portions = Callable[[], Iterable[Portion]]


def fields_of(source: FilesSettings) -> FieldMapping:
    """The source's fields, where joined rows are the evidence unless they say otherwise."""
    fields = source.fields
    if source.join is None or not source.join.evidence or fields.contexts not in (None, EVIDENCE):
        return fields
    return replace(fields, contexts=EVIDENCE, context_text="text", context_uri="uri")


@dataclass
class _Row:
    order: tuple[int, float, str]
    record: Record
    piece: Piece
    size: int


@dataclass
class _Trace:
    left: int
    """Rows that are still to come."""
    rows: list[_Row] = field(default_factory=list)


class Joiner:
    """Joins the rows of a file of one source."""

    def __init__(self, join: JoinSettings, fields: FieldMapping) -> None:
        self._join = join
        self._by, self._kind, self._text = parse(join.by), parse(join.kind), parse(join.text)
        self._order = parse(join.order) if join.order else None
        self._response, self._name = parse(fields.response), parse(_ROW_NAME)
        self._texts = [parse(path) for path in dict.fromkeys([fields.context_text, *TEXTS])]
        self._addresses = [parse(path) for path in dict.fromkeys([fields.context_uri, *ADDRESSES])]
        kinds = {"answer": join.answers, "question": join.questions, "evidence": join.evidence}
        self._roles = {kind.casefold(): role for role, names in kinds.items() for kind in names}

    def joined(self, portions: Portions) -> Iterator[Portion]:
        """The file's records, each out of all rows of one trace; `portions` gives the rows, twice."""
        counts: Counter[str] = Counter()
        for portion in portions():
            counts.update(key for record, _ in portion.records if (key := self._key(record)) is not None)
        traces: dict[str, _Trace] = {}
        held = 0
        for portion in portions():
            whole = replace(portion, records=[], refused=list(portion.refused), resume=None)
            for record, piece in portion.records:
                key = self._key(record)
                if key is None:
                    reason = f"the row has nothing at join.by = {self._join.by!r}, so it belongs to no trace"
                    whole.refused.append((piece, Refusal("join", reason)))
                    continue
                trace = traces.setdefault(key, _Trace(counts[key]))
                trace.rows.append(self._row(record, piece))
                trace.left -= 1
                held += trace.rows[-1].size
                if trace.left == 0:
                    held -= sum(row.size for row in traces.pop(key).rows)
                    self._close(trace, whole)
            if held > HELD_BYTES:
                reason = f"holds rows of {len(traces)} traces far apart; sort the export by {self._join.by!r}"
                whole.failure = Refusal("join", reason)
                yield whole
                return
            yield whole
        if traces:  # the file changed between the two readings
            rest = Portion()
            for trace in traces.values():
                self._close(trace, rest)
            yield rest

    def _key(self, record: Record) -> str | None:
        keys = locate(record, self._by)
        value = None if keys is None else at(record, keys)
        return None if value in (None, "") else str(value)

    def _row(self, record: Record, piece: Piece) -> _Row:
        size = len(piece.raw) or sum(len(value) for value in record.values() if isinstance(value, str))
        return _Row(self._place(record), record, piece, size + 1_000)

    def _place(self, record: Record) -> tuple[int, float, str]:
        """What the row is sorted by: numbers as such, all else as text; what has nothing stays last."""
        keys = None if self._order is None else locate(record, self._order)
        value = None if keys is None else at(record, keys)
        if value is None:
            return (2 if self._order else 0, 0.0, "")
        try:
            return (0, float(value), "") if isinstance(value, str | int | float) else (1, 0.0, str(value))
        except (ValueError, OverflowError):
            return (1, 0.0, str(value))

    def _close(self, trace: _Trace, portion: Portion) -> None:
        """Adds the trace's record, or the reason why it has none, to the portion."""
        rows = sorted(trace.rows, key=lambda row: row.order)
        roles = [self._role(row.record) for row in rows]
        answers = [number for number, role in enumerate(roles) if role == "answer"]
        portion.joined += len(rows) - 1
        if not answers:
            kinds = ", ".join(self._join.answers)
            reason = (
                f"none of the {len(rows)} rows of this trace holds an answer ({self._join.kind}: {kinds})"
            )
            portion.refused.append((trace.rows[0].piece, Refusal("join", reason)))
            return
        chosen = next((n for n in reversed(answers) if self._speaks(rows[n].record)), answers[-1])
        joined: Record = {"rows": len(rows)}
        evidence = [
            document
            for row, role in zip(rows, roles, strict=True)
            if role == "evidence"
            for document in self._documents(row.record)
        ]
        asked = [n for n, role in enumerate(roles[:chosen]) if role == "question"]
        joined |= {"evidence": evidence} if evidence else {}
        joined |= {"question": self._value(rows[asked[-1]].record)} if asked else {}
        portion.records.append(({**rows[chosen].record, "joined": joined}, rows[chosen].piece))

    def _role(self, record: Record) -> str | None:
        keys = locate(record, self._kind)
        return None if keys is None else self._roles.get(str(at(record, keys)).casefold())

    def _speaks(self, record: Record) -> bool:
        keys = locate(record, self._response)
        speech = None if keys is None else messages.answer(at(record, keys))
        return speech is not None and bool(speech.text.strip())

    def _value(self, record: Record) -> object:
        keys = locate(record, self._text)
        return None if keys is None else at(record, keys)

    def _documents(self, record: Record) -> list[dict[str, str | None]]:
        """Documents of a row of evidence: its list, or what a tool gave back as one text."""
        value = opened(self._value(record))
        keys = locate(record, self._name)
        name = None if keys is None else shown(str(at(record, keys)), 200)
        documents = []
        for item in _items(value):
            text = item if isinstance(item, str) else _first(item, self._texts)
            if text is None:
                text = json.dumps(item, ensure_ascii=False, sort_keys=True, default=str)
            address = _first(item, self._addresses) or name
            if text.strip():
                documents.append({"text": text, "uri": address})
        return documents


def _items(value: object) -> list[object]:
    """The documents that a row's output consists of."""
    if value in (None, "", [], {}):
        return []
    if isinstance(value, dict):
        inner = next((opened(value[key]) for key in _LISTS if isinstance(opened(value.get(key)), list)), None)
        return [opened(item) for item in inner] if isinstance(inner, list) else [value]
    return [opened(item) for item in value] if isinstance(value, list) else [value]


def _first(item: object, paths: Sequence[tuple[object, ...]]) -> str | None:
    """The first text that one of the paths leads to within a record."""
    if not isinstance(item, dict):
        return None
    for steps in paths:
        keys = locate(item, steps)  # type: ignore[arg-type]
        value = None if keys is None else at(item, keys)
        if isinstance(value, str) and value.strip():
            return value
    return None
