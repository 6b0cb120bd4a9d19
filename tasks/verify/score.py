"""`claimledger score`: the verifier alone, from a file of pairs to a file of verdicts.

Streams in chunks, so memory does not grow with the file. Rows come out in the order they came in; a row
that cannot be used goes to `OUT.quarantine.jsonl` with its reason, so rows in = rows out + quarantined.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from tasks.errors import InputError
from tasks.files import parquet_records, records
from tasks.files.limits import LimitSettings
from tasks.files.portions import Piece, Record, too_long
from tasks.files.refusal import Refusal, shown
from tasks.verify.load import load
from tasks.verify.protocol import Verifier, usage_of
from tasks.verify.scoring import ADDED, score_frame

if TYPE_CHECKING:
    from tasks.verify.parameters import ScoringParameters

CHUNK_ROWS = 8192
"""Rows in memory at once: enough to sort batches by length, some 100 MB for pages of evidence."""

MAX_RAW_CHARACTERS = 2000
"""What the quarantine file keeps of a refused row."""

SUFFIXES = (".parquet", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Scored:
    """What became of a file; `quarantine` is None where no row was refused."""

    rows_in: int
    rows_out: int
    quarantined: int
    verdicts: dict[str, int]
    output: Path
    quarantine: Path | None
    usage: dict[str, Any] | None = None
    """What a remote judge was asked and cost."""


@dataclass
class Chunk:
    """Rows of a file: `frame` has every input column, `records` the same as they stood in JSON Lines."""

    frame: pl.DataFrame
    refused: list[dict[str, Any]]
    records: list[Record] | None = None


def score_file(
    pairs_path: str | Path,
    out_path: str | Path,
    parameters: ScoringParameters,
    progress: Callable[[int], None] | None = None,
    *,
    verifier: Verifier | None = None,
) -> Scored:
    """Scores a Parquet or JSON Lines file; formats go by suffix, the output appears whole or not at all.

    `progress` is told rows newly done.

    Raises:
        InputError: missing or unreadable file, unknown suffix, missing or ill-typed columns.
        ModelError: the verifier cannot be loaded.
    """
    source, target = Path(pairs_path), Path(out_path)
    for path in (source, target):
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(f"{path}: suffix is {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
    chunks = read_pairs(source, parameters.max_record_bytes)
    first = next(chunks, None)
    verifier = verifier or load(parameters.verifier, threads=parameters.threads)
    policy = parameters.policy
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    refused_at = target.with_name(f"{target.name}.quarantine.jsonl")
    refused_temporary = target.with_name(f".{refused_at.name}.{os.getpid()}.tmp")
    counts: dict[str, int] = {}
    rows_out = quarantined = 0
    try:
        with ExitStack() as stack:
            sink = _Sink(temporary, target.suffix.lower(), stack)
            refusals = stack.enter_context(refused_temporary.open("w", encoding="utf-8"))
            for chunk in _chain(first, chunks):
                scored = score_frame(chunk.frame, verifier, policy)
                sink.write(scored, chunk.records)
                for verdict, count in scored["verdict"].value_counts().iter_rows():
                    counts[verdict] = counts.get(verdict, 0) + count
                for row in chunk.refused:
                    refusals.write(json.dumps(row, ensure_ascii=True) + "\n")
                rows_out += scored.height
                quarantined += len(chunk.refused)
                if progress:
                    progress(scored.height + len(chunk.refused))
        temporary.replace(target)
        if quarantined:
            refused_temporary.replace(refused_at)
        else:
            refused_at.unlink(missing_ok=True)  # of an earlier run: it would speak of other rows
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); choose another place") from None
    finally:
        temporary.unlink(missing_ok=True)
        refused_temporary.unlink(missing_ok=True)
    return Scored(
        rows_in=rows_out + quarantined,
        rows_out=rows_out,
        quarantined=quarantined,
        verdicts=counts,
        output=target,
        quarantine=refused_at if quarantined else None,
        usage=asdict(usage) if (usage := usage_of(verifier)) else None,
    )


class _Sink:
    """Writes frames of one schema one after the other."""

    def __init__(self, path: Path, suffix: str, stack: ExitStack) -> None:
        self._path = path
        self._stack = stack
        self._parquet: Any = None
        self._lines = None if suffix == ".parquet" else stack.enter_context(path.open("wb"))

    def write(self, frame: pl.DataFrame, records: list[Record] | None) -> None:
        if self._lines is not None and records is not None:
            # Nested and mixed values go out as they came in.
            for record, added in zip(records, frame.select(ADDED).iter_rows(named=True), strict=True):
                self._lines.write(json.dumps({**record, **added}, ensure_ascii=False).encode() + b"\n")
            return
        if self._lines is not None:
            frame.write_ndjson(self._lines)
            return
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        table = frame.to_arrow()
        if self._parquet is None:
            self._parquet = self._stack.enter_context(
                pq.ParquetWriter(self._path, table.schema, compression="zstd")
            )
        self._parquet.write_table(table.cast(self._parquet.schema))


def _chain(first: Chunk | None, rest: Iterator[Chunk]) -> Iterator[Chunk]:
    if first is not None:
        yield first
    yield from rest


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
    refused: list[dict[str, Any]] = []
    for more, faults in _lines(path, limits):
        rows += more
        refused += faults
        if len(rows) + len(refused) >= CHUNK_ROWS:
            yield Chunk(_frame(rows, schema), refused, rows)
            rows, refused = [], []
    if rows or refused:
        yield Chunk(_frame(rows, schema), refused, rows)


def _lines(path: Path, limits: LimitSettings) -> Iterator[tuple[list[Record], list[dict[str, Any]]]]:
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


def _refused(path: Path, piece: Piece, refusal: Refusal) -> dict[str, Any]:
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
    types: dict[str, pl.DataType | type[pl.DataType]] = {}
    for name, found in kinds.items():
        if found <= {bool}:
            types[name] = pl.Boolean
        elif found <= {int}:
            types[name] = pl.Int64
        elif found <= {int, float}:
            types[name] = pl.Float64
        else:
            types[name] = pl.String
        if not found:
            types[name] = pl.String
    types["claim"] = pl.String
    types["evidence"] = pl.List(pl.String) if list in kinds["evidence"] else pl.String
    return pl.Schema(types)


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
