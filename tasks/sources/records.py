"""From a source's raw records to rows of `outputs`: names, times, contexts, ids, and reasons for refusal.

A record is refused rather than repaired; the reason says what was expected. How its bytes were read is in
`tasks/files`, whether it is known already in `pull.py`.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypedDict

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from tasks import ids
from tasks.files.portions import Record
from tasks.files.refusal import RAW_CHARACTERS, Refusal, shown
from tasks.schema import conform
from tasks.sources import messages
from tasks.sources.base import Scope
from tasks.sources.parameters import FieldMapping, RecordParameters, RecordSettings
from tasks.sources.paths import Keys, Step, at, kind, locate, opened, parse, without
from tasks.sources.times import Clock, instant
from tasks.tables import OUTPUTS
from tasks.text.language import language

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNSPEAKABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and halves of characters: an escape within JSON text can spell what no text may hold."""

_BROKEN = re.compile(r"\s*(?:\[\s*[\[{\"]|\{\s*\")")
"""How JSON text of a list or a record begins; text that does and cannot be parsed was cut off."""


class Context(TypedDict):
    """One of an output's own contexts."""

    uri: str | None
    text: str


class Row(NamedTuple):
    """One output before its ids; names are those of the table."""

    produced_at: datetime
    source_id: str | None
    agent: str
    model: str | None
    use_case: str
    session_id: str | None
    prompt: str | None
    response: str
    contexts: list[Context]
    tools: list[str]
    metadata: str


@dataclass(frozen=True)
class Mapped:
    """`outputs` in record order; `refused` maps a record's position to the reason; `skipped` lay outside
    the asked range of days."""

    outputs: pl.DataFrame
    refused: dict[int, Refusal]
    skipped: int
    outside: tuple[str, ...] = ()
    """Ids of the skipped ones that have one of their own."""


def _name(value: object, field: str, parameters: RecordParameters) -> str | None:
    """A name or id: a value, never a path, so `/` and `..` are fine and controls are not."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Refusal(field, f"{field} is {kind(value)}, expected text")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    text = value if isinstance(value, str) else str(value)
    if len(text) > parameters.maximum_name:
        raise Refusal(
            field, f"{field} has {len(text)} characters, at most {parameters.maximum_name} are allowed"
        )
    if not text.isprintable() and _CONTROL.search(text):
        raise Refusal(field, f"{field} contains control characters: {shown(text, 60)!r}")
    return text


def _spoken(text: str, field: str) -> str:
    """The text; refused where an escape within JSON text spelled what the record's bytes did not show."""
    if _UNSPEAKABLE.search(text):
        raise Refusal(field, f"{field} contains a NUL character or half a character (a lone surrogate)")
    return text


def _answer(value: object, path: str) -> messages.Speech:
    """What the user saw, out of text, a message, a list of messages, parts or items."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise Refusal("response", f"the record has no answer at {path!r}")
    speech = messages.answer(value)
    if speech is None and isinstance(value, str):
        speech = messages.Speech(value)
    if speech is None:
        raise Refusal("response", f"the answer is {kind(value)}, expected text or messages")
    if not speech.text.strip():
        calls = ", ".join(shown(name, 60) for name in speech.tool_calls[:5])
        what = f"only calls tools ({calls})" if calls else "holds no text that a user saw"
        raise Refusal("response", f"the answer at {path!r} {what}")
    _spoken(speech.text, "response")
    return speech


def _bare_answer(record: Record, steps: tuple[Step, ...]) -> Keys | None:
    """Keys of a string in JSON text that a path wants to enter: the answer itself, without a message."""
    for length in range(len(steps) - 1, 0, -1):
        keys = locate(record, steps[:length])
        if keys is not None:
            value = at(record, keys)
            is_encoded = isinstance(value, str) and isinstance(opened(value), str) and opened(value) != value
            return keys if is_encoded else None
    return None


def _every_part(record: Record, keys: Keys) -> Keys:
    """Keys of the whole list where a path leads to the text of one of an answer's parts."""
    if len(keys) > 1 and isinstance(keys[-2], int) and messages.are_parts(opened(at(record, keys[:-2]))):
        return keys[:-2]
    return keys


def _question(value: object) -> str | None:
    """What the user asked: the text, or the last message of a user; other records as JSON."""
    if value is None:
        return None
    speech = messages.question(value)
    if speech is not None and (speech.text.strip() or isinstance(value, str)):
        return _spoken(speech.text, "prompt")
    return value if isinstance(value, str) else _json(value)


