"""Rows that do not fit into memory come back as if they did, and a pull of them is the same pull."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lake.store import Lake
from tasks.sources import news, shelves
from tasks.sources.parameters import FieldMapping, FilesSettings
from tasks.sources.receipts import Receipt
from tasks.sources.shelves import Shelf
from tests.support.pulls import pull_into, whole_pull
from tests.support.scopes import NOW

FIELDS = FieldMapping(id="id", produced_at="at", response="out")


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=8), st.integers(1, 12))
def test_parts_come_back_whole_once_and_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], held: int
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("shelf"), pl.col("part"), held)
    numbered = [(part, number) for number, part in enumerate(part for batch in batches for part in batch)]
    left = iter(numbered)
    for batch in batches:
        rows = [next(left) for _ in batch]
        shelf.add(pl.DataFrame(rows, schema={"part": pl.Int64, "number": pl.Int64}, orient="row"))
    if not shelf.is_spilled:
        assert len(numbered) <= held
        assert [row for frame in shelf.held() for row in frame.iter_rows()] == numbered
        return
    groups = [frame.rows() for frame in shelf.groups()]
    parts = [{part for part, _ in group} for group in groups]
    assert [part for each in parts for part in sorted(each)] == sorted({part for part, _ in numbered})
    for group, own in zip(groups, parts, strict=True):
        assert sorted(group) == sorted(row for row in numbered if row[0] in own)
        for part in own:
            assert [row for row in group if row[0] == part] == [row for row in numbered if row[0] == part]
        assert len(group) <= held or len(own) == 1


def night(folder: Path, number: int) -> FilesSettings:
    """Records of 40 ids, some changed, some twice, of three days."""
    chance = random.Random(number)  # noqa: S311
    with (folder / f"{number}.jsonl").open("w") as stream:
        for _ in range(120):
            record = {"id": str(chance.randrange(40)), "at": f"2026-11-0{chance.randrange(1, 4)}T12:00:00Z"}
            stream.write(json.dumps({**record, "out": f"Answer {chance.randrange(3)}."}) + "\n")
    return FilesSettings(name="bot", path=str(folder), fields=FIELDS)


def published(lake: Lake) -> list[tuple[Any, ...]]:
    columns = ["source_id", "output_id", "supersedes", "produced_at"]
    return sorted(lake.scan("outputs").select(columns).collect().iter_rows(), key=repr)


def test_a_pull_that_does_not_fit_is_the_same_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    small, large = Lake.open(str(tmp_path / "small")), Lake.open(str(tmp_path / "large"))
    for number in range(3):
        source = night(tmp_path / "in", number)
        whole_pull(source, large, number=number)
        with monkeypatch.context() as patched:
            patched.setattr(shelves, "HELD_ROWS", 16)
            patched.setattr(news, "SEQUENCES", 8)
            whole_pull(source, small, number=number)
        assert published(small) == published(large)
    assert large.scan("outputs").filter(pl.col("supersedes").is_not_null()).collect().height > 100


def test_a_pull_that_does_not_fit_tells_what_it_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.setattr(shelves, "HELD_ROWS", 16)
    pulled = pull_into(Lake.open(str(tmp_path / "lake")), [night(tmp_path / "in", 1)], now=NOW)
    assert isinstance(pulled.receipt, Receipt)
    assert pulled.receipt.read().collect().height == 120
    assert len(list(pulled.receipt.groups())) > 5
    assert not list((tmp_path / "lake").rglob("keys"))
