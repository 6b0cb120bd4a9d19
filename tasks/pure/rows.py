"""Rows as bytes: one written-down form, so that a row has the same digest in every file and tool.

A row is its values in the order of the named columns, each tagged and sized, nothing between them:

    n                        null
    s<bytes>:<UTF-8>         string, with its length in bytes as a decimal
    i<decimal>;              integer
    b0; b1;                  boolean
    t<decimal>;              UTC time, microseconds since 1970
    f<decimal>;              64-bit float, its IEEE 754 bits read as a signed 64-bit integer
    l<count>:<items>         list, its items in this same form
    r<fields>                record, its fields in declared order

The digest is SHA-256(salt ‖ row): 32 bytes of salt, because what a row says of a person could be guessed from
a bare hash, also after it was erased. It does not depend on the Parquet writer, the compression or the file,
so that compaction breaks nothing and one changed cell is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl

NO_SALT = bytes(32)
"""Salt of rows that are about no output: runs and health."""


def texts(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The rows' form (String, n); a column the frame lacks is null, as it is in files of older releases.

    Raises:
        TypeError: a column of a type that has no form.
    """
    parts = [
        _text(pl.col(name), frame.schema[name]) if name in frame.columns else pl.lit("n") for name in columns
    ]
    prepared = frame.with_columns(_bits(frame[n]) for n in columns if frame.schema.get(n) == pl.Float64)
    return prepared.select(pl.concat_str(parts).alias("row"))["row"]


def _bits(series: pl.Series) -> pl.Series:
    """Floats as the integers their bits are; null stays null."""
    missing = series.is_null()
    bits = pl.Series(series.name, series.fill_null(0.0).to_numpy().view(np.int64))
    return bits.zip_with(~missing, pl.Series(series.name, [None], dtype=pl.Int64)) if missing.any() else bits


def _text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        text = pl.concat_str([pl.lit("s"), value.str.len_bytes().cast(pl.String), pl.lit(":"), value])
    elif dtype == pl.Float64:
        text = pl.concat_str([pl.lit("f"), value.cast(pl.String), pl.lit(";")])
    elif dtype.is_integer():
        text = pl.concat_str([pl.lit("i"), value.cast(pl.String), pl.lit(";")])
    elif dtype == pl.Boolean:
        text = pl.when(value).then(pl.lit("b1;")).when(value.not_()).then(pl.lit("b0;"))
    elif isinstance(dtype, pl.Datetime):
        text = pl.concat_str([pl.lit("t"), value.dt.epoch("us").cast(pl.String), pl.lit(";")])
    elif isinstance(dtype, pl.List):
        items = value.list.eval(_text(pl.element(), dtype.inner)).list.join("")  # type: ignore[arg-type]
        text = pl.concat_str([pl.lit("l"), value.list.len().cast(pl.String), pl.lit(":"), items])
    elif isinstance(dtype, pl.Struct):
        fields = [_text(value.struct.field(f.name), f.dtype) for f in dtype.fields]  # type: ignore[arg-type]
        text = pl.concat_str([pl.lit("r"), *fields])
    else:
        raise TypeError(f"{dtype} has no form as part of a row")
    return text.fill_null("n")


def digests(frame: pl.DataFrame, columns: Sequence[str], salts: pl.Series | None = None) -> pl.Series:
    """Digests of the rows (Binary, n) under their salts (Binary, n); null where the salt is null."""
    sha256 = hashlib.sha256
    forms = texts(frame, columns).cast(pl.Binary).to_list()
    if salts is None:
        return pl.Series([sha256(NO_SALT + row).digest() for row in forms], dtype=pl.Binary)
    return pl.Series(
        [
            None if salt is None else sha256(salt + row).digest()
            for salt, row in zip(salts.to_list(), forms, strict=True)
        ],
        dtype=pl.Binary,
    )


def combined(lists: pl.Series) -> pl.Series:
    """One digest (Binary, n) per list of digests: SHA-256 over them in order; null where one is missing."""
    sha256 = hashlib.sha256
    return pl.Series(
        [None if row is None or None in row else sha256(b"".join(row)).digest() for row in lists.to_list()],
        dtype=pl.Binary,
    )
