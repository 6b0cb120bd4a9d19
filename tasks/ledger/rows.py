"""Rows as bytes: one written-down form, so that a row has the same digest in every file and tool.

A row is its values in the order of the named columns, each tagged and sized, nothing between them:

    n                        null
    s<bytes>:<UTF-8>         string, with its length in bytes as a decimal
    i<decimal>;              integer
    b0; b1;                  boolean
    t<decimal>;              UTC time, microseconds since 1970
    f<decimal>;              64-bit float, its IEEE 754 bits read as a signed 64-bit integer
    d<decimal>;              date, days since 1970
    l<count>:<items>         list, its items in this same form
    r<fields>                record, its fields in declared order

The digest is SHA-256(salt ‖ row): 32 bytes of salt, because what a row says of a person could be guessed from
a bare hash, also after it was erased. It does not depend on the Parquet writer, the compression or the file,
so that compaction breaks nothing and one changed cell is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

NO_SALT = bytes(32)
"""Salt of rows that are about no output: runs and health."""


def texts(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The rows' form (String, n); a column the frame lacks is null, as it is in files of older releases.

    Raises:
        TypeError: a column of a type that has no form.
    """
    pieces: list[str | pl.Expr] = []
    floats: list[pl.Series] = []
    for name in columns:
        if name not in frame.columns:
            pieces.append("n")
            continue
        series = frame[name]
        if series.dtype == pl.Float64:
            series = _bits(series)
            floats.append(series)
            pieces += _pieces(series, "f")
        else:
            pieces += _pieces(series)
    joined = _joined(pieces)
    if not any(isinstance(piece, pl.Expr) for piece in joined) or frame.is_empty():
        return pl.Series("row", ["".join(map(str, joined))] * frame.height, dtype=pl.String)
    prepared = frame.with_columns(floats)
    return prepared.select(
        pl.concat_str([pl.lit(p) if isinstance(p, str) else p for p in joined]).alias("row")
    )["row"]


def _pieces(series: pl.Series, number: str = "i") -> list[str | pl.Expr]:
    """A column's form in parts: what all rows share is a plain string, so that it costs nothing per row.

    Most columns of a night's rows say one thing (run, verifier, policy) or have one length (digests), and
    most have no nulls: making each value's text by itself and joining afterwards took three times as long.
    """
    value, dtype = pl.col(series.name), series.dtype
    nested = dtype.is_nested()
    if series.is_empty() or nested or series.null_count():
        return [_text(value, dtype, number)]
    if (series == series.first()).all():
        return [series.head(1).to_frame().select(_text(value, dtype, number)).item()]
    if dtype == pl.String:
        sizes = series.str.len_bytes()
        least, most = sizes.min(), sizes.max()
        size = str(least) if least == most else value.str.len_bytes().cast(pl.String)
        return ["s", size, ":", value]
    if dtype.is_integer():
        return [number, value.cast(pl.String), ";"]
    if isinstance(dtype, pl.Datetime):
        return ["t", value.dt.epoch("us").cast(pl.String), ";"]
    return [_text(value, dtype, number)]


def _joined(pieces: Sequence[str | pl.Expr]) -> list[str | pl.Expr]:
    """Neighbouring plain strings as one."""
    joined: list[str | pl.Expr] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def _bits(series: pl.Series) -> pl.Series:
    """Floats as the integers their bits are; null stays null."""
    missing = series.is_null()
    bits = pl.Series(series.name, series.fill_null(0.0).to_numpy().view(np.int64))
    return bits.zip_with(~missing, pl.Series(series.name, [None], dtype=pl.Int64)) if missing.any() else bits


def _text(value: pl.Expr, dtype: pl.DataType, number: str = "i") -> pl.Expr:
    if dtype == pl.String:
        text = pl.concat_str([pl.lit("s"), value.str.len_bytes().cast(pl.String), pl.lit(":"), value])
    elif dtype.is_integer():
        text = pl.concat_str([pl.lit(number), value.cast(pl.String), pl.lit(";")])
    elif dtype == pl.Boolean:
        text = pl.when(value).then(pl.lit("b1;")).when(value.not_()).then(pl.lit("b0;"))
    elif isinstance(dtype, pl.Datetime):
        text = pl.concat_str([pl.lit("t"), value.dt.epoch("us").cast(pl.String), pl.lit(";")])
    elif dtype == pl.Date:
        text = pl.concat_str([pl.lit("d"), value.dt.epoch("d").cast(pl.String), pl.lit(";")])
    elif isinstance(dtype, pl.List):
        items = value.list.eval(_text(pl.element(), dtype.inner)).list.join("")  # type: ignore[arg-type]
        text = pl.concat_str([pl.lit("l"), value.list.len().cast(pl.String), pl.lit(":"), items])
    elif isinstance(dtype, pl.Struct):
        fields = [_text(value.struct.field(f.name), f.dtype) for f in dtype.fields]  # type: ignore[arg-type]
        text = pl.concat_str([pl.lit("r"), *fields])
    else:
        raise TypeError(f"{dtype} has no form as part of a row")
    return text.fill_null("n")


