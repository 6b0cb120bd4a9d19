"""From a source's raw records to rows of `outputs`: names, times, contexts, ids, and reasons for refusal.

A record is refused rather than repaired; the reason says what was expected. How its bytes were read is in
`tasks/files`, whether it is known already in `pull.py`, what its values become in `values.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import orjson
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from tasks import ids
from tasks.files.portions import Record
from tasks.files.refusal import Refusal
from tasks.schema import conform
from tasks.sources import covering, fidelity, messages, values
from tasks.sources.base import Scope
from tasks.sources.columns import Columns
from tasks.sources.delivered import ACTION, FLAG, TIME, Delivery, delivery
from tasks.sources.parameters import FieldMapping, RecordParameters, RecordSettings
from tasks.sources.paths import Keys, Step, at, locate, opened, parse, without
from tasks.sources.times import Clock, instant
from tasks.sources.values import Context
from tasks.tables import CORPUS, OUTPUTS
from tasks.text.language import languages


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
    delivered_at: datetime | None = None
    is_delivered: bool | None = None
    action_taken: str | None = None


@dataclass(frozen=True)
class Mapped:
    """`outputs` in record order; `refused` maps a record's position to the reason; `skipped` lay outside
    the asked range of days."""

    outputs: pl.DataFrame
    refused: dict[int, Refusal]
    skipped: int
    outside: tuple[str, ...] = ()
    """Ids of the skipped ones that have one of their own."""
    lacks: Mapping[str, int] = field(default_factory=dict)
    """What the outputs' records could not tell: `fidelity.LACKS`."""


