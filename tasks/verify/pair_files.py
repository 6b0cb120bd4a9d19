"""Pairs of claim and evidence from Parquet and JSON Lines, in chunks: memory does not grow with the file."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from tasks.errors import InputError
from tasks.files import parquet_records, records
from tasks.files.limits import LimitSettings
from tasks.files.portions import Piece, Record, too_long
from tasks.files.refusal import Refusal, shown
from tasks.verify.labels import CODES

CHUNK_ROWS = 8192
"""Rows in memory at once: enough to sort batches by length, some 100 MB for pages of evidence."""
MAX_RAW_CHARACTERS = 2000
"""What the quarantine file keeps of a refused row."""


class RefusedRow(TypedDict):
    """A row of a file that is not a pair, as the quarantine file says it."""

    line: int
    reason: str
    raw: str


@dataclass
class Chunk:
    """Rows of a file: `frame` has every input column, `records` the same as JSON Lines gave them."""

    frame: pl.DataFrame
    refused: list[RefusedRow]
    records: list[Record] | None = None


def read_pairs(path: Path, max_record_bytes: int = 16 * 2**20) -> Iterator[Chunk]:
    """Chunks of a file of pairs; `claim` is a string, `evidence` a string or a list of strings.

    An empty Parquet file gives one chunk of no rows, so that its columns are known.

    Raises:
        InputError: names the file and what it has instead.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a Parquet or JSON Lines file of pairs")
    # Chunks bound the memory, so the size of the whole file need not.
    limits = LimitSettings(max_record_bytes=max_record_bytes, max_file_bytes=sys.maxsize)
    return (_read_parquet if path.suffix.lower() == ".parquet" else _read_lines)(path, limits)


OF_REVIEWS = ("agent", "use_case")
"""Columns that pairs may have besides: what they are told apart by."""


