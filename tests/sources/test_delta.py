"""Delta tables as a source: the rows of the newest version, each once, whatever happens to the files."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from tasks.errors import SourceError
from tasks.files import delta
from tasks.lake.store import Lake
from tasks.sources import files
from tasks.sources.parameters import FieldMapping, FilesSettings
from tests.support.pulls import pull_into
from tests.support.scopes import scope

FIELDS = FieldMapping(id="id", produced_at="at", response="out", use_case="topic")
PARTITIONED = {"partition_by": ["topic", "day"]}


def rows(*identities: int, said: str = "Answer") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"id": str(n), "at": f"2026-11-0{n}T10:00:00Z", "out": f"{said} {n}.", "topic": "a b",
             "day": date(2026, 11, n)}
            for n in identities
        ]
    )  # fmt: skip


def write(path: Path, frame: pl.DataFrame, mode: Any = "append") -> None:
    frame.write_delta(str(path), mode=mode, delta_write_options=PARTITIONED)


class Night:
    """What pulls bring into one lake, each with the marks of the one before."""

    def __init__(self, path: Path, folder: Path, **more: Any) -> None:
        self._source = FilesSettings(name="bot", path=str(path), fields=FIELDS, **more)
        self._folder, self._marks = folder, {}

    def pull(self) -> tuple[list[tuple[str, ...]], int]:
        """Answers that the source gives, and how many files were read."""
        batches = list(files.pull(self._source, scope(marks=self._marks, work=self._folder / "work")))
        read = {name: mark for batch in batches for name, mark in batch.marks.items()}
        self._marks |= read
        found = pl.concat([batch.outputs for batch in batches]) if batches else pl.DataFrame()
        kept = ["source_id", "response", "use_case"]
        return (found.select(kept).sort(kept).rows() if found.width else []), len(read)


def test_a_folder_with_a_log_is_read_as_its_newest_version_and_only_new_files_are(tmp_path: Path) -> None:
    table = tmp_path / "table"
    write(table, rows(1, 2))
    night = Night(table, tmp_path)
    # The partition's columns are in the paths, not in the files.
    assert night.pull() == ([("1", "Answer 1.", "a b"), ("2", "Answer 2.", "a b")], 2)
    assert night.pull() == ([], 0)
    write(table, rows(3))
    DeltaTable(table).delete("id = '1'")
    assert len(list(table.rglob("*.parquet"))) == 3
    assert night.pull() == ([("3", "Answer 3.", "a b")], 1)


def test_rows_that_a_compaction_or_an_update_wrote_again_are_known_by_their_ids(tmp_path: Path) -> None:
    table, lake = tmp_path / "table", Lake.open(str(tmp_path / "lake"))
    source = FilesSettings(name="bot", path=str(table), fields=FIELDS)
    frame = rows(1).with_columns(day=pl.lit(date(2026, 11, 1)))
    write(table, frame)
    write(table, rows(2).with_columns(day=pl.lit(date(2026, 11, 1))))
    first = pull_into(lake, [source])
    for unit in first.units:
        lake.commit("0" * 64, unit.name, {"outputs": unit.outputs()}, run_day=unit.day)
    DeltaTable(table).optimize.compact()
    DeltaTable(table).update(predicate="id = '2'", updates={"out": "'Changed 2.'"})
    again = pull_into(lake, [source], 2)
    assert (first.outputs, again.already_there) == (2, 1)
    (unit,) = again.units
    assert unit.outputs().select("source_id", "response").rows() == [("2", "Changed 2.")]
    assert unit.outputs()["supersedes"].null_count() == 0


def test_what_cannot_be_read_by_its_files_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "table", rows(1))
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "deltalake", None)
        with pytest.raises(SourceError, match=r"claimledger\[delta\]"):
            files.discover(str(tmp_path / "table"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="not a readable Delta table"):
        files.discover(str(tmp_path / "empty"), "delta")
    monkeypatch.setattr(delta, "_UNREADABLE", {"timestampNtz"})
    naive = pl.DataFrame({"id": ["1"], "at": [date(2026, 11, 1)]}).with_columns(
        pl.col("at").cast(pl.Datetime)
    )
    naive.write_delta(str(tmp_path / "naive"))
    with pytest.raises(SourceError, match="with timestampNtz, which is not supported; purge and disable it"):
        files.discover(str(tmp_path / "naive"))
