"""Verdicts go back once each, whatever fails in between, and never with text that must not leave."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import ids
from tasks.files import web
from tasks.lake.store import Lake
from tasks.sources.langfuse import LangfuseSettings
from tasks.sources.otlp import OtlpSettings
from tasks.sources.parameters import SourceSettings
from tasks.tables import TABLES
from tasks.write_back import servers
from tasks.write_back.pending import pending
from tasks.write_back.write_back import Told, write_back
from tests.support.report_lake import NOW, RUN_ID, Rows
from tests.support.told_lake import RIGHT, SOURCE, told_lake

TRACE = "0af7651916cd43dd8448eb211c80319c"
SCORE = "gen_ai.evaluation.score"
FILES = OtlpSettings(name=SOURCE, kind="otlp", path="exports", write_back=True)


def tell(lake: Lake, source: SourceSettings, run: str = RUN_ID) -> Told:
    (told,) = write_back(lake, [source], run_id=run, started_at=NOW - timedelta(minutes=1))
    return told


def events(lake: Lake) -> list[dict[str, Any]]:
    """Log records of all files, as a collector reads them, with their attributes by name."""
    lines = [
        line for file in lake.root.glob("write_back/*/*.jsonl") for line in file.read_bytes().splitlines()
    ]
    records = [
        record
        for line in lines
        for resource in json.loads(line)["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]
    return [
        {**record, **{each["key"]: next(iter(each["value"].values())) for each in record["attributes"]}}
        for record in records
    ]


def test_a_source_of_files_gets_opentelemetry_events_of_its_traces(tmp_path: Path) -> None:
    lake = told_lake(tmp_path, TRACE)
    assert str(tell(lake, FILES)) == "desk: sent 2 verdicts"
    right, wrong = sorted(
        events(lake), key=lambda event: event["gen_ai.evaluation.score.label"], reverse=True
    )
    assert (right["eventName"], right["traceId"]) == ("gen_ai.evaluation.result", TRACE)
    assert right[f"{SCORE}.value"] == 0.9
    assert right["timeUnixNano"] == str(int(NOW.timestamp()) * 10**9)
    assert (wrong["gen_ai.evaluation.score.label"], wrong["claimledger.action"]) == (
        "contradicted",
        "escalated",
    )
    assert RIGHT[0] not in json.dumps([right, wrong])


def test_a_verdict_is_told_once_and_another_source_is_not_told_of_it(tmp_path: Path) -> None:
    lake = told_lake(tmp_path, TRACE)
    assert [tell(lake, FILES, run).verdicts for run in ("a", "b")] == [2, 0]
    assert len(events(lake)) == 2
    assert tell(lake, OtlpSettings(name="other", kind="otlp", path="x", write_back=True)).verdicts == 0
    assert (
        write_back(lake, [OtlpSettings(name=SOURCE, kind="otlp", path="x")], run_id="c", started_at=NOW) == []
    )


def test_what_was_decided_before_it_was_switched_on_stays_untold(tmp_path: Path) -> None:
    lake = told_lake(tmp_path, TRACE)
    (told,) = write_back(lake, [FILES], run_id="later", started_at=NOW + timedelta(days=1))
    assert (told.verdicts, events(lake)) == (0, [])


def test_an_answer_with_confidential_data_or_an_erased_one_is_told_without_its_words(tmp_path: Path) -> None:
    rows = Rows()
    open_, found = (rows.answer(name, 0, "ada", [RIGHT]) for name in ("open", "found"))
    rows.of["findings"].append(
        {"finding_id": ids.digest("f"), "output_id": found, "run_id": RUN_ID, "kind": "email", "start": 0}
        | {"end": 3, "masked": "T**", "detector": "d", "confidence": 1.0, "found_at": NOW}
        | {"produced_at": rows.of["outputs"][0]["produced_at"]}
    )
    rows.answer("erased", 0, "ada", [("[erased]", "supported", 0.9, 0.02, False)])
    frames = {name: pl.DataFrame(of, schema=TABLES[name].schema) for name, of in rows.of.items() if of}
    lake = Lake.open(str(tmp_path))
    lake.commit(RUN_ID, "unit", frames, run_day=NOW.date())
    told = dict(pending(lake, SOURCE, NOW).select("trace_id", "explanation").iter_rows())
    assert told == {
        "open": f"{RIGHT[0]}: the evidence says supported",
        "found": "characters 0 to 24 of the answer",
        "erased": "characters 0 to 8 of the answer",
    }
    assert open_ != found


class Scores(ThreadingHTTPServer):
    """`POST /api/public/ingestion` as Langfuse documents it: 207, and what became of each event."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scores: dict[str, dict[str, Any]] = {}
        self.answers: list[int] = []
        self.refuses = False
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Scores

    def do_POST(self) -> None:
        batch = json.loads(self.rfile.read(int(self.headers["content-length"])))["batch"]
        status = self.server.answers.pop(0) if self.server.answers else 207
        errors = [{"id": each["id"], "status": 400, "message": "no trace"} for each in batch]
        if status == 207 and not self.server.refuses:
            self.server.scores |= {each["body"]["id"]: each["body"] for each in batch}
            errors = []
        body = json.dumps({"successes": [], "errors": errors}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Scores]:
    with Scores() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def langfuse(server: Scores) -> LangfuseSettings:
    return LangfuseSettings(name=SOURCE, kind="langfuse", url=server.url, write_back=True)


def test_langfuse_gets_the_word_and_the_number_of_every_verdict(tmp_path: Path, server: Scores) -> None:
    assert tell(told_lake(tmp_path, "t1"), langfuse(server)).verdicts == 2
    values = {(score["name"], score["value"], score["traceId"]) for score in server.scores.values()}
    assert values == {
        ("claimledger.verdict", "supported", "t1"),
        ("claimledger.p_supported", 0.9, "t1"),
        ("claimledger.verdict", "contradicted", "t1"),
        ("claimledger.p_supported", 0.03, "t1"),
    }


def test_what_failed_is_made_up_for_by_the_next_run_and_nothing_is_told_twice(
    tmp_path: Path, server: Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "ATTEMPTS", 1)
    monkeypatch.setitem(servers.AT_ONCE, "langfuse", 1)
    lake = told_lake(tmp_path, *(f"t{number}" for number in range(5)))
    server.answers = [207, 207, 207, 500]
    first = tell(lake, langfuse(server))
    assert (first.verdicts, len(server.scores)) == (3, 6)
    assert "refused (500)" in first.failure
    assert str(first).endswith("3 were; the next run resumes from there")
    second = tell(lake, langfuse(server))
    assert (second.verdicts, second.failure, len(server.scores)) == (7, "", 20)


def test_a_score_that_langfuse_refuses_is_a_failure_with_its_reason(tmp_path: Path, server: Scores) -> None:
    server.refuses = True
    told = tell(told_lake(tmp_path, "t1"), langfuse(server))
    assert (told.verdicts, told.failure) == (
        0,
        "source 'desk': Langfuse refused 4 of 4 scores (no trace)",
    )
