"""A source's row filter: one condition in SQL over the columns of each record.

`type = 'GENERATION' AND "Kunde Nr." IS NOT NULL`: names are dotted paths as in `[sources.fields]`, in double
quotes where they hold blanks. Polars reads and applies the expression. Only what looks at one record by
itself is allowed, so that a record passes or not whatever stands beside it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from tasks.files.portions import Portion, Record
from tasks.files.refusal import Refusal, shown
from tasks.sources.paths import Step, at, locate, parse

MAXIMUM_CHARACTERS = 2_000
"""More is not a condition that a person wrote, and nests deeper than a parser's stack."""
FUNCTIONS = (
    "abs", "cast", "char_length", "coalesce", "concat", "ends_with", "length", "lower", "ltrim", "nullif",
    "regexp_like", "replace", "round", "rtrim", "starts_with", "substr", "trim", "try_cast", "upper",
)  # fmt: skip
"""Functions of one record's values."""

_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")*")|(?P<comment>--|/\*|;)"""
    r"""|(?P<path>[^\W\d]\w*(?:\.\w+)+)|(?P<decimal>\d+\.\d*(?:[eE][+-]?\d+)?)"""
    r"""|(?P<word>[^\W\d]\w*)(?P<call>\s*\()?""",
    re.DOTALL,
)
_BEFORE_BRACKETS = ("and", "between", "else", "in", "like", "ilike", "not", "or", "then", "when")
_FORBIDDEN = ("all", "any", "columns", "exists", "from", "over", "select", "union", "with")
_DAMAGE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OverflowError, TypeError, ValueError)
_ABSENT = (pl.Null(), pl.String(), pl.Float64(), pl.Boolean())
"""Types to try for values that are missing: null compares to anything, but functions ask for their type."""


@dataclass(frozen=True)
class Condition:
    """What a record has to be: `columns` are the paths that the expression names, in its order."""

    text: str
    expression: pl.Expr
    columns: tuple[str, ...]


def condition(text: str) -> Condition:
    """The condition that a text says.

    Raises:
        ValueError: a sentence: no SQL, no column, or something that is not about one record.
    """
    if len(text) > MAXIMUM_CHARACTERS:
        raise ValueError(f"where has {len(text)} characters, at most {MAXIMUM_CHARACTERS} are allowed")
    prepared = _TOKEN.sub(_checked, text)
    try:
        expression = pl.sql_expr(prepared)
        columns = tuple(dict.fromkeys(expression.meta.root_names()))
    except _DAMAGE as error:
        reason = shown(str(error).partition("\n")[0], 160)
        raise ValueError(f"where {shown(text, 200)!r} is not an SQL condition ({reason})") from None
    if not columns:
        raise ValueError(f"where {shown(text, 200)!r} names no column of a record")
    return Condition(text, expression, columns)


def _checked(token: re.Match[str]) -> str:
    """The token as Polars reads it; a dotted path is one name."""
    if token["comment"]:
        raise ValueError(f"where holds {token['comment']!r}; write one condition without comments")
    if token["quoted"] and re.fullmatch(r'"\^.*\$"', token["quoted"], re.DOTALL):
        raise ValueError(f"where names the column {shown(token['quoted'], 80)}, which is a pattern")
    if token["path"]:
        return f'"{token["path"]}"'
    if token["decimal"]:  # Polars takes it for an exact one, and would compare text to it as text
        return f"CAST({token['decimal']} AS DOUBLE)"
    word = (token["word"] or "").lower()
    if word in _FORBIDDEN or (token["call"] and word not in (*FUNCTIONS, *_BEFORE_BRACKETS)):
        listed = ", ".join(FUNCTIONS)
        raise ValueError(
            f"where uses {shown(word, 40)!r}; a condition sees only one record and may use {listed}"
        )
    return token[0]


class RowFilter:
    """Lets records through that a condition holds for, and counts."""

    def __init__(self, text: str) -> None:
        self._condition = condition(text)
        self._steps = [parse(column) for column in self._condition.columns]
        self._records = self._kept = 0
        self._reached: Counter[str] = Counter()

    @property
    def columns(self) -> tuple[str, ...]:
        """Dotted paths that the condition names."""
        return self._condition.columns

    def applied(self, portion: Portion) -> Portion:
        """The portion with the records that pass; what the condition cannot be applied to is refused."""
        results = self.results([record for record, _ in portion.records])
        passed = Portion([], list(portion.refused), portion.failure, portion.blank, portion.resume)
        for result, (record, piece) in zip(results, portion.records, strict=True):
            if isinstance(result, Refusal):
                passed.refused.append((piece, result))
            elif result:
                passed.records.append((record, piece))
            else:
                passed.filtered += 1
        return passed

    def count(self, portion: Portion, passed: Portion) -> None:
        """Remembers what became of a portion, for `doubts`."""
        self._records += len(portion.records)
        self._kept += len(passed.records)
        for record, _ in portion.records:
            self._reached.update(
                column
                for column, steps in zip(self.columns, self._steps, strict=True)
                if locate(record, steps) is not None
            )

    def doubts(self, source: str) -> tuple[list[str], list[str]]:
        """(problems, warnings): columns that no record has, and a condition that none meets."""
        place = f"source {source!r}: where"
        missing = [column for column in self.columns if self._records and not self._reached[column]]
        problems = [f"{place} names {name!r}, which none of {self._records} records has" for name in missing]
        is_bare = self._records and not self._kept and not problems
        return problems, [f"{place} lets none of {self._records} records through"] if is_bare else []

    def results(self, records: Sequence[Record]) -> list[bool | Refusal]:
        """Whether each record passes; null is no, as in SQL.

        Records whose values have the same types are looked at together, so that a record's result never
        depends on the types of its neighbours' values.
        """
        results: list[bool | Refusal] = [False] * len(records)
        alike: dict[tuple[str, ...], list[tuple[int, list[object]]]] = {}
        for position, record in enumerate(records):
            typed = [_typed(record, steps) for steps in self._steps]
            kinds, values = tuple(kind for kind, _ in typed), [value for _, value in typed]
            alike.setdefault(kinds, []).append((position, values))
        for kinds, members in alike.items():
            rows = [values for _, values in members]
            together = self._together(kinds, rows)
            for number, (position, _) in enumerate(members):
                if isinstance(together, list):
                    results[position] = together[number]
                else:  # one value among them may be the reason
                    alone = self._together(kinds, rows[number : number + 1])
                    results[position] = alone[0] if isinstance(alone, list) else alone
        return results

    def _together(self, kinds: tuple[str, ...], rows: Sequence[list[object]]) -> list[bool] | Refusal:
        reason = "its result is neither true nor false"
        for absent in _ABSENT if "absent" in kinds else _ABSENT[:1]:
            schema = {name: _TYPES.get(kind, absent) for name, kind in zip(self.columns, kinds, strict=True)}
            try:
                frame = pl.DataFrame(rows, schema=schema, orient="row", strict=True)
                result = frame.select(passes=self._condition.expression)["passes"]
            except _DAMAGE as error:
                reason = shown(str(error).partition("\n")[0], 160)
                continue
            if result.dtype in (pl.Boolean, pl.Null) and len(result) == len(rows):
                return [passes is True for passes in result]
        kept = ", ".join(f"{name} is {kind}" for name, kind in zip(self.columns, kinds, strict=True))
        advice = "; text is compared as a number by CAST(column AS DOUBLE)" if "text" in kinds else ""
        return Refusal("where", f"the condition of `where` cannot be applied ({kept}): {reason}{advice}")


_TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "true or false": pl.Boolean(),
    "a whole number": pl.Int64(),
    "a number": pl.Float64(),
    "a time": pl.Datetime("us", "UTC"),
    "a time without a zone": pl.Datetime("us"),
    "a day": pl.Date(),
}


def _typed(record: Record, steps: tuple[Step, ...]) -> tuple[str, object]:
    """A value as the condition sees it, and the name of its type; lists and records are their JSON text."""
    keys = locate(record, steps)
    value = None if keys is None else at(record, keys)
    match value:
        case None:
            typed: tuple[str, object] = ("absent", None)
        case str():
            typed = ("text", value)
        case bool():
            typed = ("true or false", value)
        case int() if -(2**63) <= value < 2**63:
            typed = ("a whole number", value)
        case int() | float():
            typed = ("a number", float(value))
        case datetime():
            is_zoned = value.tzinfo is not None
            typed = ("a time", value.astimezone(UTC)) if is_zoned else ("a time without a zone", value)
        case date():
            typed = ("a day", value)
        case _:
            typed = ("text", json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))
    return typed