def labelled(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """`claim`, `evidence`, `label`, `dataset`, `weight` and, where the file has them, `OF_REVIEWS`.

    Without a column that says it, the dataset is the file's name and every weight is 1.

    Raises:
        InputError: no `label`, an unknown one, or a weight that is not a number above 0.
    """
    if "label" not in frame.columns:
        raise InputError(f"{path}: no column 'label'; found the columns {', '.join(frame.columns[:20])}")
    unknown = sorted(set(frame["label"].cast(pl.String).fill_null("null").unique()) - set(CODES))
    if unknown:
        raise InputError(f"{path}: label {unknown[0][:40]!r} is unknown, expected one of {', '.join(CODES)}")
    named = pl.col("dataset").cast(pl.String).fill_null(path.stem) if "dataset" in frame.columns else None
    others = [pl.col(name).cast(pl.String) for name in OF_REVIEWS if name in frame.columns]
    return frame.select(
        "claim",
        "evidence",
        "label",
        *others,
        dataset=pl.lit(path.stem) if named is None else named,
        weight=_weight(frame, path),
    )


def _weight(frame: pl.DataFrame, path: Path) -> pl.Series:
    """How many rows each stands for.

    Raises:
        InputError: one is missing, infinite, 0 or less.
    """
    if "weight" not in frame.columns:
        return pl.repeat(1.0, frame.height, eager=True)
    stated = frame["weight"]
    weights = stated.cast(pl.Float64, strict=False).fill_null(0.0)
    bad = ~((weights > 0) & weights.is_finite())
    if bad.any():
        raise InputError(f"{path}: weight {str(stated.filter(bad)[0])[:40]} is not a number above 0")
    return weights


def _check_columns(path: Path, names: Collection[str]) -> None:
    lacking = [name for name in ("claim", "evidence") if name not in names]
    if lacking:
        listed = ", ".join(repr(name[:40]) for name in list(names)[:20]) or "none"
        raise InputError(f"{path}: no column {' and no column '.join(lacking)}; found the columns {listed}")


def _read_parquet(path: Path, limits: LimitSettings) -> Iterator[Chunk]:
    try:
        with parquet_records.opened(path, limits, {}) as table:
            empty = pl.DataFrame(table.schema.empty_table())
            _check_columns(path, empty.columns)
            _check_types(path, empty.schema)
            rows = 0
            for part in table.slices(CHUNK_ROWS):
                sizes = pl.Series(part.sizes)
                refused = [
                    _refused(path, part.piece(row), too_long(part.sizes[row], limits))
                    for row in (sizes > limits.max_record_bytes).arg_true()
                ]
                frame = pl.DataFrame(pa.Table.from_batches([part.batch]).cast(table.schema))
                yield Chunk(frame.filter(sizes <= limits.max_record_bytes), refused)
                rows += len(sizes)
            if rows == 0:
                yield Chunk(empty, [])
    except Refusal as refusal:
        raise InputError(f"{path} {refusal.reason}") from None
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({shown(str(error), 160)})") from None


def _check_types(path: Path, schema: pl.Schema) -> None:
    texts = (pl.String, pl.Categorical, pl.Enum, pl.Null)
    claim, evidence = schema["claim"], schema["evidence"]
    inner = evidence.inner if isinstance(evidence, pl.List) else evidence
    for name, dtype in (("claim", claim), ("evidence", inner)):
        if dtype not in texts:
            expected = "a string" if name == "claim" else "a string or a list of strings"
            raise InputError(f"{path}: column {name} is {schema[name]}, expected {expected}")


def _read_lines(path: Path, limits: LimitSettings) -> Iterator[Chunk]:
    """JSON Lines, read twice: first for the type of each column, which one chunk cannot know."""
    schema = _schema(path, limits)
    rows: list[Record] = []
    refused: list[RefusedRow] = []
    for more, faults in _lines(path, limits):
        rows += more
        refused += faults
        if len(rows) + len(refused) >= CHUNK_ROWS:
            yield Chunk(_frame(rows, schema), refused, rows)
            rows, refused = [], []
    if rows or refused:
        yield Chunk(_frame(rows, schema), refused, rows)


def _lines(path: Path, limits: LimitSettings) -> Iterator[tuple[list[Record], list[RefusedRow]]]:
    """Records that are pairs, and what the quarantine file says of the others."""
    try:
        for portion in records.portions(path, limits, form="jsonl"):
            rows, refused = [], portion.refused
            for record, piece in portion.records:
                if fault := _fault(record):
                    refused.append((piece, Refusal("pair", fault)))
                else:
                    rows.append(record)
            refused.sort(key=lambda pair: pair[0].line)
            yield rows, [_refused(path, piece, refusal) for piece, refusal in refused]
            if portion.failure is not None:
                raise portion.failure
    except Refusal as refusal:
        raise InputError(f"{path} {refusal.reason}") from None


def _refused(path: Path, piece: Piece, refusal: Refusal) -> RefusedRow:
    where = f"line {piece.line}" if piece.raw else f"row {piece.line}"
    raw = piece.raw[:MAX_RAW_CHARACTERS].decode("utf-8", "backslashreplace")
    return {"line": piece.line, "reason": f"{path.name} {where}: {refusal.reason}", "raw": raw}


def _schema(path: Path, limits: LimitSettings) -> pl.Schema:
    """Column types over the whole file; mixed and nested values become JSON text in Parquet."""
    kinds: dict[str, set[type]] = {}
    first_fault = "every line is blank"
    for rows, refused in _lines(path, limits):
        for row in refused[:1] if first_fault == "every line is blank" else ():
            first_fault = row["reason"]
        for record in rows:
            for name, value in record.items():
                kinds.setdefault(name, set()).update(() if value is None else (type(value),))
    if not kinds:
        raise InputError(f"{path}: no usable row ({first_fault})")
    _check_columns(path, kinds)
    types = {name: _type(values) for name, values in kinds.items()}
    evidence = pl.List(pl.String) if list in kinds["evidence"] else pl.String
    return pl.Schema({**types, "claim": pl.String, "evidence": evidence})


def _type(kinds: set[type]) -> type[pl.DataType]:
    if kinds == {bool}:
        return pl.Boolean
    if kinds == {int}:
        return pl.Int64
    return pl.Float64 if kinds and kinds <= {int, float} else pl.String


def _frame(rows: list[Record], schema: pl.Schema) -> pl.DataFrame:
    columns = []
    for name, dtype in schema.items():
        values = [row.get(name) for row in rows]
        if name == "evidence" and isinstance(dtype, pl.List):
            values = [[value] if isinstance(value, str) else value for value in values]
        elif dtype == pl.String:
            values = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
        columns.append(pl.Series(name, values, dtype=dtype))
    return pl.DataFrame(columns)


def _fault(record: Record) -> str:
    claim, evidence = record.get("claim"), record.get("evidence")
    if claim is not None and not isinstance(claim, str):
        return f"claim is {type(claim).__name__}, expected a string"
    items = evidence if isinstance(evidence, list) else [evidence]
    if not all(item is None or isinstance(item, str) for item in items):
        return f"evidence is {type(evidence).__name__} with no text, expected a string or a list of strings"
    return ""
