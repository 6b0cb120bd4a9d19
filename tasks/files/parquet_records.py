"""Parquet within byte budgets: what a file's metadata says of its size is not believed.

Columns of text stay dictionaries while they are read, rows are measured before they are decoded and handed on
a few at a time, and their sum is held against the file's limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from tasks.files.limits import LimitSettings
from tasks.files.portions import Piece, Portion, Record, check_columns, too_long
from tasks.files.refusal import Refusal, shown

SLICE_BYTES = 16 * 2**20
"""Decoded bytes of rows held at once."""
BATCH_ROWS = 1024

_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError)
_UNDECODABLE = (UnicodeDecodeError, ValueError, OverflowError)


@dataclass(frozen=True)
class Slice:
    """Some neighbouring rows, still encoded: the first one's number from 0, and the decoded bytes of each."""

    first: int
    batch: pa.RecordBatch
    sizes: list[int]

    def piece(self, index: int) -> Piece:
        """The place of one of its rows."""
        return Piece(b"", self.first + index + 1, self.first + index)


@dataclass(frozen=True)
class Table:
    """An open file whose footer was checked."""

    schema: pa.Schema
    """Of the decoded rows."""
    _file: pq.ParquetFile
    _columns: list[str] | None
    _limits: LimitSettings

    def slices(self, batch_rows: int = BATCH_ROWS) -> Iterator[Slice]:
        """All rows.

        Raises:
            Refusal: damaged, or larger than the limit, after the rows that could be read.
        """
        row = total = 0
        batches = self._file.iter_batches(batch_size=batch_rows, columns=self._columns)
        while True:
            try:
                batch = next(batches, None)
            except _DAMAGE as error:
                raise Refusal("parquet", f"is damaged after row {row} ({shown(str(error), 160)})") from None
            if batch is None:
                return
            for part in _within_budget(row, batch):
                total += sum(part.sizes)
                if total > self._limits.max_file_bytes:
                    raise Refusal("too_large", f"{_too_large(self._limits)} (at row {part.first + 1})")
                yield part
            row += batch.num_rows


@contextmanager
def opened(
    path: Path, limits: LimitSettings, required: Mapping[str, str], columns: Sequence[str] = ()
) -> Iterator[Table]:
    """The file's rows, of some columns or of all; `required` is that of `check_columns`.

    Raises:
        Refusal: no Parquet file, damaged, a schema without a required column, or beyond a limit.
    """
    try:
        with pq.ParquetFile(path) as plain:
            schema, metadata = plain.schema_arrow, plain.metadata
            check_columns(schema.names, limits, required)
            for group in range(metadata.num_row_groups):
                parts = (metadata.row_group(group).column(c) for c in range(metadata.num_columns))
                if sum(part.total_uncompressed_size for part in parts) > limits.max_file_bytes:
                    raise Refusal("too_large", _too_large(limits))
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
        source = pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True)
    except _DAMAGE as error:
        raise Refusal("parquet", f"is not a readable Parquet file ({shown(str(error), 160)})") from None
    chosen = [name for name in schema.names if name in columns] if columns else None
    with source:
        yield Table(schema, source, chosen, limits)


def portions(
    path: Path, limits: LimitSettings, required: Mapping[str, str], columns: Sequence[str] = ()
) -> Iterator[Portion]:
    """Records of the rows; nulls are missing values. Raises Refusal as `opened` does."""
    with opened(path, limits, required, columns) as table:
        try:
            for part in table.slices():
                yield _portion(part, limits)
        except Refusal as failure:
            yield Portion(failure=failure)


def _too_large(limits: LimitSettings) -> str:
    return f"unpacks to more than {limits.max_file_bytes} bytes, the limit of limits.max_file_bytes"


def _within_budget(row: int, batch: pa.RecordBatch) -> Iterator[Slice]:
    """The batch in slices of `SLICE_BYTES`, or of one row that is larger."""
    sizes = _decoded_sizes(batch)
    start = 0
    while start < batch.num_rows:
        stop, size = start, 0
        while stop < batch.num_rows and (stop == start or size + sizes[stop] <= SLICE_BYTES):
            size += sizes[stop]
            stop += 1
        yield Slice(row + start, batch.slice(start, stop - start), sizes[start:stop])
        start = stop


def _decoded_sizes(batch: pa.RecordBatch) -> list[int]:
    """Bytes of each row once it is decoded, from dictionaries and offsets: nothing is expanded for it."""
    sizes = np.zeros(batch.num_rows, dtype=np.int64)
    for column in batch.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            lengths = pc.binary_length(column.dictionary).to_numpy(zero_copy_only=False)
            picked = pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)
            sizes += np.asarray(lengths)[picked] if len(lengths) else 0
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        else:
            sizes += max(8, column.nbytes // max(1, batch.num_rows))
    return [int(size) for size in sizes]


def _portion(part: Slice, limits: LimitSettings) -> Portion:
    """The rows as records; where they cannot be decoded together, one by one: a bad row costs one."""
    portion = Portion()
    fitting = [index for index, size in enumerate(part.sizes) if size <= limits.max_record_bytes]
    together: list[Record] | None = None
    if len(fitting) == len(part.sizes):
        try:
            together = part.batch.to_pylist()
        except _UNDECODABLE:
            together = None
    for index in fitting:
        try:
            row = together[index] if together else part.batch.slice(index, 1).to_pylist()[0]
        except _UNDECODABLE as error:
            refusal = Refusal("encoding", f"the row cannot be read ({shown(str(error), 120)})")
            portion.refused.append((part.piece(index), refusal))
            continue
        if any(isinstance(value, str) and "\0" in value for value in row.values()):
            refusal = Refusal("nul", "the row contains a NUL character")
            portion.refused.append((part.piece(index), refusal))
        else:
            record = {name: value for name, value in row.items() if value is not None}
            portion.records.append((record, part.piece(index)))
    for index in set(range(len(part.sizes))).difference(fitting):
        portion.refused.append((part.piece(index), too_long(part.sizes[index], limits)))
    return portion
