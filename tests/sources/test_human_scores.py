"""People's scores: only a person's, by configured meaning, from exports and from servers alike."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from tasks.errors import SourceError
from tasks.files.limits import LimitSettings
from tasks.sources import langsmith, score_pull
from tasks.sources.human_scores import SCORES, ScoreSettings, meaning
from tasks.sources.langfuse import LangfuseSettings
from tasks.sources.langsmith import LangsmithSettings
from tasks.sources.parameters import SourceSettings, deciding

NOW = datetime(2026, 11, 20, tzinfo=UTC)
MEANS = {
    "correct": {"true": "supported", "false": "contradicted"},
    "faithful": {">=0.8": "supported", "< 0.3": "contradicted"},
    "grade": {"a": "supported", "2": "insufficient"},
}


def langfuse_row(number: int, name: str, value: Any, text: str = "", **more: Any) -> dict[str, Any]:
    """A row of the export `scores`, as its schema is documented."""
    at = f"2026-11-19 12:00:{number:02d}.000000"
    return {
        "id": f"s{number}", "timestamp": at, "project_id": "p", "environment": "default",
        "trace_id": f"t{number}", "observation_id": "", "session_id": "", "dataset_run_id": "",
        "name": name, "value": value, "source": "ANNOTATION", "comment": "", "data_type": "NUMERIC",
        "string_value": text, "created_at": at, "updated_at": at, **more,
    }  # fmt: skip


def langsmith_row(number: int, key: str, score: Any, **more: Any) -> dict[str, Any]:
    """Feedback as the API gives it."""
    giver = {"type": "app", "metadata": None, "user_id": "u-1", "user_name": "Ada"}
    return {
        "id": f"f{number}", "created_at": "2026-11-19T12:00:00", "modified_at": "2026-11-19T12:30:00+00:00",
        "run_id": f"r{number}", "trace_id": f"t{number}", "key": key, "score": score, "value": None,
        "comment": None, "correction": None, "feedback_source": giver, "session_id": "project-1", **more,
    }  # fmt: skip


def pulled(source: SourceSettings, work: Path) -> Any:
    return score_pull.pull(source, LimitSettings(), work, NOW)


@pytest.mark.parametrize(
    ("name", "values", "verdict"),
    [
        ("correct", (True,), "supported"),
        ("correct", ("False", 0), "contradicted"),
        ("faithful", (0.8,), "supported"),
        ("faithful", ("0.1",), "contradicted"),
        ("faithful", (0.5,), None),
        ("grade", ("A",), "supported"),
        ("grade", (2.0,), "insufficient"),
        ("grade", (None, True), None),
    ],
)
def test_what_a_score_means_is_said_by_the_first_rule_that_it_meets(
    name: str, values: tuple[object, ...], verdict: str | None
) -> None:
    assert meaning(MEANS[name], values) == verdict


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_of_langfuse_s_export_only_what_people_annotated_counts_each_score_as_it_was_last_changed(
    tmp_path: Path, form: str
) -> None:
    changed = langfuse_row(1, "correct", 0, "False", updated_at="2026-11-19 13:00:00.000000")
    rows = [
        langfuse_row(1, "correct", 1, "True"),
        changed,
        langfuse_row(2, "faithful", 0.9, comment="fine", author_user_id="u-7"),
        langfuse_row(3, "faithful", 0.9, source="EVAL"),
        langfuse_row(4, "faithful", 0.9, source="API"),
        langfuse_row(5, "tone", 1),
        langfuse_row(6, "faithful", 0.9, trace_id=""),
        langfuse_row(7, "faithful", 0.9, updated_at="soon"),
    ]
    folder = tmp_path / "scores"
    folder.mkdir()
    if form == "jsonl":
        (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    else:
        pl.DataFrame(rows).write_parquet(folder / "a.parquet")
    reviews = ScoreSettings(verdicts=MEANS, path=str(folder), reviewer="annotation team")
    source = LangfuseSettings(name="bot", kind="langfuse", path="observations", reviews=reviews)
    taken = pulled(source, tmp_path / "work")
    assert taken.frame().schema == SCORES
    assert taken.frame().rows() == [
        ("bot", "t1", "s1", "contradicted", "annotation team", None, "2026-11-19T13:00:00+00:00"),
        ("bot", "t2", "s2", "supported", "u-7", "fine", "2026-11-19T12:00:02+00:00"),
    ]
    assert dict(taken.counts) == {"read": 8, "not_of_a_person": 3, "without_a_meaning": 1, "no_score": 1}
    assert "reviews" not in deciding(source)


class Api(ThreadingHTTPServer):
    """`GET /api/public/v2/scores` of Langfuse; `GET /sessions`, `/feedback` of LangSmith; as documented."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        if place.path == "/sessions":
            return self._answer([{"id": "project-1"}])
        self.server.asked.append(asked)
        rows, limit = self.server.rows, int(asked["limit"])
        if place.path == "/feedback":
            start = int(asked["offset"])
            return self._answer(rows[start : start + limit])
        number, pages = int(asked["page"]), -(-len(rows) // limit)
        meta = {"page": number, "limit": limit, "totalItems": len(rows), "totalPages": pages}
        return self._answer({"data": rows[(number - 1) * limit : number * limit], "meta": meta})

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_langfuse_s_api_gives_scores_by_page_with_their_author(api: Api, tmp_path: Path) -> None:
    api.rows = [
        {
            "id": f"s{n}", "traceId": f"t{n}", "name": "correct", "value": 1, "stringValue": "True",
            "source": "ANNOTATION", "authorUserId": "u-1", "updatedAt": "2026-11-19T12:00:00.000Z",
        }
        for n in range(150)
    ]  # fmt: skip
    reviews = ScoreSettings(verdicts=MEANS, look_back_days=10)
    source = LangfuseSettings(name="bot", kind="langfuse", url=api.url, reviews=reviews)
    found = pulled(source, tmp_path).frame()
    assert found.height == found["source_id"].n_unique() == 150
    assert found["reviewer"].unique().to_list() == ["u-1"]
    assert [asked["page"] for asked in api.asked] == ["1", "2"]
    assert api.asked[0]["source"] == "ANNOTATION"
    assert api.asked[0]["fromTimestamp"] == "2026-11-10T00:00:00+00:00"


def test_langsmith_s_feedback_counts_where_a_person_gave_it(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(langsmith, "_LARGEST_PAGE", 2)
    api.rows = [
        langsmith_row(1, "faithful", 1.0, comment="right"),
        langsmith_row(2, "faithful", 0.0, feedback_source={"type": "model"}),
        langsmith_row(3, "correct", None, value="false", feedback_source={"type": "app", "user_id": "u-2"}),
    ]
    source = LangsmithSettings(
        name="bot", kind="langsmith", url=api.url, reviews=ScoreSettings(verdicts=MEANS)
    )
    taken = pulled(source, tmp_path)
    kept = ["source_id", "verdict", "reviewer", "comment", "reviewed_at"]
    assert taken.frame().select(kept).rows() == [
        ("t1", "supported", "Ada", "right", "2026-11-19T12:30:00+00:00"),
        ("t3", "contradicted", "u-2", None, "2026-11-19T12:30:00+00:00"),
    ]
    assert taken.counts["not_of_a_person"] == 1
    assert [asked["offset"] for asked in api.asked] == ["0", "2"]


def test_scores_that_cannot_be_read_say_where(api: Api, tmp_path: Path) -> None:
    reviews = ScoreSettings(verdicts=MEANS, path=str(tmp_path / "gone"))
    source = LangfuseSettings(name="bot", kind="langfuse", path="observations", reviews=reviews)
    with pytest.raises(SourceError, match="gone"):
        pulled(source, tmp_path / "work")
