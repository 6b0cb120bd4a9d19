"""Drift on a lake: the command, the cache, the message, and the end of a night."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flows.commands.cli import main
from tasks.drift import cache, measurement, notify
from tasks.drift.daily import daily_series
from tasks.drift.parameters import DriftParameters, DriftSettings
from tasks.drift.table import drift_rows
from tasks.errors import ConfigError, InputError
from tasks.lake.store import Lake
from tests.support.drift_days import cells, day_of, fill, frames

DAYS = 32


@pytest.fixture(scope="module")
def days() -> list[dict[str, pl.DataFrame]]:
    return [
        frames(
            n,
            share=lambda agent, n=n: 0.75 if n >= 30 and agent == 1 else 0.94,  # type: ignore[misc]
            models=lambda day, agent: "M2" if agent == "B" and day >= 30 else "M1",
        )
        for n in range(DAYS)
    ]


@pytest.fixture
def lake(tmp_path: Path, days: list[dict[str, pl.DataFrame]]) -> Lake:
    made = Lake.open(str(tmp_path / "lake"))
    fill(made, days)
    return made


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A local place that takes apprise's JSON, and what it took."""
    taken: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_lake_gives_what_the_frames_give_and_the_cache_changes_nothing(
    lake: Lake, days: list[dict[str, pl.DataFrame]], caplog: pytest.LogCaptureFixture
) -> None:
    settings = DriftSettings()
    report = measurement.compare(lake, settings, run_id="ab" * 32, today=day_of(DAYS))
    direct = drift_rows(cells(days), report.windows, settings.parameters)
    assert_frame_equal(report.rows.drop("report_id", "run_id"), direct)
    assert report.windows.window_end == day_of(DAYS - 1)
    kept = sorted((lake.root / "cache" / "drift").iterdir())
    assert len(kept) == DAYS
    sums = kept[3] / "sums.arrow"
    sums.write_bytes(b"torn" + sums.read_bytes()[10:])
    again = measurement.compare(lake, settings, run_id="cd" * 32, today=day_of(DAYS))
    assert again.report_id == report.report_id
    assert "damaged cache" in caplog.text
    assert cache.read(lake.root, kept[3].name) is not None, "the day was summed and kept again"
    # Today is not over: it is not compared yet.
    early = measurement.compare(lake, settings, run_id="ab" * 32, today=day_of(DAYS - 1))
    assert early.windows.window_end == day_of(DAYS - 2)
    kept_days = measurement.read_cells(lake, DriftParameters(), since=day_of(3), until=day_of(5))
    series = daily_series(kept_days, slice_names=["all"])
    assert series.filter(metric="outputs_per_day")["value"].to_list() == [200.0] * 3


