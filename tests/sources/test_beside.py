"""Several sources, and several requests of one: in order, within bounds, no faster than rows are taken."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.files.beside import beside
from tasks.files.web import Web
from tasks.lake.store import Lake
from tasks.sources import files, kinds, sql, trace_server
from tasks.sources.base import Batch, Scope
from tasks.sources.batches import BATCH_RECORDS
from tasks.sources.parameters import FieldMapping, FilesSettings, deciding
from tasks.sources.phoenix import PhoenixSettings
from tasks.sources.raw_spans import Raw, raw
from tests.sources.test_web import GOOD, Scripted, server
from tests.support.pulls import pull_into
from tests.support.scopes import scope

__all__ = ["server"]
FIELDS = FieldMapping(id="id", produced_at="at", response="said")


def record(number: int) -> dict[str, Any]:
    return {"id": f"{number}", "at": "2026-11-19T12:00:00Z", "said": f"The board {number}."}


def test_results_come_in_order_and_no_more_is_begun_than_may_be_in_flight() -> None:
    begun, lock = [], threading.Lock()

    def do(number: int) -> int:
        with lock:
            begun.append(number)
        return number

    for taken, result in enumerate(beside(do, range(50), 4)):
        assert result == taken
        assert len(begun) <= taken + 1 + 4
    assert sorted(begun) == list(range(50))


def test_what_one_raises_comes_in_its_place_and_the_rest_is_not_begun() -> None:
    begun: list[int] = []

    def do(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise ValueError("two")
        return number

    results = beside(do, range(100), 3)
    assert list(islice(results, 2)) == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
    assert len(begun) <= 6


def test_one_at_a_time_needs_no_thread() -> None:
    assert {*beside(lambda _: threading.get_ident(), range(3), 1)} == {threading.get_ident()}


def test_sources_are_pulled_beside_one_another_and_give_what_they_give_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_are_at_it = threading.Barrier(2, timeout=30)
    meets = False

    def pull(source: FilesSettings, scope: Scope) -> Iterator[Batch]:
        if meets:
            both_are_at_it.wait()  # breaks, where the other waits for its turn
        yield from files.pull(source, scope)

    monkeypatch.setitem(kinds.SOURCES, "files", SimpleNamespace(pull=pull))
    sources = []
    for name, first in (("a", 0), ("b", 5)):
        path = tmp_path / f"{name}.csv"
        path.write_text("id,at,said\n" + "\n".join(",".join(record(n).values()) for n in range(first, 9)))
        sources.append(FilesSettings(name=name, path=str(path), fields=FIELDS))
    seen = []
    for meets in (False, True):
        lake = Lake.open(str(tmp_path / f"lake{meets}"))
        pulled = pull_into(lake, sources, sources_at_once=1 + meets)
        assert (pulled.problems, pulled.by_source) == ([], {"a": 9, "b": 4})
        rows = [row for unit in pulled.units for row in unit.outputs().iter_rows()]
        seen.append((rows, pulled.marks))
    assert seen[0] == seen[1]


def test_a_slow_consumer_holds_the_reader_of_a_database_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0

    def rows(*_: object) -> Iterator[dict[str, Any]]:
        nonlocal read
        for number in range(10 * BATCH_RECORDS):
            read += 1
            yield record(number)

    monkeypatch.setattr(sql, "_rows", rows)
    source = sql.SqlSettings(name="s", kind="sql", url="sqlite://", query="select 1", fields=FIELDS)
    taken = 0
    for batch in sql.pull(source, scope(work=tmp_path)):
        taken += batch.outputs.height
        assert read - taken <= BATCH_RECORDS
    assert taken == read == 10 * BATCH_RECORDS


def test_a_slow_consumer_holds_the_reader_of_files_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = largest = 0
    portions = files.records.portions

    def counted(*arguments: Any, **more: Any) -> Iterator[Any]:
        nonlocal read, largest
        for portion in portions(*arguments, **more):
            read += len(portion.records)
            largest = max(largest, len(portion.records))
            yield portion

    monkeypatch.setattr(files.records, "portions", counted)
    lines = [json.dumps({**record(n), "more": "word " * 100}) for n in range(6 * BATCH_RECORDS)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    source = FilesSettings(name="s", path=str(tmp_path / "a.jsonl"), fields=FIELDS)
    taken = 0
    for batch in files.pull(source, scope(work=tmp_path / "work")):
        taken += batch.outputs.height
        assert read - taken <= BATCH_RECORDS + largest
    assert taken == read == 6 * BATCH_RECORDS > 2 * largest


class Whole:
    """A server whose requests wait for each other."""

    def __init__(self, requests: int) -> None:
        self._together = threading.Barrier(requests, timeout=30)

    def of(self, trace_ids: Sequence[str]) -> Iterator[Raw]:
        self._together.wait()
        yield from (raw(each, "s", None, start_ns=1, end_ns=2, attributes=None) for each in trace_ids)


def test_traces_are_asked_for_by_several_requests_and_come_in_order() -> None:
    ids = [f"t{number}" for number in range(8)]
    spans = trace_server.whole(Whole(2).of, ids, 2, 2)
    assert [span[0] for span in spans] == ids


def test_all_threads_wait_when_the_server_told_one_to(server: Scripted) -> None:
    waits: dict[int, list[float]] = {}

    def pause(seconds: float) -> None:
        waits.setdefault(threading.get_ident(), []).append(seconds)

    server.script = [(429, {"Retry-After": "60"}, b""), GOOD]
    with Web("bot", server.url, pause=pause) as door:
        other = threading.Thread(target=door.json, args=("x",))
        other.start()
        other.join()
        assert [list(of) for of in waits.values()] == [[60.0]]
        door.json("x")
    (wait,) = waits[threading.get_ident()]
    assert 0 < wait <= 60


def test_how_many_requests_are_in_flight_decides_nothing_of_the_rows() -> None:
    one, many = (
        PhoenixSettings(name="p", kind="phoenix", url="https://x", requests_at_once=n) for n in (1, 9)
    )
    assert deciding(one) == deciding(many)
    assert "requests_at_once" not in deciding(one)
