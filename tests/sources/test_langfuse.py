"""Langfuse's exports and API, by its documented schemas: its server cannot run here."""

from __future__ import annotations

import base64
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
from tasks.sources import langfuse
from tasks.sources.langfuse import LangfuseSettings
from tests.support.postgres import Wire
from tests.support.pulls import Pulls, check_answers, check_cuts, cut_wire
from tests.support.scopes import NOW

NOON = datetime(2026, 11, 19, 12, tzinfo=UTC)


def observation(number: int, kind: str, trace: int, parent: str = "", **more: Any) -> dict[str, Any]:
    """A row of `observations_v2`; times as exports write them."""
    start = NOON + timedelta(seconds=trace * 10 + number)
    return {
        "id": f"o{trace}-{number}", "trace_id": f"t{trace}", "project_id": "p", "environment": "default",
        "type": kind, "parent_observation_id": parent, "start_time": f"{start:%Y-%m-%d %H:%M:%S.%f}",
        "end_time": f"{start + timedelta(seconds=5 - number):%Y-%m-%d %H:%M:%S.%f}", "name": kind.lower(),
        "level": "DEFAULT", "input": "", "output": "", "provided_model_name": "", "usage_details": "{}",
        "session_id": "s1", "user_id": "u1", "tags": "[]", **more,
    }  # fmt: skip


def rows(trace: int) -> list[dict[str, Any]]:
    root, answer = f"o{trace}-0", f"The board {trace}."
    documents = json.dumps([{"page_content": f"Fact {trace}.", "metadata": {"source": "kb://1"}}])
    said = json.dumps([{"role": "assistant", "content": answer}])
    usage = json.dumps({"input": 12, "output": 3})
    return [
        observation(0, "SPAN", trace, input=json.dumps({"question": f"Who runs {trace}?"}), output=answer),
        observation(1, "RETRIEVER", trace, root, output=documents),
        observation(2, "TOOL", trace, root, name="look", output="42"),
        observation(
            3, "GENERATION", trace, root, output=said, provided_model_name="m-1", usage_details=usage
        ),
    ]


class Night(Pulls):
    def __init__(self, work: Path, **source: Any) -> None:
        given = {"name": "bot", "kind": "langfuse", "page_size": 3, **source}
        super().__init__(langfuse.pull, LangfuseSettings(**given), work)

    def pull(self, now: datetime = NOW, **scoped: Any) -> pl.DataFrame:
        return super().pull(now, **scoped).sort("source_id")


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_every_form_of_the_scheduled_export_reads_the_same(tmp_path, form):
    every = [row for trace in (1, 2) for row in rows(trace)]
    path = tmp_path / "in" / f"a.{form}"
    path.parent.mkdir()
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in every))
    elif form == "csv":
        pl.DataFrame(every).write_csv(path)
    else:
        times = pl.col("start_time", "end_time").str.to_datetime()
        pl.DataFrame(every).with_columns(times).write_parquet(path)
    check_answers(Night(tmp_path / "w", path=str(path.parent)).pull(), 1, 2)


def test_an_export_with_its_io_switched_off_says_so(tmp_path):
    every = [{k: v for k, v in row.items() if k not in ("input", "output")} for row in rows(1)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in every))
    night = Night(tmp_path / "w", path=str(tmp_path / "a.jsonl"))
    assert night.pull().height == 0
    assert "inputs and outputs are not recorded" in night.quarantine["reason"][0]


def test_rows_that_are_none_are_refused_by_themselves(tmp_path):
    lines = [*map(json.dumps, rows(1)), '{"id": "x"}', json.dumps({**rows(2)[0], "start_time": "soon"})]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    night = Night(tmp_path / "w", path=str(tmp_path / "a.jsonl"))
    check_answers(night.pull(), 1)
    assert night.quarantine["reason"].to_list() == [
        "is not an observation of Langfuse (KeyError at 'start_time')",
        "is not an observation of Langfuse (ValueError at Invalid isoformat string: 'soon')",
    ]


