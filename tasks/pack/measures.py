"""The numbers of a pack: each counts rows of one CSV file, so that anybody can count them again.

Belongs here: what a measure is, its SQL, ratios and intervals. Does not belong here: which measures a control
has (`criteria.py`), the files (`populations.py`). `check.py` in the pack computes the same from the same
files with Python's standard library, and compares with the pages.

Cells are compared as text: days and instants in ISO 8601 sort like time, and no type is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Z = 1.959963984540054
"""Of a two-sided interval of 95%."""
Number = int | float | None
_OPERATORS = {"=": "=", "!=": "<>", ">=": ">=", "<": "<"}


@dataclass(frozen=True)
class Measure:
    """One number: rows of a file that satisfy conditions, or a sum, median or count of one of its columns."""

    name: str
    """Such as `verdicts.supported`; its first part is the file's name."""
    words: str
    where: tuple[tuple[str, str, str], ...] = ()
    """(column, one of = != >= <, text); the empty text is a cell without a value."""
    of: str = "rows"
    """`rows`, or `sum:COLUMN`, `distinct:COLUMN`, `median:COLUMN` (of integers; the lower of two)."""

    @property
    def file(self) -> str:
        """The file below the pack; of `previous/verdicts.all` the one of the period before."""
        stem = self.name.partition(".")[0]
        return f"{stem}.csv" if "/" in stem else f"populations/{stem}.csv"

    @property
    def aggregate(self) -> str:
        """The number as an SQL aggregate over the file's columns, which are all text."""
        what, _, column = self.of.partition(":")
        value = f"nullif(\"{column}\", '')"
        conditions = [
            f"coalesce(\"{column}\", '') {_OPERATORS[operator]} '{value}'"
            for column, operator, value in self.where
        ]
        chosen = f" FILTER (WHERE {' AND '.join(conditions)})" if conditions else ""
        return {
            "rows": f"count(*){chosen}",
            "sum": f"coalesce(sum(CAST({value} AS BIGINT)){chosen}, 0)::BIGINT",
            "distinct": f"count(DISTINCT {value}){chosen}",
            "median": f"quantile_disc(CAST({value} AS BIGINT), 0.5){chosen}",
        }[what]

    def sql(self, folder: str = "") -> str:
        """The query, for DuckDB in the pack's folder or with the folder's path in front."""
        return statement([self], folder)


@dataclass(frozen=True)
class Ratio:
    """A share of two measures of one population, rounded to six digits; null of an empty one."""

    name: str
    words: str
    part: str
    whole: str
    is_sampled: bool = False
    """The whole is itself drawn or picked from more, so that a 95% interval is due."""


def statement(measures: Sequence[Measure], folder: str = "") -> str:
    """One query for several measures of one file: a column per measure, in one reading of the file."""
    columns = ",\n  ".join(f'{m.aggregate} AS "{m.name}"' for m in measures)
    place = (folder + measures[0].file).replace("'", "''")
    return f"SELECT\n  {columns}\nFROM read_csv('{place}', header = true, all_varchar = true, nullstr = '')"


def share(part: Number, whole: Number) -> float | None:
    """The ratio; None where there is no whole."""
    return None if not whole or part is None else round(part / whole, 6)


def wilson(part: Number, whole: Number) -> list[float] | None:
    """Wilson's 95% interval of a share (Journal of the American Statistical Association 22, 1927)."""
    if not whole or part is None:
        return None
    ratio = part / whole
    middle, scale = ratio + Z * Z / (2 * whole), 1 + Z * Z / whole
    reach = Z * math.sqrt(ratio * (1 - ratio) / whole + Z * Z / (4 * whole * whole))
    return [round(max(0.0, (middle - reach) / scale), 6), round(min(1.0, (middle + reach) / scale), 6)]


@dataclass(frozen=True)
class Results:
    """All numbers of a period, by name."""

    values: Mapping[str, Number]
    intervals: Mapping[str, list[float] | None]

    def count(self, name: str) -> int:
        """A count; 0 where it could not be taken."""
        return int(self.values.get(name) or 0)


def results(counts: Mapping[str, Number], ratios: Iterable[Ratio]) -> Results:
    """Counts with the ratios made of them, and the intervals that are due."""
    values, intervals = dict(counts), {}
    for ratio in ratios:
        part, whole = counts[ratio.part], counts[ratio.whole]
        values[ratio.name] = share(part, whole)
        intervals[ratio.name] = wilson(part, whole) if ratio.is_sampled else None
    return Results(values, intervals)


def document(measures: Sequence[Measure], ratios: Sequence[Ratio], found: Results) -> dict[str, object]:
    """`measures.json`: what `check.py` computes again."""
    return {
        "measures": [
            {
                "name": m.name,
                "words": m.words,
                "file": m.file,
                "where": [list(each) for each in m.where],
                "of": m.of,
                "sql": m.sql(),
                "value": found.values[m.name],
            }
            for m in measures
        ],
        "ratios": [
            {
                "name": r.name,
                "words": r.words,
                "part": r.part,
                "whole": r.whole,
                "is_sampled": r.is_sampled,
                "value": found.values[r.name],
                "interval": found.intervals[r.name],
            }
            for r in ratios
        ],
    }
