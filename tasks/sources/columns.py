"""Records whose values are plain, mapped field by field instead of one by one.

Most records of a source hold text where text is expected, a time with its offset, and documents of a text and
an address. Of those nothing has to be searched, opened or worded, so each field is one pass over a batch.
Everything else is *doubtful* and goes to `records.py`, which alone knows what may be said and what is
refused: what is plain here becomes there exactly the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from tasks.files.portions import Record
from tasks.files.refusal import Refusal
from tasks.sources import values
from tasks.sources.delivered import ACTION, FLAG, TIME
from tasks.sources.parameters import RecordParameters

_ISO = re.compile(
    r"[12][0-9]{3}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][01][0-9]:[0-5][0-9])"
)
_JSON = ('"', "{", "[")
"""How text begins that may stand for something else."""
_SLOW = frozenset({TIME, FLAG, ACTION, "time_zone"})
"""Fields whose meaning depends on others."""


class _Doubt:
    """In the place of a value that is not plain."""


DOUBT = _Doubt()
Read = Callable[[Any], object]


@dataclass
class Plain:
    """Fields of a batch, by position; those of doubtful positions mean nothing."""

    fields: dict[str, list[Any]]
    doubtful: set[int] = field(default_factory=set)
    reached: dict[str, int] = field(default_factory=dict)
    """How many of the plain records have something under a path."""


class Columns:
    """Reads batches of one source whose paths are single keys, field by field."""

    def __init__(
        self, keys: dict[str, str], text: str, uri: str, now: datetime, parameters: RecordParameters
    ) -> None:
        """`keys` are those of a record by field; `text` and `uri` those of a document."""
        self._keys, self._text, self._uri = keys, text, uri
        self._earliest, self._latest = parameters.earliest, now + parameters.tolerance
        self._longest = parameters.maximum_name
        self._own = frozenset(keys.values())
        names: dict[str, Read] = dict.fromkeys(("id", "agent", "model", "use_case", "session_id"), self._name)
        self._readers: dict[str, Read] = {
            **names, "produced_at": self._instant, "prompt": _question, "response": _answer,
            "contexts": self._contexts, "context_ids": _nothing, "tools": _tools,
        }  # fmt: skip

    @staticmethod
    def can_read(keys: dict[str, str]) -> bool:
        """Whether fields under these keys can be read one by one."""
        return not keys.keys() & _SLOW and {"response", "produced_at"} <= keys.keys()

    def read(self, records: Sequence[Record]) -> Plain:
        """The batch field by field."""
        plain = Plain({})
        held = {name: [record.get(key) for record in records] for name, key in self._keys.items()}
        for name, read in self._readers.items():
            if name in held:
                column = list(map(read, held[name]))
                plain.fields[name] = column
                plain.doubtful.update(at for at, value in enumerate(column) if value is DOUBT)
        metadata = [self._metadata(record) for record in records]
        plain.fields["metadata"] = metadata
        plain.doubtful.update(at for at, value in enumerate(metadata) if value is DOUBT)
        for name, column in held.items():
            plain.reached[name] = sum(
                value is not None and value != "" and at not in plain.doubtful
                for at, value in enumerate(column)
            )
        return plain

    def _name(self, value: Any) -> object:
        if value is None or value == "":
            return None
        if type(value) is int:
            return str(value)
        if type(value) is str and value.isprintable() and len(value) <= self._longest:
            return value
        return DOUBT

    def _instant(self, value: Any) -> object:
        if type(value) is str:
            if not _ISO.fullmatch(value):
                return DOUBT
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                return DOUBT
        if type(value) is not datetime or value.tzinfo is None:
            return DOUBT
        try:
            moment = value.astimezone(UTC)
        except OverflowError:
            return DOUBT
        return moment if self._earliest <= moment <= self._latest else DOUBT

    def _contexts(self, value: Any) -> object:
        if value is None or value == "":
            return []
        if type(value) is str:
            if not value.lstrip().startswith(_JSON):
                return [{"uri": None, "text": value}] if _is_spoken(value) else DOUBT
            try:
                value = orjson.loads(value)
            except ValueError:
                return DOUBT
        if type(value) is not list:
            return DOUBT
        contexts = [self._context(item) for item in value]
        return DOUBT if DOUBT in contexts else contexts

    def _context(self, item: Any) -> object:
        if type(item) is str:
            return {"uri": None, "text": item} if _is_plain(item) else DOUBT
        if type(item) is not dict or len(item) != 2:
            return DOUBT
        text, uri = item.get(self._text), item.get(self._uri)
        if type(text) is not str or type(uri) is not str or not text or not _is_spoken(text + uri):
            return DOUBT
        return {"uri": uri, "text": text}

    def _metadata(self, record: Record) -> object:
        key = self._keys.get("metadata")
        try:
            if key is not None and key in record:
                return values.metadata(record[key])
            rest = record.keys() - self._own
            return values.as_json({name: record[name] for name in rest}) if rest else "{}"
        except (Refusal, RecursionError):
            return DOUBT


def _is_spoken(text: str) -> bool:
    return "\0" not in text and values.is_encodable(text)


def _is_plain(text: str) -> bool:
    """Text that stands for itself, and holds nothing that no text may hold."""
    return not text.lstrip().startswith(_JSON) and _is_spoken(text)


def _answer(value: Any) -> object:
    return value if type(value) is str and value.strip() and _is_plain(value) else DOUBT


def _question(value: Any) -> object:
    return value if value is None or (type(value) is str and _is_plain(value)) else DOUBT


def _nothing(value: Any) -> object:
    return None if value in (None, "", []) else DOUBT


def _tools(value: Any) -> object:
    if value is None or value == "":
        return []
    if type(value) is str:
        return [value] if _is_plain(value) else DOUBT
    is_names = type(value) is list and all(type(item) is str and _is_plain(item) for item in value)
    return list(value) if is_names else DOUBT