def _contexts(
    value: object, text_path: tuple[Step, ...], uri_path: tuple[Step, ...]
) -> tuple[list[Context], list[Record]]:
    """Contexts, and what the record of each carried besides text and address; one alone is a list of one."""
    value = opened(value)
    if value is None or value == "":
        return [], []
    if isinstance(value, str) and _BROKEN.match(value):
        raise Refusal("contexts", "contexts is text that begins as JSON and is not; the export cut it off")
    if isinstance(value, str | dict):
        value = [value]
    if not isinstance(value, list):
        raise Refusal("contexts", f"contexts is {kind(value)}, expected a text, a record or a list of them")
    contexts: list[Context] = []
    rests: list[Record] = []
    for position, given in enumerate(value):
        item = opened(given)
        if isinstance(item, str):
            contexts.append({"uri": None, "text": _spoken(item, "contexts")})
            rests.append({})
        elif isinstance(item, dict):
            context, rest = _context(item, f"context {position}", text_path, uri_path)
            contexts.append(context)
            rests.append(rest)
        else:
            raise Refusal("contexts", f"context {position} is {kind(item)}, expected text or a record")
    return contexts, rests


def _context(
    item: Record, name: str, text_path: tuple[Step, ...], uri_path: tuple[Step, ...]
) -> tuple[Context, Record]:
    text_keys, uri_keys = locate(item, text_path), locate(item, uri_path)
    text = None if text_keys is None else at(item, text_keys)
    if not isinstance(text, str) or text_keys is None:
        reason = f"{name} has no text at {'.'.join(map(str, text_path))!r} (it is {kind(text)})"
        raise Refusal("contexts", reason)
    uri = None if uri_keys is None else at(item, uri_keys)
    if isinstance(uri, dict | list):
        raise Refusal("contexts", f"{name}'s address is {kind(uri)}, expected text")
    rest = without(item, [text_keys] if uri_keys is None else [text_keys, uri_keys])
    return {"uri": None if uri is None else str(uri), "text": _spoken(text, "contexts")}, rest


def _tools(value: object) -> list[str]:
    value = opened(value)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise Refusal("tools", f"tools is {kind(value)}, expected a list of names")
    names = []
    for given in value:
        item = name = opened(given)
        if isinstance(item, dict):
            function = item.get("function")
            name = item.get("name") or (function.get("name") if isinstance(function, dict) else None)
        if not isinstance(name, str):
            raise Refusal("tools", f"a tool is {kind(item)} without a name, expected names")
        names.append(name)
    return names


