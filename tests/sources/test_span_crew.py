"""Several processes read what one does: the same rows in the same order, marks, counts and refusals."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from tasks.files.limits import LimitSettings
from tasks.files.places import Place
from tasks.files.refusal import Refusal
from tasks.privacy.cover import Cover
from tasks.sources import otlp, span_crew
from tasks.sources.base import Batch
from tasks.sources.gathering import Traces
from tasks.sources.minimise import MinimiseSettings
from tasks.sources.otlp import OtlpSettings
from tasks.sources.raw_spans import Raw
from tasks.sources.span_files import SpanFile
from tests.support.otlp_files import lines, span
from tests.support.scopes import scope

KIND = "openinference.span.kind"


@pytest.fixture(autouse=True)
def _small_files_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_crew, "WORTHWHILE_BYTES", 1)
    monkeypatch.setattr(Traces.__init__, "__kwdefaults__", {"held_bytes": 1})
    monkeypatch.setenv("CLAIMLEDGER_SOURCE_S_HASH_KEY", "nobody can guess this")


def files(folder: Path) -> None:
    """Traces of a root and a call, each in two files; some whose root is missing, a span that is none."""
    folder.mkdir()
    roots, calls = [], []
    for trace in range(60):
        own: dict[str, Any] = {"trace": trace}
        asked = {KIND: "AGENT", "input.value": f"Call 415-555-2671 of {trace}?", "user.id": f"u{trace % 3}"}
        roots.append(span(trace * 10, {**asked, "output.value": f"The board {trace}."}, **own))
        said = {KIND: "LLM", "llm.model_name": "m", "output.value": f"The board {trace}."}
        calls.append(span(trace * 10 + 1, said, parent=trace * 10, at=0.1, seconds=0.1, **own))
    broken = [{**roots[0], "startTimeUnixNano": "soon"}, {**calls[0], "traceId": f"{99:032x}"}]
    lines(folder / "a.jsonl", roots[:40])
    lines(folder / "b.jsonl", calls[20:], broken)
    lines(folder / "c.jsonl", calls[:20], roots[40:55])


def pulled(folder: Path, work: Path, processes: int, **more: Any) -> dict[str, Any]:
    rules = MinimiseSettings(hash=("user.id",), mask=("input.value",), drop=("no.such",))
    source = OtlpSettings(name="s", kind="otlp", path=str(folder), minimise=rules)
    batches: list[Batch] = list(otlp.pull(source, scope(work=work, processes=processes, **more)))
    return {
        "rows": [row for batch in batches for row in batch.outputs.iter_rows()],
        "refused": [row for batch in batches for row in batch.quarantine.iter_rows()],
        "counts": [sum(getattr(b, name) for b in batches) for name in ("records_in", "joined", "filtered")],
        "taken": {
            name: sum(batch.minimised[name] for batch in batches) for name in sorted(batches[0].minimised)
        },
        "lacks": sum((Counter(batch.lacks) for batch in batches), Counter[str]()),
        "last": [(b.marks, b.inputs, b.problems, b.warnings) for b in batches[-1:]],
    }


def test_several_processes_give_what_one_gives(tmp_path: Path) -> None:
    files(tmp_path / "in")
    one = pulled(tmp_path / "in", tmp_path / "one", 1)
    assert len(one["rows"]) > 50
    assert len(one["refused"]) == 1
    assert pulled(tmp_path / "in", tmp_path / "two", 2) == one


def test_late_spans_are_joined_and_a_covered_lake_stays_covered(tmp_path: Path) -> None:
    files(tmp_path / "in")
    cover = Cover(mode="hashed", detectors=("phone",), key=b"nobody can guess this")
    first = pulled(tmp_path / "in", tmp_path / "first", 1)
    missing = span(555, {KIND: "AGENT", "output.value": "The board 55."}, trace=55)
    lines(tmp_path / "in" / "d.jsonl", [{**missing, "spanId": f"{550:016x}"}])
    ((marks, *_),) = first["last"]
    one, two = (pulled(tmp_path / "in", tmp_path / f"again{n}", n, marks=marks, cover=cover) for n in (1, 2))
    assert one["rows"]
    assert two == one


def ended(path: Path, limits: LimitSettings) -> Iterator[tuple[Raw | Refusal, int, str]]:
    """A reader that its system ends."""
    os._exit(9)


def test_a_process_that_is_ended_is_said_in_a_sentence_and_the_pull_may_be_tried_again(
    tmp_path: Path,
) -> None:
    source = OtlpSettings(name="s", kind="otlp", path="x")
    (tmp_path / "a").write_text("{}")
    place = Place("a", "a", 2, "", tmp_path / "a")
    one = scope(work=tmp_path / "work", processes=1)
    with (
        span_crew.crew(source, 6.0, one, ended) as crew,
        pytest.raises(InterruptedError, match=r"was ended from outside.*runner\.pull_processes = 1"),
    ):
        list(crew.read([(place, 0)]))


class Pool:
    """Does what it is given at once, and counts."""

    def __init__(self) -> None:
        self.given = 0

    def submit(self, do: Callable[[Any], Any], work: Any) -> Future[Any]:
        self.given += 1
        future: Future[Any] = Future()
        future.set_result((SpanFile(work[1]), {}, Counter()))
        return future


def test_a_slow_consumer_holds_the_processes_back(tmp_path: Path) -> None:
    pool = Pool()
    crew = span_crew.Crew(cast(ProcessPoolExecutor, pool), 3)
    place = Place("a", "a", 2, "", tmp_path / "a")
    for taken, (file, _, _) in enumerate(crew.read([(place, number) for number in range(100)]), start=1):
        assert file.number == taken - 1
        assert pool.given - taken < span_crew.IN_FLIGHT * 3
    assert pool.given == 100


def test_small_pulls_need_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_crew, "WORTHWHILE_BYTES", 1000)
    assert not span_crew.can_help(2, 999)
    assert not span_crew.can_help(1, 10**12)
    assert span_crew.can_help(2, 1000)