class Api(ThreadingHTTPServer):
    """`GET /api/public/v2/observations` as documented: camelCase, newest first, a cursor in `meta`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows: list[dict[str, Any]] = []
        self.asked: list[dict[str, list[str]]] = []
        self.repeats = False
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        key = base64.b64encode(b"pk:sk").decode()
        if self.headers.get("Authorization") != f"Basic {key}":
            return self._answer(401, {"message": "Invalid credentials"})
        asked = parse_qs(urlsplit(self.path).query)
        self.server.asked.append(asked)
        if urlsplit(self.path).path == "/api/public/traces":
            return self._traces(asked)
        since = datetime.fromisoformat(asked.get("fromStartTime", ["2000-01-01T00:00:00+00:00"])[0])
        until = datetime.fromisoformat(asked.get("toStartTime", ["2100-01-01T00:00:00+00:00"])[0])
        found = [row for row in self.server.rows if since <= datetime.fromisoformat(row["startTime"]) < until]
        found = [row for row in found if row["traceId"] in asked.get("traceId", [row["traceId"]])]
        found.sort(key=lambda row: (row["startTime"], row["id"]), reverse=True)
        start, limit = int(asked.get("cursor", ["0"])[0]), int(asked["limit"][0])
        more = start + limit < len(found) or self.server.repeats
        following = 0 if self.server.repeats else start + limit
        meta = {"cursor": str(following)} if more else {}
        return self._answer(200, {"data": found[start : start + limit], "meta": meta})

    def _traces(self, asked: dict[str, list[str]]) -> None:
        """`GET /api/public/traces` as documented: pages by number, `totalItems` in `meta`."""
        since, until = (datetime.fromisoformat(asked[name][0]) for name in ("fromTimestamp", "toTimestamp"))
        moments = {row["traceId"]: datetime.fromisoformat(row["startTime"]) for row in self.server.rows}
        ids = sorted(each for each, moment in moments.items() if since <= moment < until)
        page, limit = int(asked["page"][0]), int(asked["limit"][0])
        data = [{"id": each} for each in ids[(page - 1) * limit : page * limit]]
        return self._answer(
            200, {"data": data, "meta": {"page": page, "limit": limit, "totalItems": len(ids)}}
        )

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def camel(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the API gives it: times with a zone, details as records."""
    plain = {**row, "usage_details": json.loads(row["usage_details"]), "tags": []}
    for name in ("start_time", "end_time"):
        plain[name] = row[name].replace(" ", "T") + "+00:00"
    parts = {name: name.split("_") for name in plain}
    return {first + "".join(map(str.title, rest)): plain[name] for name, (first, *rest) in parts.items()}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("CLAIMLEDGER_SOURCE_BOT_KEY", "pk")
    monkeypatch.setenv("CLAIMLEDGER_SOURCE_BOT_SECRET", "sk")
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_api_is_paged_by_cursor_and_then_from_the_newest_on(api, tmp_path):
    api.rows = [camel(row) for trace in (1, 2, 3) for row in rows(trace)]
    night = Night(tmp_path, url=api.url, overlap_minutes=0)
    check_answers(night.pull(), 1, 2, 3)
    assert len(api.asked) == 4
    assert api.asked[0]["fields"] == ["core,basic,time,io,metadata,model,usage,trace_context"]
    api.rows += [camel(row) for row in rows(4)]
    # Of the trace at the edge only a part is in the window: the rest is asked for by its id.
    check_answers(night.pull(), 3, 4)
    assert ["t3"] in [asked.get("traceId") for asked in api.asked]


def test_the_api_counts_its_traces_by_day(api, tmp_path, monkeypatch):
    api.rows = [camel(row) for trace in range(1, 6) for row in rows(trace)]
    source, days = Night(tmp_path, url=api.url).source, [NOON.date(), NOON.date() + timedelta(days=1)]
    assert isinstance(source, LangfuseSettings)
    monkeypatch.setattr(langfuse, "_TRACES_AT_ONCE", 2)
    (day, after) = langfuse.tally(source, days, lambda *_: False)
    assert (day.count, day.ids, after.count) == (5, ["t1", "t2", "t3", "t4", "t5"], 0)
    monkeypatch.setattr(langfuse, "_LISTED", 4)
    assert next(langfuse.tally(source, days, lambda *_: False)).ids is None
    assert len(next(langfuse.tally(source, days, lambda *_: True)).ids or ()) == 5


def test_the_api_s_range_and_its_faults(api, tmp_path, monkeypatch):
    api.rows = [camel(row) for row in rows(1)]
    night = Night(tmp_path, url=api.url)
    check_answers(night.pull(since=NOON.date(), until=NOON.date()), 1)
    assert night.pull(since=NOON.date() + timedelta(days=1)).height == 0
    assert night.marks == {}
    api.repeats = True
    with pytest.raises(SourceError, match="the server keeps returning the same page"):
        night.pull()
    monkeypatch.setenv("CLAIMLEDGER_SOURCE_BOT_KEY", "old")
    with pytest.raises(SourceError, match=r"refused \(401\): .* set CLAIMLEDGER_SOURCE_BOT_KEY"):
        langfuse.reach(night.source)


def test_ten_pulls_with_random_cuts_give_the_rows_of_an_undisturbed_one(api, tmp_path, monkeypatch):
    """Four more traces come every night."""
    monkeypatch.setattr(web, "ATTEMPTS", 1)
    traces = count(1)
    with closing(Wire(api.server_address[1])) as wire:
        cut_next = cut_wire(wire, 20_000)

        def cut(chance: random.Random | None) -> None:
            for trace in islice(traces, 0 if chance is None else 4):
                api.rows += map(camel, rows(trace))
            cut_next(chance)

        own, other = (Night(tmp_path, url=url).source for url in (api.url, f"http://127.0.0.1:{wire.port}"))
        check_cuts(other, tmp_path, cut, undisturbed=own)
