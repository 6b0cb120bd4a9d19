"""Traces of a real MLflow server with SQLite, written by its own client, and files of exported ones."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import polars as pl
import pytest

from tasks.errors import SourceError
from tasks.files import web
from tasks.sources import mlflow
from tasks.sources.mlflow import MlflowSettings, of_trace
from tasks.sources.raw_spans import spans
from tasks.sources.traces import read
from tasks.write_back.write_back import write_back
from tests.support import servers
from tests.support.postgres import Wire
from tests.support.pulls import Pulls, check_cuts, cut_wire
from tests.support.report_lake import NOW
from tests.support.told_lake import SOURCE, told_lake

FILL = Path(servers.__file__).parent / "fill_mlflow.py"
EXPORTS = Path(__file__).parent / "exports"
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    commands, folder, port = servers.environment("mlflow"), tmp_path_factory.mktemp("m"), servers.free_port()
    command = [
        *(commands / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/a.db", "--default-artifact-root", folder / "artifacts"),
    ]
    with servers.running(command, f"http://127.0.0.1:{port}/health", folder / "log", QUIET):
        url = f"http://127.0.0.1:{port}"
        fill(url, 1, 3)
        yield url


def fill(url: str, first: int, count: int) -> None:
    python = servers.environment("mlflow") / "python"
    command = [python, FILL, url, str(first), str(count)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **QUIET})


class Night(Pulls):
    def __init__(self, work: Path, **source: Any) -> None:
        given = {"name": "bot", "kind": "mlflow", "project": "support", "page_size": 2, **source}
        super().__init__(mlflow.pull, MlflowSettings(**given), work)

    def pull(self, now: datetime | None = None, minutes: float = 5, **scoped: Any) -> pl.DataFrame:
        at = now or datetime.now(UTC) + timedelta(minutes=minutes)
        return super().pull(at, **scoped).sort("prompt")


def test_what_is_there_and_then_what_is_new(server, tmp_path):
    night = Night(tmp_path, url=server, overlap_minutes=0)
    first = night.pull()
    assert first.select("prompt", "response", "model", "session_id").rows() == [
        (f"Who runs {n}?", f"The board {n}.", "m-1", f"s{n % 3}") for n in (1, 2, 3)
    ]
    row = first.row(0, named=True)
    assert row["contexts"] == [
        {"uri": "kb://1", "text": "Fact 1."},
        {"uri": "tool:look", "text": '{"answer": 42}'},
    ]
    assert row["source_id"].startswith("tr-")
    fill(server, 4, 1)
    again = night.pull()
    assert again["prompt"].to_list() == ["Who runs 3?", "Who runs 4?"]  # of equal marks nothing is lost
    assert again["output_id"][0] == first["output_id"][2]


def test_a_range_of_days_leaves_the_mark(server, tmp_path):
    night, today = Night(tmp_path, url=server), datetime.now(UTC).date()
    assert night.pull(since=today - timedelta(days=1)).height >= 3
    assert night.pull(until=today - timedelta(days=2)).height == 0
    assert night.marks == {}


def test_the_server_counts_its_traces_by_day(server, tmp_path):
    night, today = Night(tmp_path, url=server), datetime.now(UTC).date()
    answers, days = night.pull(), [today - timedelta(days=1), today]
    tallies = list(mlflow.tally(night.source, days, lambda *_: True))
    assert {each for tally in tallies for each in tally.ids or ()} == set(answers["source_id"])
    assert sum(tally.count for tally in tallies) == answers.height


def test_what_a_server_refuses_is_one_sentence(server, tmp_path):
    with pytest.raises(SourceError, match=r"get-by-name refused \(404\)"):
        Night(tmp_path, url=server, project="none").pull()
    assert mlflow.reach(Night(tmp_path, url=server).source) == f"experiment 'support' (1) of {server}"


def test_exported_traces_read_the_same_and_what_is_none_is_refused(tmp_path):
    """Made with mlflow-skinny 3.17.2, `trace.to_dict()`."""
    (tmp_path / "a.json").write_bytes((EXPORTS / "mlflow_trace.json").read_bytes())
    (tmp_path / "b.jsonl").write_text('{"info": {}}\n{"other": 1}\n')
    night = Night(tmp_path / "w", path=str(tmp_path / "*.json*"))
    (row,) = night.pull().to_dicts()
    assert (row["prompt"], row["response"]) == ("capital?", "Paris")
    assert row["contexts"] == [{"uri": "kb://1", "text": "Paris is the capital."}]
    assert night.quarantine.height == 2


def test_a_trace_without_spans_has_the_previews_and_says_so():
    info = {"trace_id": "tr-1", "request_time": "2026-11-19T12:00:00Z", "request_preview": "Who?",
            "response_preview": "Me."}  # fmt: skip
    (record,) = read(spans(of_trace({"info": info, "data": {"spans": []}}))).records
    assert (record["prompt"], record["response"]) == ("Who?", "Me.")
    assert "previews only" in str(record["metadata"])


def test_verdicts_become_assessments_of_their_traces_once(server, tmp_path):
    trace = Night(tmp_path, url=server).pull()["source_id"][0]
    lake = told_lake(tmp_path / "lake", trace, "tr-00000000000000000000000000000000")
    source = MlflowSettings(name=SOURCE, kind="mlflow", url=server, project="support", write_back=True)
    for run, expected in (("a", (4, 2, "")), ("b", (0, 0, ""))):
        (told,) = write_back(lake, [source], run_id=run, started_at=NOW)
        assert (told.verdicts, told.gone, told.failure) == expected
    lake.write_state(f"write-back-{SOURCE}", {})  # as after a crash between the answer and the mark
    write_back(lake, [source], run_id="c", started_at=NOW)
    answer = httpx.get(f"{server}/api/3.0/mlflow/traces/batchGet", params={"trace_ids": [trace]}).json()
    found = answer["traces"][0]["trace_info"]["assessments"]
    assert sorted(each["feedback"]["value"] for each in found) == ["contradicted", "supported"]
    assert {each["metadata"]["p_supported"] for each in found} == {"0.9000", "0.0300"}


def test_ten_pulls_with_random_cuts_give_the_rows_of_an_undisturbed_one(server, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "ATTEMPTS", 1)
    later = datetime.now(UTC) + timedelta(minutes=5)
    with closing(Wire(urlsplit(server).port or 0)) as wire:
        own, cut = (Night(tmp_path, url=url).source for url in (server, f"http://127.0.0.1:{wire.port}"))
        check_cuts(cut, tmp_path, cut_wire(wire, 3_000), undisturbed=own, now=later)