def test_the_command_publishes_tells_once_and_fails_where_it_is_asked_to(
    lake: Lake,
    inbox: tuple[str, list[dict[str, str]]],
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, taken = inbox
    monkeypatch.setenv("CLAIMLEDGER_NOTIFY", url)
    config = elsewhere / "claimledger.toml"
    sections = '[validation]\ndata_docs = false\n[drift]\nlink = "https://a.example"\n'
    config.write_text(f'lake = "{lake.root}"\n{sections}')
    assert main(["drift", "--config", str(config), "--fail-on-drift", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    top = said["alarms"][0]
    assert (top["slice"], top["metric"], top["changed_on"]) == ("agent=B", "supported_share", "2026-10-31")
    assert top["reason"].endswith("on 31 October 2026, the day model M2 first appears")
    rows = pl.read_parquet(lake.root / "tables/drift/**/*.parquet")
    assert rows["report_id"].unique().to_list() == [said["report_id"]]
    assert rows.filter(status="drifted").height == len(said["drifted"])
    document = json.loads((lake.root / "reports/drift" / f"{said['report_id']}.json").read_text())
    assert len(document["rows"]) == rows.height
    assert len(taken) == 1
    assert taken[0]["title"].startswith("claimledger:")
    assert top["reason"] in taken[0]["message"]
    assert f"https://a.example/drift/{said['report_id']}.json" in taken[0]["message"]

    assert main(["drift", "--config", str(config)]) == 0
    assert "ALARM  supported share of agent B fell" in capsys.readouterr().out
    assert len(taken) == 1, "the same report is told once"
    assert pl.read_parquet(lake.root / "tables/drift/**/*.parquet").height == rows.height

    assert main(["drift", "--config", str(config), "--current", "2026-10-01..2026-10-9"]) == 2
    assert "expected FIRST..LAST" in capsys.readouterr().err


def test_a_baseline_within_the_window_is_refused_and_an_empty_lake_measures_nothing(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    lake.ensure_tables(day_of(0))
    with pytest.raises(InputError, match="reaches into the window"):
        measurement.compare(
            lake,
            DriftSettings(),
            run_id="ab" * 32,
            today=day_of(9),
            current=(day_of(3), day_of(8)),
            baseline=(day_of(0), day_of(3)),
        )
    report = measurement.compare(lake, DriftSettings(), run_id="ab" * 32, today=day_of(9))
    assert report.rows["status"].unique().to_list() == ["not_measured"]
    assert report.alarms.is_empty()


def test_questions_answers_and_passages_are_compared_by_the_vectors_that_the_cache_holds(
    tmp_path: Path,
) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    made = [frames(n, answers=100, claims=1) for n in range(DAYS)]
    for n, day in enumerate(made):
        topic = "about refunds" if n < 30 else "about weather"
        day["outputs"] = day["outputs"].with_columns(prompt=pl.format("{} {}", pl.lit(topic), "output_id"))
        day["claims"] = day["verdicts"].select(
            "claim_id", "output_id", text=pl.format("The answer is {}", "claim_id"), kind=pl.lit("factual")
        )
    fill(lake, made)
    asked: list[str] = []

    def cached_vectors(queries: Sequence[str], documents: Sequence[str]) -> np.ndarray:
        """Vectors by topic with some noise; answers are not cached at all."""
        texts = [*queries, *documents]
        asked.extend(texts)
        rng = np.random.default_rng(len(asked))
        vectors = rng.normal(0, 0.2, (len(texts), 8))
        vectors[:, 0] += [1.0 if "refunds" in text else 0.0 for text in texts]
        vectors[:, 1] += [1.0 if "weather" in text else 0.0 for text in texts]
        vectors[["answer" in text for text in texts]] = np.nan
        return vectors.astype(np.float32)

    report = measurement.compare(
        lake, DriftSettings(), run_id="ab" * 32, today=day_of(DAYS), cached_vectors=cached_vectors
    )
    questions = report.rows.filter(metric="question_distance", slice="all").row(0, named=True)
    assert (questions["status"], questions["direction"]) == ("drifted", "worse")
    assert questions["changed_on"] == day_of(30)
    # Vectors of length 1 along two axes: the means lie the root of 2 apart, within the projection's error.
    assert questions["current_value"] == pytest.approx(2**0.5, rel=0.35)
    for metric in ("answer_distance", "passage_distance"):
        assert report.rows.filter(metric=metric)["status"].to_list() == ["not_measured"]
    before = len(asked)
    measurement.compare(
        lake, DriftSettings(), run_id="ab" * 32, today=day_of(DAYS), cached_vectors=cached_vectors
    )
    assert len(asked) == before, "days that are kept are not looked up again"


def test_places_that_cannot_be_told_are_named_without_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLACES", raising=False)
    assert notify.send("t", "b", "PLACES") == []
    monkeypatch.setenv("PLACES", "json://user:secret@127.0.0.1:9")
    warnings = notify.send("t", "b", "PLACES")
    assert len(warnings) == 1
    assert "address 1 of PLACES (json)" in warnings[0]
    assert "secret" not in warnings[0]
    monkeypatch.setenv("PLACES", "nonsense-secret")
    with pytest.raises(ConfigError, match="URL 1 of 1") as refused:
        notify.send("t", "b", "PLACES")
    assert "secret" not in str(refused.value)
