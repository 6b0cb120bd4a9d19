"""Door to the sheet of a person who read redacted answers: `output_id` and `left`, values that were left."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tasks.errors import InputError

_MOST_BYTES = 16_000_000


def read(path: str) -> pl.DataFrame:
    """`output_id`, `left` (Int64) of a CSV file, each answer once.

    Raises:
        InputError: it cannot be read, lacks a column, has no row, names an answer twice or counts no number.
    """
    where = f"privacy.redaction.reviewed: {path}"
    try:
        if Path(path).stat().st_size > _MOST_BYTES:
            raise InputError(f"{where} has more than {_MOST_BYTES:,} bytes")
        sheet = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror})") from None
    except pl.exceptions.PolarsError:
        raise InputError(f"{where} is not a UTF-8 CSV file with a header line") from None
    sheet = sheet.rename({name: name.strip("\ufeff ").lower() for name in sheet.columns})
    missing = [name for name in ("output_id", "left") if name not in sheet.columns]
    if missing:
        raise InputError(f"{where} has no column {missing[0]}; it needs output_id and left")
    counted = sheet.select("output_id", left=pl.col("left").str.strip_chars().cast(pl.Int64, strict=False))
    bad = counted.with_row_index("line", 2).filter(pl.col("left").is_null() | (pl.col("left") < 0))
    if bad.height:
        raise InputError(f"{where}, line {bad['line'][0]}: left is not a whole number from 0")
    if counted.is_empty() or counted["output_id"].is_duplicated().any():
        raise InputError(f"{where} " + ("has no row" if counted.is_empty() else "names an answer twice"))
    return counted
