"""From a source's raw records to rows of `outputs`: names, times, contexts, ids, and reasons for refusal.

Belongs here: what a record means. Does not belong here: how its bytes were read (`tasks/sources`) or whether
it is known already (`pull.py`). A record is refused rather than repaired; the reason says what was
expected.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from tasks import ids
from tasks.files.refusal import RAW_CHARACTERS, Refusal, shown
from tasks.schema import conform
from tasks.tables import OUTPUTS

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Fields:
    """Dotted paths into a record; the meaning of each is that of `FieldMapping` in the settings."""

    id: str | None = None
    produced_at: str | None = None
    prompt: str | None = None
    response: str = "response"
    agent: str | None = None
    model: str | None = None
    use_case: str | None = None
    session_id: str | None = None
    contexts: str | None = None
    context_text: str = "text"
    context_uri: str = "uri"
    tools: str | None = None
    metadata: str | None = None


@dataclass(frozen=True)
class Constants:
    """What the source says of every record that does not say it itself."""

    agent: str | None = None
    model: str | None = None
    use_case: str | None = None
    produced_at: str | None = None
    assume_utc: bool = False
    """Times without a zone are UTC; otherwise they are refused."""


@dataclass(frozen=True)
class RecordParameters:
    """Bounds on what a record may say."""

    earliest: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    """No agent answered before: 1969, 1970 and year 1 are what unset clocks and zeros turn into."""
    tolerance: timedelta = timedelta(days=1)
    """How far ahead of the pull a record may lie: a wrong zone is at most 14 hours, a wrong clock more."""
    maximum_name: int = 1_000
    """Characters of an id or a name; longer ones are content in the wrong field."""
    default_use_case: str = "unspecified"
    """Where neither record nor source names one; the agent is then called like its source."""


@dataclass(frozen=True)
class Mapped:
    """`outputs` in record order; `refused` maps a record's position to the reason; `skipped` lay outside
    the asked range of days."""

    outputs: pl.DataFrame
    refused: dict[int, Refusal]
    skipped: int


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNSPEAKABLE = re.compile(r"[\ud800-\udfff]|\\u0000")
"""In JSON written without escaping: halves of characters stand as such, NUL as its escape."""
_NUMBER = re.compile(r"-?[0-9]{9,}(?:\.[0-9]+)?")


def locate(record: Any, parts: Sequence[str]) -> Keys | None:
    """Keys that lead to a dotted path's value, or None.

    A key may itself contain dots (`attributes` → `gen_ai.output.messages`): the longest key that exists is
    tried first. A part of digits indexes a list.
    """
    if not parts:
        return ()
    if isinstance(record, dict):
        for length in range(len(parts), 0, -1):
            key = parts[0] if length == 1 else ".".join(parts[:length])
            if key in record:
                rest = locate(record[key], parts[length:])
                if rest is not None:
                    return (key, *rest)
    elif isinstance(record, list) and parts[0].isascii() and parts[0].isdigit():
        index = int(parts[0][:9])
        if index < len(record):
            rest = locate(record[index], parts[1:])
            if rest is not None:
                return (index, *rest)
    return None


def _value(record: Any, keys: Keys) -> Any:
    for key in keys:
        record = record[key]
    return record


def _without(record: Any, keys: Sequence[Keys]) -> Any:
    """A copy without the values at `keys`; what becomes empty by that disappears, lists keep their length."""
    gone = {k[0] for k in keys if len(k) == 1}
    inner = {k[0] for k in keys if len(k) > 1}
    if isinstance(record, list):
        return [
            None
            if i in gone
            else _without(item, [k[1:] for k in keys if len(k) > 1 and k[0] == i])
            if i in inner
            else item
            for i, item in enumerate(record)
        ]
    rest: dict[str, Any] = {}
    for key, value in record.items():
        if key in gone:
            continue
        if key in inner:
            value = _without(value, [k[1:] for k in keys if len(k) > 1 and k[0] == key])  # noqa: PLW2901
            if value in ({}, []):
                continue
        rest[key] = value
    return rest


def instant(value: Any, *, assume_utc: bool, now: datetime, parameters: RecordParameters) -> datetime:
    """A record's time as a microsecond UTC instant.

    ISO 8601 text with a zone (`Z`, `+02:00`, ` UTC`), or a number since 1970-01-01 whose unit follows from
    its magnitude: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
    Between 2000 and 2286 the four never overlap. Digits as text (9 or more) count as a number.

    Raises:
        Refusal: no time, no zone, not a time, before `parameters.earliest`, or further ahead than allowed.
    """
    if value is None or value == "":
        raise Refusal("produced_at", "the record has no time")
    if isinstance(value, bool) or not isinstance(value, (str, int, float, datetime)):
        if isinstance(value, date):
            return instant(
                datetime.combine(value, time()), assume_utc=assume_utc, now=now, parameters=parameters
            )
        raise Refusal("produced_at", f"the time is {_kind(value)}, expected ISO 8601 text or a number")
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if "." in value else int(value[:25])
    try:
        moment = _epoch(value) if isinstance(value, (int, float)) else _iso(value)
    except (ValueError, OverflowError):
        raise Refusal(
            "produced_at", f"{shown(str(value), 60)!r} is not a time; expected ISO 8601 with a zone"
        ) from None
    if moment.tzinfo is None:
        if not assume_utc:
            raise Refusal(
                "produced_at",
                f"the time {moment.isoformat()} has no zone; if the source writes UTC, "
                'set time_zone = "UTC" for it',
            )
        moment = moment.replace(tzinfo=UTC)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise Refusal("produced_at", f"the time {moment.isoformat()} is out of range") from None
    if moment < parameters.earliest:
        raise Refusal(
            "produced_at", f"the time {moment.isoformat()} is before {parameters.earliest:%Y-%m-%d}"
        )
    if moment > now + parameters.tolerance:
        raise Refusal("produced_at", f"the time {moment.isoformat()} lies in the future")
    return moment


def _epoch(value: int | float) -> datetime:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not finite")
    size = abs(value)
    per_second = 1 if size < 1e11 else 10**3 if size < 1e14 else 10**6 if size < 1e17 else 10**9
    # Whole microseconds by integer arithmetic: a float of seconds would lose the last digits of nanoseconds.
    micro = value * 10**6 // per_second if isinstance(value, int) else round(value * (10**6 / per_second))
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micro)


def _iso(value: str | datetime) -> datetime:
    if isinstance(value, datetime):
        return value
    text = value.strip()
    if len(text) > 64:
        raise ValueError("too long for a time")
    if text[-4:] in (" UTC", " GMT"):
        text = text[:-4] + "+00:00"
    return datetime.fromisoformat(text)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a record"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)


def _name(value: Any, field: str, parameters: RecordParameters) -> str | None:
    """A name or id: a value, never a path, so `/` and `..` are fine and controls are not."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Refusal(field, f"{field} is {_kind(value)}, expected text")
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