_PATHS = (
    "id", "produced_at", "time_zone", TIME, FLAG, ACTION, "prompt", "response", "agent", "model", "use_case",
    "session_id", "contexts", "context_ids", "tools", "metadata",
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
        self._cover = scope.cover
        self._personal: Counter[str] = Counter()
        self._parameters = parameters or RecordParameters()
        fields = source.fields
        self._written = _written(fields)
        self._paths = {name: parse(path) for name, path in self._written.items()}
        self._flat = _flat(self._paths)
        self._columns = [name for name in self._written if name.startswith(_COLUMN)]
        self._clock = Clock(source.time_zone, source.time_format)
        self._text, self._uri = parse(fields.context_text), parse(fields.context_uri)
        self._plain = self._by_columns()
        self._records = self._echoes = self._repeated = 0
        self._reached: Counter[str] = Counter()
        self._constant_time = None if source.produced_at is None else self._instant(source.produced_at, None)

    def map(self, records: Sequence[Record]) -> Mapped:
        """Rows of `outputs` for the records that are outputs, reasons for those that are not."""
        rows: list[Row | None] = [None] * len(records)
        doubtful: Iterable[int] = range(len(records))
        if self._plain is not None and records:
            rows, doubtful = self._plain_rows(self._plain, records)
        refused: dict[int, Refusal] = {}
        lacks: Counter[str] = Counter()
        blanks: dict[int, int] = {}
        for position in doubtful:
            try:
                rows[position], blanks[position] = self._row(records[position])
            except Refusal as refusal:
                refused[position] = refusal
            except RecursionError:
                refused[position] = Refusal("depth", "the record is nested too deep")
        kept: list[Row] = []
        outside: list[str | None] = []
        for position, row in enumerate(rows):
            if row is None:
                continue
            day = row.produced_at.date()
            if (self._since and day < self._since) or (self._until and day > self._until):
                outside.append(row.source_id)
            else:
                kept.append(row)
                lacks[fidelity.WITHOUT_TEXT] += blanks.get(position, 0)
        if "prompt" in self._paths:
            lacks[fidelity.WITHOUT_PROMPT] += sum(row.prompt is None for row in kept)
        return Mapped(self._frame(kept), refused, len(outside), tuple(filter(None, outside)), +lacks)

    def _by_columns(self) -> Columns | None:
        """What reads plain records field by field, where the mapping allows it."""
        if self._flat is None or self._clock.form is not None or len(self._text) != 1 or len(self._uri) != 1:
            return None
        keys = {name: key for name, key, _ in self._flat}
        if not Columns.can_read(keys) or any(name.startswith(_COLUMN) for name in keys):
            return None
        return Columns(keys, str(self._text[0]), str(self._uri[0]), self._now, self._parameters)

    def _plain_rows(self, columns: Columns, records: Sequence[Record]) -> tuple[list[Row | None], list[int]]:
        """Rows of the plain records, at their positions; positions of the doubtful ones."""
        plain = columns.read(records)
        source, nothing = self._source, [None] * len(records)
        own = plain.fields
        agent, model = source.agent or source.name, source.model
        use_case = source.use_case or self._parameters.default_use_case
        read = zip(
            own["produced_at"],
            own.get("id", nothing),
            [each or agent for each in own.get("agent", nothing)],
            [each or model for each in own.get("model", nothing)],
            [each or use_case for each in own.get("use_case", nothing)],
            own.get("session_id", nothing),
            own.get("prompt", nothing),
            own["response"],
            own.get("contexts") or [[] for _ in records],
            own.get("tools") or [[] for _ in records],
            own["metadata"],
            strict=True,
        )
        rows = [None if at in plain.doubtful else Row(*each) for at, each in enumerate(read)]
        self._records += len(records) - len(plain.doubtful)
        self._reached.update(plain.reached)
        self._echoes += sum(_is_echo(row) for row in rows if row is not None)
        return rows, sorted(plain.doubtful)

    def identity(self, record: Record) -> str | None:
        """The record's own id, also of one that is refused; None where it has none that can be used."""
        keys = _keys(record, self._paths["id"]) if "id" in self._paths else None
        try:
            return None if keys is None else values.name(at(record, keys), "id", self._parameters)
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
        warnings += [
            f"{place}: {count} values of {name} look like confidential data, and are kept; hash the field "
            "by [sources.minimise]"
            for name, count in sorted(self._personal.items())
        ]
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

    def _row(self, record: Record) -> tuple[Row, int]:
        """The record's row, and how many documents it names without text."""
        if self._flat is not None:
            keys = {name: path for name, key, path in self._flat if key in record}
        else:
            keys = {name: k for name, parts in self._paths.items() if (k := _keys(record, parts)) is not None}
        response = keys.get("response") or values.bare_answer(record, self._paths["response"])
        if response is not None:
            keys["response"] = values.every_part(record, response)
        if self._flat is not None and len(keys.get("response", ())) == 1:
            held = {name: record[str(path[0])] for name, path in keys.items()}
        else:
            held = {name: at(record, k) for name, k in keys.items()}
        self._records += 1
        # An empty time of delivery says something: the answer was not delivered.
        self._reached.update(
            name for name, value in held.items() if value not in (None, "") or name in (TIME, FLAG, ACTION)
        )
        source, bounds = self._source, self._parameters
        names = {name: values.name(held.get(name), name, bounds) for name in _NAMES}
        moment = held.get("produced_at")
        answer = values.answer(held.get("response"), source.fields.response)
        contexts, rests, blank = self._evidence(held)
        said = answer.text.strip()
        self._echoes += len(said) >= ECHO_CHARACTERS and any(said in context["text"] for context in contexts)
        is_constant = moment in (None, "") and self._constant_time is not None
        produced_at = self._constant_time if is_constant else None
        produced_at = produced_at or self._instant(moment, names["time_zone"])
        delivered = self._delivery(held, produced_at, names["time_zone"])
        row = Row(
            produced_at=produced_at,
            source_id=names["id"],
            agent=names["agent"] or source.agent or source.name,
            model=names["model"] or source.model,
            use_case=names["use_case"] or source.use_case or bounds.default_use_case,
            session_id=names["session_id"],
            prompt=values.question(held.get("prompt")),
            response=answer.text,
            contexts=contexts,
            tools=values.tools(held.get("tools")),
            metadata=self._metadata(record, keys, held, rests, answer),
            **delivered._asdict(),
        )
        return row, blank

    def _delivery(self, held: Record, produced_at: datetime, zone: str | None) -> Delivery:
        return delivery(
            held,
            produced_at=produced_at,
            instant=lambda value: self._instant(value, zone),
            tolerance=self._parameters.tolerance,
        )

    def _evidence(self, held: Record) -> tuple[list[Context], list[Record], int]:
        """Contexts, the rest of each, and how many documents are named without text."""
        contexts, rests = self._own_contexts(held)
        ids = values.identities(held.get("context_ids")) if "context_ids" in held else []
        address = self._source.look_up
        if address:
            contexts = contexts + [values.looked_up(identity, address) for identity in ids]
            return contexts, rests, sum(_is_looked_up(context) for context in contexts)
        return contexts, rests, len(ids)

    def _own_contexts(self, held: Record) -> tuple[list[Context], list[Record]]:
        """Contexts and the rest of each; those of several columns are called like their column."""
        address = self._source.look_up
        if not self._columns:
            return values.contexts(held.get("contexts"), self._text, self._uri, address)
        contexts: list[Context] = []
        rests: list[Record] = []
        for name in self._columns:
            own, more = values.contexts(held.get(name), self._text, self._uri, address)
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
        held: Record,
        contexts: list[Record],
        answer: messages.Speech,
    ) -> str:
        """What the record has under its path, or else everything that no other path named; beside it what
        the answer's messages carried besides their text.
        """
        beside = {name: list(items) for name in _BESIDE if (items := getattr(answer, name))}
        if "metadata" in held:
            metadata = held["metadata"]
            if not beside:
                return values.metadata(metadata)
            rest = opened(metadata)
            return values.as_json(
                {**(rest if isinstance(rest, dict) else {"metadata": metadata}), "answer": beside}
            )
        rest = without(record, list(keys.values()))
        if any(contexts):
            rest[self._written.get("contexts", "contexts")] = contexts
        return values.as_json({**rest, "answer": beside} if beside else rest)

    def _frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        columns = zip(*rows, strict=True) if rows else ([] for _ in Row._fields)
        frame = pl.DataFrame(
            [_series(name, list(values)) for name, values in zip(Row._fields, columns, strict=True)]
        )
        contexts: Sequence[Sequence[object]] = [row.contexts for row in rows]
        tools: Sequence[Sequence[object]] = [row.tools for row in rows]
        extra = []
        if self._cover is not None:
            self._personal.update(covering.personal(frame, self._cover))
            frame = covering.covered(frame, self._cover)
            contexts, tools = frame["contexts"].to_list(), frame["tools"].to_list()
            extra = [frame[covering.FOUND]]
        content = [frame["produced_at"].to_physical()]
        content += [frame[c] for c in ("agent", "model", "use_case", "session_id", "prompt", "response")]
        content += [_joined(contexts), _joined(tools), frame["metadata"]]
        # A delivery is not a part of the content: an answer that is delivered later is the same answer.
        frame = frame.with_columns(content_sha256=ids.digest_rows("content", content))
        # A record that has no id of its own is what it says: its content is its id.
        frame = frame.with_columns(
            source=pl.lit(self._source.name), source_id=pl.coalesce("source_id", "content_sha256")
        )
        output_id = ids.digest_rows("output", [frame[c] for c in ("source", "source_id", "content_sha256")])
        outputs = conform(
            OUTPUTS,
            frame.drop(covering.FOUND, strict=False).with_columns(
                output_id=output_id,
                supersedes=pl.lit(None, dtype=pl.String),
                ingested_at=pl.lit(self._now, dtype=OUTPUTS.schema["ingested_at"]),
                run_id=pl.lit(self._run_id),
                sampling_probability=pl.lit(1.0),
                language=pl.Series(languages([row.response for row in rows]), dtype=pl.String),
            ),
        )
        return outputs.with_columns(extra)


