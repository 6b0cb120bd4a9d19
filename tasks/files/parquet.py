"""Door to the lake's Parquet: the only writer and the only reader of table files.

One writer, PyArrow, because it can write page checksums; equal frames give equal bytes, so that a file's
digest is its identity.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from tasks.schema import Table, conform


def encode(table: Table, frame: pl.DataFrame) -> bytes:
    """The frame as one Parquet file: Zstandard, statistics, page checksums.

    Raises:
        TypeError: the frame's schema is not the declared one.
    """
    buffer = io.BytesIO()
    # Chunks of a concatenated frame would become row groups, and equal rows other bytes.
    frame = conform(table, frame).rechunk()
    pq.write_table(
        frame.to_arrow(),
        buffer,
        compression="zstd",
        write_statistics=True,
        write_page_checksum=True,
        row_group_size=64 * 1024,
    )
    return buffer.getvalue()


def decode(table: Table, data: bytes) -> pl.DataFrame:
    """The frame that `encode` was given; PyArrow checks each page's checksum on the way.

    A column that an older release did not write is null.

    Raises:
        ValueError: damaged; PyArrow and Polars raise others as well.
    """
    arrow = pq.read_table(io.BytesIO(data), page_checksum_verification=True)
    try:
        arrow.schema.to_string()  # a name that is no text would abort Polars with a panic
        frame = pl.DataFrame(pl.from_arrow(arrow))
    except pl.exceptions.PanicException as error:
        raise ValueError(f"its schema is damaged ({error})") from None
    later = [pl.lit(None, dtype).alias(n) for n, dtype in table.schema.items() if n not in frame.columns]
    return conform(table, frame.with_columns(later))


def parse(table: Table, data: bytes) -> pl.DataFrame:
    """The rows of a file's bytes that a digest vouches for: three times as fast as `decode`.

    Only for bytes that were hashed and found to be those that were written: Polars may abort on others.
    """
    return pl.scan_parquet(
        data,
        schema=table.schema,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
    ).collect()


def parts(table: Table, data: bytes, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
    """Some columns of a file's bytes in order, so many rows at a time: a page of each is in memory.

    For bytes that a digest vouches for, as `parse`; every one of the columns is in the file.
    """
    types = {name: table.schema[name] for name in columns}
    for batch in pq.ParquetFile(io.BytesIO(data)).iter_batches(batch_size=rows, columns=list(columns)):
        yield pl.DataFrame(pl.from_arrow(batch)).select(columns).cast(types)  # type: ignore[arg-type]


def height(path: Path) -> int:
    """Rows of a file, as its last bytes say."""
    return int(pq.read_metadata(path).num_rows)


def scan(table: Table, files: Sequence[Path], *, path_column: str | None = None) -> pl.LazyFrame:
    """The files' rows with exactly the declared columns and types; no rows where there are no files.

    With `path_column` each row's file is named in a column of that name.

    A column that an older release did not write is null; one that this release does not know is left
    out. A column of another type is refused by Polars when the frame is collected.
    """
    if not files:
        empty = table.empty().lazy()
        return (
            empty if path_column is None else empty.with_columns(pl.lit(None, pl.String).alias(path_column))
        )
    return pl.scan_parquet(
        list(files),
        schema=table.schema,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        # A lake's own path may contain brackets or asterisks.
        glob=False,
        include_file_paths=path_column,
    )