def beside(left: pl.DataFrame, right: pl.DataFrame, key: str) -> pl.DataFrame:
    """`left` with the columns of `right` (whose keys are unique) where the key is the same, else nulls.

    A left join that keeps the order. Rows come out of one commit in one order, so most often the keys are
    the same row by row already and nothing has to be looked up.
    """
    if left.height == right.height and left[key].equals(right[key]):
        return left.hstack(right.drop(key))
    return left.join(right, on=key, how="left", maintain_order="left")


def digests(frame: pl.DataFrame, columns: Sequence[str], salts: pl.Series | None = None) -> pl.Series:
    """Digests of the rows (Binary, n) under their salts (Binary, n); null where the salt is null."""
    sha256 = hashlib.sha256
    salted = zip([NO_SALT] * frame.height if salts is None else salts, _forms(frame, columns), strict=True)
    return pl.Series(
        [None if salt is None else sha256(salt + row).digest() for salt, row in salted], dtype=pl.Binary
    )


def _forms(frame: pl.DataFrame, columns: Sequence[str]) -> list[bytes]:
    return texts(frame, columns).cast(pl.Binary).to_list()


def shared_digests(frame: pl.DataFrame, columns: Sequence[str], uses: pl.DataFrame) -> pl.Series:
    """Digests of rows that many others refer to, each under the salt of who refers: passages of evidence.

    A row under a salt is hashed once however often it is used.

    Args:
        frame: the rows, with `columns`.
        uses: per use, `passage_at` (index into the frame, null where the row is missing), `salt_at` (a number
            for the salt) and `salt` (Binary).

    Returns:
        Per use, the digest (Binary); null where the row or the salt is missing.
    """
    sha256 = hashlib.sha256
    forms = _forms(frame, columns)
    is_complete = uses["passage_at"].is_not_null() & uses["salt"].is_not_null()
    kept = uses.filter(is_complete)
    pairs = kept["salt_at"].cast(pl.Int64) * max(frame.height, 1) + kept["passage_at"].cast(pl.Int64)
    _, first, inverse = np.unique(pairs.to_numpy(), return_index=True, return_inverse=True)
    distinct = kept[first]
    made = pl.Series(
        [
            sha256(salt + forms[at]).digest()
            for salt, at in zip(distinct["salt"].to_list(), distinct["passage_at"].to_list(), strict=True)
        ],
        dtype=pl.Binary,
    )
    digests = made.gather(inverse)
    if kept.height == uses.height:
        return digests
    places = is_complete.cast(pl.Int64).cum_sum() - 1
    return digests.gather(pl.select(pl.when(is_complete).then(places)).to_series())


def combined(groups: pl.Series, digests: Mapping[str, pl.Series], count: int) -> pl.DataFrame:
    """SHA-256 over the digests of each group in their order; null where one is missing or the group is empty.

    Args:
        groups: numbers of groups (n) from 0 to `count`, ascending.
        digests: by name, digests (Binary, n).

    Returns:
        One row per group, one column (Binary) per name.
    """
    sha256 = hashlib.sha256
    numbers = groups.to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    bounds = (np.append(starts, len(numbers)) * 32).tolist()
    here = numbers[starts].tolist()
    columns = {}
    for name, series in digests.items():
        joined = b"".join(series.fill_null(NO_SALT).to_list())
        made: list[bytes | None] = [sha256(joined[low:high]).digest() for low, high in pairwise(bounds)]
        if len(made) != count:
            by_group = dict(zip(here, made, strict=True))
            made = [by_group.get(group) for group in range(count)]
        for group in np.unique(numbers[series.is_null().to_numpy()]).tolist():
            made[group] = None
        columns[name] = pl.Series(name, made, dtype=pl.Binary)
    return pl.DataFrame(columns)
