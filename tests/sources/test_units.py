"""What is judged together: neighbouring days with few outputs, in their order."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from tasks.sources.units import Unit, together
from tests.support.lake_frames import made


def unit(folder: Path, day: int, rows: int, shard: int = 0) -> Unit:
    path = folder / f"2026-11-{day:02d}" / f"{shard:06d}.parquet"
    path.parent.mkdir(exist_ok=True)
    made(rows, first=100 * day + 10 * shard)["outputs"].write_parquet(path)
    return Unit(date(2026, 11, day), shard, path, rows)


def test_neighbours_with_few_outputs_are_judged_together(tmp_path):
    units = [unit(tmp_path, day, rows) for day, rows in ((1, 3), (2, 4), (5, 9), (6, 1), (7, 9))]
    assert [(u.title, u.rows) for u in together(units, 10)] == [
        ("2026-11-01..2026-11-02", 7), ("2026-11-05..2026-11-06", 10), ("2026-11-07", 9),
    ]  # fmt: skip
    assert together(units, 1) == units
    assert together([], 10) == []


def test_a_unit_of_several_days_reads_all_of_them_and_is_named_by_its_first(tmp_path):
    first, second = unit(tmp_path, 1, 2), unit(tmp_path, 2, 3)
    (both,) = together([first, second], 10)
    assert both.days == [date(2026, 11, 1), date(2026, 11, 2)]
    assert both.name == first.name == "2026-11-01-000000"
    assert both.outputs().equals(pl.concat([first.outputs(), second.outputs()]))


def test_shards_of_one_day_are_called_by_their_day(tmp_path):
    (both,) = together([unit(tmp_path, 1, 2), unit(tmp_path, 1, 3, shard=1)], 10)
    assert both.title == "2026-11-01"