def _is_echo(row: Row) -> bool:
    said = row.response.strip()
    return len(said) >= ECHO_CHARACTERS and any(said in context["text"] for context in row.contexts)


def _is_looked_up(context: Context) -> bool:
    return not context["text"] and (context["uri"] or "").startswith(CORPUS)


def _series(name: str, values: Sequence[object]) -> pl.Series:
    if name not in ("contexts", "tools"):
        return pl.Series(name, values, dtype=OUTPUTS.schema[name], strict=True)
    # Polars builds a list by one small series a row; Arrow does it in one pass, ten times as fast.
    item = pa.large_string()
    if name == "contexts":
        item = pa.struct([("uri", item), ("text", item)])
    return pl.Series(name, pa.array(values, type=pa.large_list(item)), dtype=OUTPUTS.schema[name])


def _flat(paths: Mapping[str, tuple[Step, ...]]) -> list[tuple[str, str, Keys]] | None:
    """(field, key, keys) where every path is one key of the record, as of traces and rows of databases."""
    flat: list[tuple[str, str, Keys]] = [
        (name, steps[0], (steps[0],)) for name, steps in paths.items() if isinstance(steps[0], str)
    ]
    return flat if all(len(steps) == 1 for steps in paths.values()) and len(flat) == len(paths) else None


def _keys(record: Record, steps: tuple[Step, ...]) -> Keys | None:
    # One part is by far the commonest path; the general search costs ten times as much.
    if len(steps) == 1 and isinstance(steps[0], str):
        return (steps[0],) if steps[0] in record else None
    return locate(record, steps)


def _joined(lists: Sequence[Sequence[object]]) -> pl.Series:
    """Lists as text for the digest; `json` has one spelling for each value."""
    # orjson spells texts, nulls, lists and records as the standard library does, at a tenth of the time.
    return pl.Series([orjson.dumps(items).decode() if items else "[]" for items in lists], dtype=pl.String)