def _json_list(value: Any, field: str) -> Any:
    """Tables without nesting carry lists as JSON text."""
    if not isinstance(value, str) or value.lstrip()[:1] != "[":
        return value
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return value
    # An escape can spell what no text may hold; the bytes of the record did not show it.
    if "\\u" in value and _UNSPEAKABLE.search(json.dumps(parsed, ensure_ascii=False)):
        raise Refusal(field, f"{field} contains a NUL character or half a character (a lone surrogate)")
    return parsed


def _contexts(value: Any, text_path: list[str], uri_path: list[str]) -> tuple[list[dict[str, Any]], Any]:
    """Contexts, and what their records carried besides text and address (None where nothing)."""
    value = _json_list(value, "contexts")
    if value is None or value == "":
        return [], None
    if not isinstance(value, list):
        raise Refusal("contexts", f"contexts is {_kind(value)}, expected a list of texts or of records")
    contexts: list[dict[str, Any]] = []
    rests: list[Any] = []
    for position, item in enumerate(value):
        if isinstance(item, str):
            contexts.append({"uri": None, "text": item})
            rests.append({})
            continue
        if not isinstance(item, dict):
            raise Refusal("contexts", f"context {position} is {_kind(item)}, expected text or a record")
        text_keys = locate(item, text_path)
        text = None if text_keys is None else _value(item, text_keys)
        if not isinstance(text, str) or text_keys is None:
            raise Refusal(
                "contexts", f"context {position} has no text at {'.'.join(text_path)!r} (it is {_kind(text)})"
            )
        uri_keys = locate(item, uri_path)
        uri = None if uri_keys is None else _value(item, uri_keys)
        if isinstance(uri, (dict, list)):
            raise Refusal("contexts", f"context {position}'s address is {_kind(uri)}, expected text")
        contexts.append({"uri": None if uri is None else str(uri), "text": text})
        rests.append(_without(item, [text_keys] if uri_keys is None else [text_keys, uri_keys]))
    return contexts, rests if any(rests) else None


