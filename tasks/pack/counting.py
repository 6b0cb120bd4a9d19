"""Door to the files' numbers: DuckDB counts in the CSV files themselves, one reading for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.lake.store import Lake
from tasks.pack.measures import Measure, Number, statement
from tasks.report.database import connected


def counts(lake: Lake, folder: Path, measures: Sequence[Measure]) -> dict[str, Number]:
    """Every measure's value by name, from the files below the folder of a pack."""
    by_file: dict[str, list[Measure]] = {}
    for measure in measures:
        by_file.setdefault(measure.file, []).append(measure)
    values: dict[str, Number] = {}
    with connected(lake) as connection:
        for group in by_file.values():
            row = connection.execute(statement(group, f"{folder}/")).fetchone()
            assert row is not None  # noqa: S101 - for the type checker: an aggregate has one row
            values |= dict(zip([m.name for m in group], row, strict=True))
    return values
