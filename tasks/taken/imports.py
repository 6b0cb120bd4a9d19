"""A file that says what was really done with answers, held against the lake.

Belongs here: reading the file and looking its ids up. Does not belong here: what a line must say
(`sheets.py`), what follows (`later.py`), runs and events (`flows/actions.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from tasks.errors import InputError
from tasks.files import records, workbooks
from tasks.files.limits import LimitSettings
from tasks.files.portions import Record
from tasks.files.refusal import Refusal
from tasks.lake import current
from tasks.lake.store import Lake
from tasks.review import cells
from tasks.tables import quarantine_rows
from tasks.taken import sheets

_FOREIGN = (("verdicts", "verdict_id", "a verdict"), ("claims", "claim_id", "a claim"),
            ("actions", "action_id", "a decision"), ("runs", "run_id", "a run"))  # fmt: skip


@dataclass(frozen=True)
class Statements:
    """What a file amounts to, before anything is published."""

    statements: pl.DataFrame
    """`taken.STATEMENT`."""
    quarantine: pl.DataFrame
    lines: int
    """Lines that say something, usable or not."""
    blank: int


def read(lake: Lake, path: Path, limits: LimitSettings, *, run_id: str, now: datetime) -> Statements:
    """Reads a file (CSV, XLSX, JSON Lines, JSON or Parquet) against the lake.

    Raises:
        InputError: the file is missing, or no record can be read from it.
    """
    broken: list[tuple[int, str]] = []
    try:
        rows = sheets.lines(_records(path, limits, broken))
    except Refusal as refusal:
        raise InputError(f"{path}: {refusal.reason}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    usable, refused, blank = sheets.judged(
        sheets.resolved(rows, _outputs(lake, rows)), _foreign(lake, rows), now=now
    )
    reasons = broken + list(refused.select("line", "problem").iter_rows())
    kept = {row["line"]: row for row in refused.to_dicts()}
    quarantine = quarantine_rows(
        [
            {
                "locator": f"{path.name[:200]}:{line}",
                "check": "actions_sheet",
                "reason": f"line {line}: {reason}",
                "raw": _raw(kept.get(line, {})),
            }
            for line, reason in sorted(reasons)
        ],
        table="actions_taken",
        source="actions import",
        run_id=run_id,
        quarantined_at=now,
    )
    statements = usable.with_columns(origin=pl.lit("import"))
    return Statements(statements, quarantine, usable.height + len(reasons), blank)


def _raw(line: dict[str, object]) -> str:
    """What a refused line named, cut to a bounded length."""
    names = ("output_id", "source", "source_id", "action", "taken_at")
    return json.dumps({name: str(line[name])[:200] for name in names if line.get(name)}, sort_keys=True)


def _records(
    path: Path, limits: LimitSettings, broken: list[tuple[int, str]]
) -> Iterator[tuple[int, Record]]:
    """Records by their line; lines that are none go to `broken`."""
    with path.open("rb") as stream:
        is_workbook = workbooks.is_workbook(stream.read(4))
    if is_workbook:
        yield from _of_workbook(path, limits, broken)
        return
    for portion in records.portions(path, limits):
        broken += [(piece.line, refusal.reason) for piece, refusal in portion.refused]
        yield from ((piece.line, _original(record, path)) for record, piece in portion.records)
        if portion.failure is not None:
            raise portion.failure


def _of_workbook(
    path: Path, limits: LimitSettings, broken: list[tuple[int, str]]
) -> Iterator[tuple[int, Record]]:
    """The rows of a workbook's first sheet as records of text, by the names in its first line."""
    if path.stat().st_size > limits.max_file_bytes:
        raise Refusal("size", f"is larger than {limits.max_file_bytes} bytes; split it")
    try:
        table = workbooks.table(path.read_bytes())
    except workbooks.WorkbookError as error:
        raise Refusal("workbook", str(error)) from None
    broken += table.refused
    for line, cells_of in table.whole:
        filled = zip(table.names, cells_of, strict=False)
        yield line, {name: cells.original(cell) for name, cell in filled if name and cell}


def _original(record: Record, path: Path) -> Record:
    """The record without what `actions export` put before cells that a spreadsheet would run."""
    if path.suffix.casefold() not in (".csv", ".tsv"):
        return record
    return {
        name: cells.original(value) if isinstance(value, str) else value for name, value in record.items()
    }


def _outputs(lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    """The outputs that lines may name, by either id."""
    named = rows.select(pl.col("output_id").str.to_lowercase()).unique()["output_id"].implode()
    called = rows["source_id"].unique().implode()
    outputs = lake.scan("outputs")
    latest = current.current_outputs(outputs).select("output_id", is_current=pl.lit(value=True))
    return (
        outputs.filter(pl.col("output_id").is_in(named) | pl.col("source_id").is_in(called))
        .join(latest, on="output_id", how="left")
        .select(
            "output_id", "source", "source_id", "produced_at", pl.col("is_current").fill_null(value=False)
        )
        .collect()
    )


def _foreign(lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    """Ids of lines that are ids of something else."""
    named = rows.select(pl.col("output_id").str.to_lowercase()).unique()["output_id"].implode()
    found = [
        lake.scan(table).filter(pl.col(column).is_in(named)).select(id=column, what=pl.lit(what))
        for table, column, what in _FOREIGN
    ]
    return pl.concat(found).unique("id").collect()