def _tools(value: Any) -> list[str]:
    value = _json_list(value, "tools")
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise Refusal("tools", f"tools is {_kind(value)}, expected a list of names")
    names = []
    for item in value:
        name = item
        if isinstance(item, dict):
            function = item.get("function")
            name = item.get("name") or (function.get("name") if isinstance(function, dict) else None)
        if not isinstance(name, str):
            raise Refusal("tools", f"a tool is {_kind(item)} without a name, expected names")
        names.append(name)
    return names


def _json(value: Any) -> str:
    """Compact JSON with sorted keys, so that a record whose keys changed places is the same record."""
    return json.dumps(
        _finite(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain
    )


def _finite(value: Any) -> Any:
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


def _plain(value: Any) -> str:
    return shown(value, 10 * RAW_CHARACTERS) if isinstance(value, bytes) else str(value)


_PATHS = (
    "id", "produced_at", "prompt", "response", "agent", "model", "use_case", "session_id", "contexts",
    "tools", "metadata",
)  # fmt: skip


class Mapper:
    """Turns raw records of one source into outputs.

    Raises:
        Refusal: on construction, where a constant of the source cannot be used.
    """

    def __init__(
        self,
        fields: Fields,
        constants: Constants,
        *,
        source: str,
        run_id: str,
        now: datetime,
        since: date | None = None,
        until: date | None = None,
        parameters: RecordParameters | None = None,
    ) -> None:
        self._parameters = parameters or RecordParameters()
        self._constants, self._source, self._run_id, self._now = constants, source, run_id, now
        self._since, self._until = since, until
        self._paths = {name: path.split(".") for name in _PATHS if (path := getattr(fields, name))}
        self._text, self._uri = fields.context_text.split("."), fields.context_uri.split(".")
        self._response = fields.response
        self._constant_time = None if constants.produced_at is None else self._instant(constants.produced_at)

    def map(self, records: Sequence[dict[str, Any]]) -> Mapped:
        """Rows of `outputs` for the records that are outputs, reasons for those that are not."""
        rows: list[tuple[Any, ...]] = []
        refused: dict[int, Refusal] = {}
        skipped = 0
        for position, record in enumerate(records):
            try:
                row = self._row(record)
            except Refusal as refusal:
                refused[position] = refusal
            except RecursionError:
                refused[position] = Refusal("depth", "the record is nested too deep")
            else:
                day = row[0].date()
                if (self._since and day < self._since) or (self._until and day > self._until):
                    skipped += 1
                else:
                    rows.append(row)
        return Mapped(self._frame(rows), refused, skipped)

    def _instant(self, value: Any) -> datetime:
        return instant(
            value, assume_utc=self._constants.assume_utc, now=self._now, parameters=self._parameters
        )

    def _row(self, record: dict[str, Any]) -> tuple[Any, ...]:
        found = {
            name: keys
            for name, parts in self._paths.items()
            if (keys := _at(record, parts)) is not None
        }  # fmt: skip
        get: Callable[[str], Any] = lambda name: (  # noqa: E731
            _value(record, found[name]) if name in found else None
        )
        given, bounds = self._constants, self._parameters
        response = get("response")
        if response is None or (isinstance(response, str) and not response.strip()):
            raise Refusal("response", f"the record has no answer at {self._response!r}")
        if not isinstance(response, str):
            raise Refusal("response", f"the answer is {_kind(response)}, expected text")
        time_value = get("produced_at")
        if time_value in (None, "") and self._constant_time is not None:
            moment = self._constant_time
        else:
            moment = self._instant(time_value)
        prompt = get("prompt")
        if prompt is not None and not isinstance(prompt, str):
            prompt = _json(prompt)
        contexts, rest_of_contexts = _contexts(get("contexts"), self._text, self._uri)
        if "metadata" in found:
            metadata = get("metadata")
            metadata = metadata if isinstance(metadata, str) and _is_json(metadata) else _json(metadata)
        else:
            rest = _without(record, list(found.values()))
            if rest_of_contexts is not None:
                rest[".".join(self._paths["contexts"])] = rest_of_contexts
            metadata = _json(rest)
        return (
            moment,
            _name(get("id"), "id", bounds),
            _name(get("agent"), "agent", bounds) or given.agent or self._source,
            _name(get("model"), "model", bounds) or given.model,
            _name(get("use_case"), "use_case", bounds) or given.use_case or bounds.default_use_case,
            _name(get("session_id"), "session_id", bounds),
            prompt,
            response,
            contexts,
            _tools(get("tools")),
            metadata,
        )

    def _frame(self, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
        names = (
            "produced_at", "source_id", "agent", "model", "use_case", "session_id", "prompt", "response",
            "contexts", "tools", "metadata",
        )  # fmt: skip
        columns = zip(*rows, strict=True) if rows else ([] for _ in names)
        frame = pl.DataFrame(
            [_series(name, list(values)) for name, values in zip(names, columns, strict=True)]
        )
        content = [frame["produced_at"].to_physical()]
        content += [frame[c] for c in ("agent", "model", "use_case", "session_id", "prompt", "response")]
        content += [_joined(rows, 8), _joined(rows, 9), frame["metadata"]]
        frame = frame.with_columns(content_sha256=ids.digest_rows("content", content))
        # A record that has no id of its own is what it says: its content is its id.
        frame = frame.with_columns(
            source=pl.lit(self._source), source_id=pl.coalesce("source_id", "content_sha256")
        )
        output_id = ids.digest_rows("output", [frame[c] for c in ("source", "source_id", "content_sha256")])
        return conform(
            OUTPUTS,
            frame.with_columns(
                output_id=output_id,
                supersedes=pl.lit(None, dtype=pl.String),
                ingested_at=pl.lit(self._now, dtype=OUTPUTS.schema["ingested_at"]),
                run_id=pl.lit(self._run_id),
            ),
        )


def _series(name: str, values: list[Any]) -> pl.Series:
    if name != "contexts":
        return pl.Series(name, values, dtype=OUTPUTS.schema[name], strict=True)
    # Polars builds a list of records by one small frame a row; Arrow does it in one pass, ten times as fast.
    record = pa.struct([("uri", pa.large_string()), ("text", pa.large_string())])
    return pl.Series(name, pa.array(values, type=pa.large_list(record)), dtype=OUTPUTS.schema[name])


def _at(record: dict[str, Any], parts: list[str]) -> Keys | None:
    # One part is by far the commonest path; the general search costs ten times as much.
    if len(parts) == 1:
        return (parts[0],) if parts[0] in record else None
    return locate(record, parts)


def _joined(rows: list[tuple[Any, ...]], position: int) -> pl.Series:
    """Lists as text for the digest; `json` has one spelling for each value."""
    spelled = (
        json.dumps(row[position], ensure_ascii=False, separators=(",", ":")) if row[position] else "[]"
        for row in rows
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
