"""Spans of a real Phoenix server, filled by OpenTelemetry's own SDK under OpenInference's own names."""

from __future__ import annotations

import json
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
from tasks.lake.store import Lake
from tasks.settings import load
from tasks.sources import counting, phoenix
from tasks.sources.phoenix import PhoenixSettings
from tasks.sources.receipts import READ, Receipt
from tasks.starter import write_starter
from tasks.write_back.write_back import write_back
from tests.support import servers
from tests.support.postgres import Wire
from tests.support.pulls import Pulls, check_cuts, cut_wire
from tests.support.report_lake import NOW
from tests.support.told_lake import SOURCE, told_lake

FILL = Path(servers.__file__).parent / "fill_phoenix.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    commands, folder, port = servers.environment("phoenix"), tmp_path_factory.mktemp("p"), servers.free_port()
    env = {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(servers.free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    url = f"http://127.0.0.1:{port}"
    with servers.running([commands / "phoenix", "serve"], url, folder / "log", env):
        fill(url, 1, 6)
        yield url


def fill(url: str, first: int, count: int) -> None:
    """So many traces, waited for until the server has them: it writes them after it has answered."""
    before = known(url)
    python = servers.environment("phoenix") / "python"
    subprocess.run([python, FILL, url, str(first), str(count)], check=True, capture_output=True)
    end = datetime.now(UTC) + timedelta(seconds=60)
    while known(url) < before + 4 * count:
        assert datetime.now(UTC) < end


def known(url: str) -> int:
    answer = httpx.get(f"{url}/v1/projects/support/spans", params={"limit": 1000})
    return len(answer.json()["data"]) if answer.status_code == 200 else 0


class Night(Pulls):
    def __init__(self, work: Path, **source: Any) -> None:
        given = {"name": "bot", "kind": "phoenix", "project": "support", "page_size": 5, **source}
        super().__init__(phoenix.pull, PhoenixSettings(**given), work)

    def pull(self, now: datetime | None = None, minutes: float = 5, **scoped: Any) -> pl.DataFrame:
        at = now or datetime.now(UTC) + timedelta(minutes=minutes)
        return super().pull(at, **scoped).sort("prompt")


def test_what_is_there_then_what_is_new_and_then_nothing(server, tmp_path):
    night = Night(tmp_path, url=server)
    first = night.pull()
    assert first.select("prompt", "response", "model", "session_id").rows()[:2] == [
        ("Who runs 1?", "The board 1.", "m-1", "s1"),
        ("Who runs 2?", "The board 2.", "m-1", "s2"),
    ]
    row = first.row(0, named=True)
    assert row["contexts"] == [{"uri": "kb-1", "text": "Fact 1."}, {"uri": "tool:look", "text": "42"}]
    assert (row["tools"], json.loads(row["metadata"])["input_tokens"]) == (["look"], 12)
    assert night.pull().height <= 1  # the page begins with the last span that is known
    fill(server, 100, 2)
    assert set(night.pull()["prompt"]) - set(first["prompt"]) == {"Who runs 100?", "Who runs 101?"}


def test_a_trace_that_had_not_ended_is_asked_for_again(server, tmp_path):
    night = Night(tmp_path, url=server)
    assert night.pull(minutes=0).height == 0  # all of them ended within the last minute
    assert len(night.marks["open"]) >= 6
    assert night.pull().height >= 6
    assert night.marks["open"] == []


def test_a_range_of_days_leaves_the_mark(server, tmp_path):
    night, today = Night(tmp_path, url=server), datetime.now(UTC).date()
    assert night.pull(since=today - timedelta(days=1), until=today + timedelta(days=1)).height >= 6
    assert night.pull(since=today + timedelta(days=1)).height == 0
    assert night.marks == {}


def test_the_server_counts_its_traces_by_day(server, tmp_path):
    night, today = Night(tmp_path, url=server), datetime.now(UTC).date()
    answers = night.pull()
    yesterday, now, _ = tallies = list(
        phoenix.tally(night.source, [today + timedelta(days=n) for n in (-1, 0, 1)], lambda *_: True)
    )
    assert sum(tally.count for tally in tallies) == answers.height
    assert {*(yesterday.ids or ()), *(now.ids or ())} == set(answers["source_id"])
    lost = compared(night, answers.head(answers.height - 1))
    assert set(lost["missing_count"]) <= {0, 1}
    assert lost["missing_count"].sum() == 1


def compared(night: Night, answers: pl.DataFrame) -> pl.DataFrame:
    """COMPLETENESS of days long past, for a pull that gave these answers."""
    lake = Lake.open(str(night.work / "lake"))
    read = answers.with_columns(day=pl.col("produced_at").dt.date()).select(READ.names())
    now = datetime.now(UTC) + timedelta(days=3)
    receipt = Receipt(night.work / f"counts-{answers.height}")
    receipt.add_read(read)
    counting.ask([night.source], lake, receipt, now=now, since=None, until=None)
    lake.commit("f" * 64, "unit", {"outputs": answers}, run_day=now.date())
    return counting.settle(receipt, lake, run_id="f" * 64, now=now).rows


def test_a_download_of_its_pages_reads_the_same(server, tmp_path):
    live = Night(tmp_path / "w", url=server).pull()
    data = httpx.get(f"{server}/v1/projects/support/spans", params={"limit": 1000}).json()["data"]
    (tmp_path / "spans.jsonl").write_text("".join(json.dumps(each) + "\n" for each in data) + '{"name": 1}\n')
    exported = Night(tmp_path / "x", path=str(tmp_path / "spans.jsonl")).pull()
    assert exported["output_id"].to_list() == live["output_id"].to_list()


def test_what_a_server_refuses_is_one_sentence(server, tmp_path):
    with pytest.raises(SourceError, match=r"v1/projects/none/spans refused \(404\): no such address"):
        Night(tmp_path, url=server, project="none").pull()
    with pytest.raises(SourceError, match="cannot be reached"):
        phoenix.reach(PhoenixSettings(name="bot", kind="phoenix", url="http://127.0.0.1:1"))
    with pytest.raises(SourceError, match="answered with a web page, perhaps for a login"):
        Night(tmp_path, url=f"{server}/a").pull()
    assert phoenix.reach(Night(tmp_path, url=server).source) == f"project 'support' of {server}"
    with pytest.raises(ValueError, match="set either url"):
        PhoenixSettings(name="bot", kind="phoenix")


def test_init_needs_the_server_s_address_alone(server: str, tmp_path: Path) -> None:
    written = write_starter(tmp_path, from_source="phoenix", path=None, url=server, project="support")
    (source,) = load(tmp_path / "claimledger.toml").sources
    assert (source.kind, source.url, source.project) == ("phoenix", server, "support")  # type: ignore[attr-defined]
    assert sum(note.startswith("as read: asked 'Who runs") for note in written["notes"]) == 5


def test_verdicts_become_annotations_of_their_traces_and_a_trace_that_is_gone_stops_none(server, tmp_path):
    traces = Night(tmp_path, url=server).pull()["source_id"].to_list()[:2]
    lake = told_lake(tmp_path / "lake", traces[0], "0" * 32, traces[1])
    source = PhoenixSettings(name=SOURCE, kind="phoenix", url=server, project="support", write_back=True)
    for run, expected in (("a", (6, 2, "")), ("b", (0, 0, ""))):
        (told,) = write_back(lake, [source], run_id=run, started_at=NOW)
        assert (told.verdicts, told.gone, told.failure) == expected
    lake.write_state(f"write-back-{SOURCE}", {})  # as after a crash between the answer and the mark
    write_back(lake, [source], run_id="c", started_at=NOW)
    place = f"{server}/v1/projects/support/trace_annotations"
    found = httpx.get(place, params={"trace_ids": traces}).json()["data"]
    assert sorted((each["trace_id"], each["result"]["label"]) for each in found) == sorted(
        (trace, verdict) for trace in traces for verdict in ("supported", "contradicted")
    )
    assert {each["result"]["score"] for each in found} == {0.9, 0.03}


def test_ten_pulls_with_random_cuts_give_the_rows_of_an_undisturbed_one(server, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "ATTEMPTS", 1)
    later = datetime.now(UTC) + timedelta(minutes=5)
    with closing(Wire(urlsplit(server).port or 0)) as wire:
        own, cut = (Night(tmp_path, url=url).source for url in (server, f"http://127.0.0.1:{wire.port}"))
        check_cuts(cut, tmp_path, cut_wire(wire, 3_000), undisturbed=own, now=later)
