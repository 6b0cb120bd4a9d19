"""LangSmith's bulk export and API, by their documented schemas: its server cannot run here."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from tasks.errors import SourceError
from tasks.files import web
from tasks.sources import langsmith
from tasks.sources.langsmith import LangsmithSettings
from tests.support.postgres import Wire
from tests.support.pulls import Pulls, check_answers, check_cuts, cut_wire
from tests.support.scopes import NOW

NOON = datetime(2026, 11, 19, 12)


def run(number: int, kind: str, trace: int, outputs: Any, **more: Any) -> dict[str, Any]:
    start = NOON + timedelta(seconds=trace * 10 + number)
    return {
        "id": f"r{trace}-{number}", "trace_id": f"t{trace}", "session_id": "project-1",
        "parent_run_id": f"r{trace}-0" if number else None, "run_type": kind, "name": kind,
        "start_time": start.isoformat(), "end_time": (start + timedelta(seconds=5 - number)).isoformat(),
        "status": "success", "inputs": {}, "outputs": outputs, "extra": {}, "tags": [], **more,
    }  # fmt: skip


def runs(trace: int) -> list[dict[str, Any]]:
    document = {"page_content": f"Fact {trace}.", "metadata": {"source": "kb://1"}, "type": "Document"}
    message = {
        "id": ["langchain", "schema", "messages", "AIMessage"],
        "kwargs": {"content": f"The board {trace}."},
    }
    said = {"generations": [[{"text": f"The board {trace}.", "message": message}]]}
    extra = {"metadata": {"ls_model_name": "m-1", "thread_id": "s1"}}
    asked = {"input": f"Who runs {trace}?"}
    return [
        run(0, "chain", trace, {"output": f"The board {trace}."}, inputs=asked, extra=extra),
        run(1, "retriever", trace, {"documents": [document]}),
        run(2, "tool", trace, {"output": "42"}, name="look"),
        run(3, "llm", trace, said, extra=extra),
    ]


class Night(Pulls):
    def __init__(self, work: Path, **source: Any) -> None:
        given = {"name": "bot", "kind": "langsmith", "project": "support", "page_size": 3, **source}
        super().__init__(langsmith.pull, LangsmithSettings(**given), work)

    def pull(self, now: datetime = NOW, **scoped: Any) -> pl.DataFrame:
        return super().pull(now, **scoped).sort("source_id")


@pytest.mark.parametrize("form", ["jsonl", "envelope", "parquet"])
def test_every_form_of_the_export_reads_the_same(tmp_path, form):
    every = [row for trace in (1, 2) for row in runs(trace)]
    place = tmp_path / "in" / "session_id=p" / "runs" / "year=2026"
    place.mkdir(parents=True)
    if form == "jsonl":
        (place / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in every))
    elif form == "envelope":
        (place / "a.json").write_text(json.dumps({"runs": every}))
    else:
        texts = [{k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()} for row in every]
        times = pl.col("start_time", "end_time").str.to_datetime()
        pl.DataFrame(texts).with_columns(times).write_parquet(place / "a.parquet", compression="zstd")
    check_answers(Night(tmp_path / "w", path=str(tmp_path / "in")).pull(), 1, 2)


class Api(ThreadingHTTPServer):
    """`GET /sessions` and `POST /runs/query`, newest first, with `cursors.next`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.limited = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        name = parse_qs(urlsplit(self.path).query)["name"][0]
        self._answer(200, [{"id": "project-1", "name": name}] if name == "support" else [])

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("x-api-key") != "ls-key":
            return self._answer(403, {"detail": "Forbidden"})
        if self.server.limited:
            self.server.limited -= 1
            return self._answer(429, {"detail": "Rate limit exceeded"}, {"Retry-After": "0"})
        self.server.asked.append(asked)
        since = datetime.fromisoformat(asked.get("start_time", "2000-01-01T00:00:00+00:00"))
        found = [
            r
            for r in self.server.rows
            if datetime.fromisoformat(r["start_time"]).replace(tzinfo=UTC) >= since
        ]
        found = [r for r in found if r["trace_id"] == asked.get("trace", r["trace_id"])]
        found.sort(key=lambda row: row["start_time"], reverse=True)
        start, limit = int(asked.get("cursor", 0)), asked["limit"]
        following = str(start + limit) if start + limit < len(found) else None
        return self._answer(200, {"runs": found[start : start + limit], "cursors": {"next": following}})

    def _answer(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("CLAIMLEDGER_SOURCE_BOT_KEY", "ls-key")
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_api_is_paged_by_cursor_and_then_from_the_newest_on(api, tmp_path):
    api.rows = [row for trace in (1, 2, 3) for row in runs(trace)]
    api.limited = 2
    night = Night(tmp_path, url=api.url, overlap_minutes=0)
    check_answers(night.pull(), 1, 2, 3)
    assert [asked.get("cursor") for asked in api.asked] == [None, "3", "6", "9"]
    assert api.asked[0]["session"] == ["project-1"]
    api.rows += runs(4)
    check_answers(night.pull(), 3, 4)


def test_the_api_s_range_and_its_faults(api, tmp_path, monkeypatch):
    api.rows = runs(1)
    night = Night(tmp_path, url=api.url)
    check_answers(night.pull(since=NOON.date(), until=NOON.date()), 1)
    assert night.pull(since=NOON.date() + timedelta(days=1)).height == 0
    assert langsmith.reach(night.source) == f"project 'support' (project-1) of {api.url}"
    with pytest.raises(SourceError, match="has no project 'none'"):
        Night(tmp_path, url=api.url, project="none").pull()
    monkeypatch.setenv("CLAIMLEDGER_SOURCE_BOT_KEY", "old")
    with pytest.raises(SourceError, match=r"refused \(403\): .* set CLAIMLEDGER_SOURCE_BOT_KEY"):
        night.pull()


def test_ten_pulls_with_random_cuts_give_the_rows_of_an_undisturbed_one(api, tmp_path, monkeypatch):
    """Four more traces come every night."""
    monkeypatch.setattr(web, "ATTEMPTS", 1)
    traces = count(1)
    with closing(Wire(api.server_address[1])) as wire:
        cut_next = cut_wire(wire, 20_000)

        def cut(chance: random.Random | None) -> None:
            for trace in islice(traces, 0 if chance is None else 4):
                api.rows += runs(trace)
            cut_next(chance)

        own, other = (Night(tmp_path, url=url).source for url in (api.url, f"http://127.0.0.1:{wire.port}"))
        check_cuts(other, tmp_path, cut, undisturbed=own)