def _json(value: object) -> str:
    """Compact JSON with sorted keys, so that a record whose keys changed places is the same record."""
    return json.dumps(
        _finite(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain
    )


def _finite(value: object) -> object:
    """pandas writes a missing number as NaN, and JSON has no NaN: it is null. Infinity is refused."""
    if isinstance(value, float):
        if math.isinf(value):
            raise Refusal("number", "a number is infinite, expected a finite one")
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def _plain(value: object) -> str:
    return shown(value, 10 * RAW_CHARACTERS) if isinstance(value, bytes) else str(value)


_PATHS = (
    "id", "produced_at", "time_zone", "prompt", "response", "agent", "model", "use_case", "session_id",
    "contexts", "tools", "metadata",
)  # fmt: skip
_COLUMN = "contexts "
"""What the name of one of several columns with evidence begins with, before its path."""
_NAMES = ("id", "agent", "model", "use_case", "session_id", "time_zone")
DOUBTED_RECORDS = 3
"""Fewer records than this say nothing of a mapping."""
RARE_SHARE = 0.5
ECHO_SHARE = 0.5
ECHO_CHARACTERS = 20
"""A short answer may well be a word of its evidence."""
_BESIDE = ("reasoning", "tool_calls", "images")


def _written(fields: FieldMapping) -> dict[str, str]:
    """Paths as they are written in the configuration, by field; each of several with evidence by itself."""
    paths: dict[str, str] = {}
    for name in _PATHS:
        value = getattr(fields, name)
        if isinstance(value, tuple):
            paths |= {f"{_COLUMN}{path}": path for path in value}
        elif value:
            paths[name] = value
    return paths


class Mapper:
    """Turns raw records of one source into outputs.

    Raises:
        Refusal: on construction, where a constant of the source cannot be used.
    """

    def __init__(
        self,
        source: RecordSettings,
        scope: Scope,
        parameters: RecordParameters | None = None,
    ) -> None:
        self._source, self._run_id, self._now = source, scope.run_id, scope.now
        self._since, self._until = scope.since, scope.until
        self._parameters = parameters or RecordParameters()
        fields = source.fields
        self._written = _written(fields)
        self._paths = {name: parse(path) for name, path in self._written.items()}
        self._columns = [name for name in self._written if name.startswith(_COLUMN)]
        self._clock = Clock(source.time_zone, source.time_format)
        self._text, self._uri = parse(fields.context_text), parse(fields.context_uri)
        self._records = self._echoes = self._repeated = 0
        self._reached: Counter[str] = Counter()
        self._constant_time = None if source.produced_at is None else self._instant(source.produced_at, None)

    def map(self, records: Sequence[Record]) -> Mapped:
        """Rows of `outputs` for the records that are outputs, reasons for those that are not."""
        rows: list[Row] = []
        refused: dict[int, Refusal] = {}
        skipped = 0
        outside: list[str] = []
        for position, record in enumerate(records):
            try:
                row = self._row(record)
            except Refusal as refusal:
                refused[position] = refusal
            except RecursionError:
                refused[position] = Refusal("depth", "the record is nested too deep")
            else:
                day = row.produced_at.date()
                if (self._since and day < self._since) or (self._until and day > self._until):
                    skipped += 1
                    outside += [row.source_id] if row.source_id else []
                else:
                    rows.append(row)
        return Mapped(self._frame(rows), refused, skipped, tuple(outside))

    def identity(self, record: Record) -> str | None:
        """The record's own id, also of one that is refused; None where it has none that can be used."""
        keys = _keys(record, self._paths["id"]) if "id" in self._paths else None
        try:
            return None if keys is None else _name(at(record, keys), "id", self._parameters)
        except Refusal:
            return None

    def doubts(self) -> tuple[list[str], list[str]]:
        """(problems, warnings) of the mapping, once all records have been mapped.

        A path that no record has is a mistake; one that few have may be one, and so may answers that stand in
        their own evidence.
        """
        place = f"source {self._source.name!r}"
        warnings = []
        if self._repeated:
            warnings.append(
                f"{place}: {self._repeated} times happened twice, when clocks were put back, and were read "
                "as the earlier; times with an offset leave no doubt"
            )
        if self._records < DOUBTED_RECORDS:
            return [], warnings
        of = f"of {self._records} records"
        problems, rare = self._unreached(place, of)
        warnings += rare
        if self._echoes > ECHO_SHARE * self._records:
            warnings.append(
                f"{place}: in {self._echoes} {of} the answer stands word for word in "
                f"its own evidence; is fields.response = {self._source.fields.response!r} the evidence?"
            )
        return problems, warnings

    def _unreached(self, place: str, of: str) -> tuple[list[str], list[str]]:
        """(problems, warnings) of paths that none of the records has, or few; one of several columns with
        evidence may well be empty.
        """
        problems, warnings = [], []
        is_any = any(self._reached[name] for name in self._columns)
        for name, path in self._written.items():
            reached = self._reached[name]
            where = f"{place}: fields.{name.split(' ')[0]} = {path!r}"
            if name != "response" and not reached and not (name in self._columns and is_any):
                problems.append(f"{where} leads to nothing in any {of}; correct it or take it out")
            elif name not in self._columns and reached < RARE_SHARE * self._records:
                warnings.append(f"{where} leads to something in {reached} {of} only")
        return problems, warnings

    def _instant(self, value: object, zone: str | None) -> datetime:
        found = instant(value, clock=self._clock, now=self._now, parameters=self._parameters, zone=zone)
        self._repeated += found.is_repeated
        return found.moment

    def _row(self, record: Record) -> Row:
        keys = {name: k for name, parts in self._paths.items() if (k := _keys(record, parts)) is not None}
        response = keys.get("response") or _bare_answer(record, self._paths["response"])
        if response is not None:
            keys["response"] = _every_part(record, response)
        values = {name: at(record, k) for name, k in keys.items()}
        self._records += 1
        self._reached.update(name for name, value in values.items() if value not in (None, ""))
        source, bounds = self._source, self._parameters
        names = {name: _name(values.get(name), name, bounds) for name in _NAMES}
        moment = values.get("produced_at")
        answer = _answer(values.get("response"), source.fields.response)
        contexts, rests = self._evidence(values)
        said = answer.text.strip()
        self._echoes += len(said) >= ECHO_CHARACTERS and any(said in context["text"] for context in contexts)
        return Row(
            produced_at=self._constant_time
            if moment in (None, "") and self._constant_time is not None
            else self._instant(moment, names["time_zone"]),
            source_id=names["id"],
            agent=names["agent"] or source.agent or source.name,
            model=names["model"] or source.model,
            use_case=names["use_case"] or source.use_case or bounds.default_use_case,
            session_id=names["session_id"],
            prompt=_question(values.get("prompt")),
            response=answer.text,
            contexts=contexts,
            tools=_tools(values.get("tools")),
            metadata=self._metadata(record, keys, values, rests, answer),
        )

    def _evidence(self, values: Record) -> tuple[list[Context], list[Record]]:
        """Contexts and the rest of each; those of several columns are called like their column."""
        if not self._columns:
            return _contexts(values.get("contexts"), self._text, self._uri)
        contexts: list[Context] = []
        rests: list[Record] = []
        for name in self._columns:
            own, more = _contexts(values.get(name), self._text, self._uri)
            label = self._written[name]
            labels = [label] if len(own) == 1 else [f"{label}.{at}" for at in range(len(own))]
            contexts += [
                {"uri": context["uri"] or label, "text": context["text"]}
                for context, label in zip(own, labels, strict=True)
            ]
            rests += more
        return contexts, rests

    def _metadata(
        self,
        record: Record,
        keys: dict[str, Keys],
        values: Record,
        contexts: list[Record],
        answer: messages.Speech,
    ) -> str:
        """What the record has under its path, or else everything that no other path named; beside it what
        the answer's messages carried besides their text.
        """
        beside = {name: list(items) for name in _BESIDE if (items := getattr(answer, name))}
        if "metadata" in values:
            metadata = values["metadata"]
            if not beside:
                return metadata if isinstance(metadata, str) and _is_json(metadata) else _json(metadata)
            rest = opened(metadata)
            return _json({**(rest if isinstance(rest, dict) else {"metadata": metadata}), "answer": beside})
        rest = without(record, list(keys.values()))
        if any(contexts):
            rest[self._written.get("contexts", "contexts")] = contexts
        return _json({**rest, "answer": beside} if beside else rest)

    def _frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        columns = zip(*rows, strict=True) if rows else ([] for _ in Row._fields)
        frame = pl.DataFrame(
            [_series(name, list(values)) for name, values in zip(Row._fields, columns, strict=True)]
        )
        content = [frame["produced_at"].to_physical()]
        content += [frame[c] for c in ("agent", "model", "use_case", "session_id", "prompt", "response")]
        content += [_joined([r.contexts for r in rows]), _joined([r.tools for r in rows]), frame["metadata"]]
        frame = frame.with_columns(content_sha256=ids.digest_rows("content", content))
        # A record that has no id of its own is what it says: its content is its id.
        frame = frame.with_columns(
            source=pl.lit(self._source.name), source_id=pl.coalesce("source_id", "content_sha256")
        )
        output_id = ids.digest_rows("output", [frame[c] for c in ("source", "source_id", "content_sha256")])
        return conform(
            OUTPUTS,
            frame.with_columns(
                output_id=output_id,
                supersedes=pl.lit(None, dtype=pl.String),
                ingested_at=pl.lit(self._now, dtype=OUTPUTS.schema["ingested_at"]),
                run_id=pl.lit(self._run_id),
                sampling_probability=pl.lit(1.0),
                language=pl.Series([language(row.response) for row in rows], dtype=pl.String),
            ),
        )


def _series(name: str, values: Sequence[object]) -> pl.Series:
    if name != "contexts":
        return pl.Series(name, values, dtype=OUTPUTS.schema[name], strict=True)
    # Polars builds a list of records by one small frame a row; Arrow does it in one pass, ten times as fast.
    record = pa.struct([("uri", pa.large_string()), ("text", pa.large_string())])
    return pl.Series(name, pa.array(values, type=pa.large_list(record)), dtype=OUTPUTS.schema[name])


def _keys(record: Record, steps: tuple[Step, ...]) -> Keys | None:
    # One part is by far the commonest path; the general search costs ten times as much.
    if len(steps) == 1 and isinstance(steps[0], str):
        return (steps[0],) if steps[0] in record else None
    return locate(record, steps)


def _joined(lists: Sequence[Sequence[object]]) -> pl.Series:
    """Lists as text for the digest; `json` has one spelling for each value."""
    spelled = (
        json.dumps(items, ensure_ascii=False, separators=(",", ":")) if items else "[]" for items in lists
    )
    return pl.Series(list(spelled), dtype=pl.String)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")
