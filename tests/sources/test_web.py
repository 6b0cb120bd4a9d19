"""A server's faults: what passes is waited for, what does not is one sentence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import SourceError
from tasks.files import web
from tasks.files.web import Web

Answer = tuple[int, dict[str, str], bytes]
VARIABLE = "CL_KEY"
GOOD: Answer = (200, {}, b'{"a": 1}')


class Scripted(ThreadingHTTPServer):
    """Answers as the script says, one after the other; the last one for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Answer | Callable[[Any], None]] = []
        self.headers: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        self.server.headers.append({k.lower(): v for k, v in self.headers.items()})
        script = self.server.script
        step = script.pop(0) if len(script) > 1 else script[0]
        if callable(step):
            step(self)
            return
        status, headers, body = step
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(
    server: Scripted, *script: Answer | Callable[[Any], None], path: str = "v1/x"
) -> tuple[Any, list[float]]:
    """The answer, and the seconds waited."""
    server.script = list(script)
    waits: list[float] = []
    headers = {"Authorization": "Bearer s3cret"}
    with Web("source 'bot'", server.url, headers, secret=VARIABLE, pause=waits.append) as door:
        return door.json(path), waits


def breaking(handler: Any) -> None:
    """A body that stops in the middle."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"a":')
    handler.close_connection = True


def test_too_many_requests_wait_for_as_long_as_the_server_says(server):
    late = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    answer, waits = get(server, (429, {"Retry-After": "7"}, b""), (429, {"Retry-After": late}, b""), GOOD)
    assert answer == {"a": 1}
    assert waits[0] == 7
    assert 20 < waits[1] <= 30


def test_without_a_time_the_waits_grow_and_end(server):
    assert get(server, (503, {}, b""), (500, {}, b""), (429, {}, b""), GOOD)[1] == [1, 2, 4]
    with pytest.raises(
        SourceError, match=r"^source 'bot': http://127.0.0.1:\d+/v1/x refused \(500, tried 6 times\)"
    ):
        get(server, (500, {}, b"<html>"))


FAULTS = {
    "a wrong key": ((401, {}, b"no"), r"refused \(401\): the key is missing, wrong or expired; set CL_KEY"),
    "a key without rights": ((403, {}, b""), r"refused \(403\): the key may not read this; set CL_KEY"),
    "no such place": ((404, {}, b""), r"refused \(404\): no such address"),
    "its own words": ((400, {}, b"limit is too large"), r"refused \(400\): limit is too large"),
    "a wait of hours": ((429, {"Retry-After": "7200"}, b""), r"it asks for a wait of 7200"),
    "a login page": ((200, {}, b"<!doctype html>"), "a web page, perhaps for a login"),
    "half of JSON": ((200, {}, b'{"a":'), r"answered with no JSON"),
    "another host": (
        (302, {"Location": "http://evil.example/x"}, b""),
        "redirects to http://evil.example, which is",
    ),
    "another port": (
        (307, {"Location": "http://127.0.0.1:1/x"}, b""),
        "redirects to http://127.0.0.1:1, which is",
    ),
    "a circle": ((302, {"Location": "/v1/x"}, b""), r"refused \(302\)"),
}


@pytest.mark.parametrize(("answer", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_fault_that_does_not_pass_is_one_sentence_at_once(server, answer, sentence):
    with pytest.raises(SourceError, match=sentence) as caught:
        get(server, answer)
    assert "s3cret" not in str(caught.value)


def test_a_redirect_within_the_host_is_followed(server):
    assert get(server, (307, {"Location": "/v2/x"}, b""), GOOD)[0] == {"a": 1}


def test_a_body_that_stops_is_asked_for_again(server, tmp_path):
    assert get(server, breaking, breaking, GOOD) == ({"a": 1}, [1, 2])
    with pytest.raises(SourceError, match="the answer was cut off 6 times"):
        get(server, breaking)
    server.script = [breaking, (200, {}, b"whole")]
    with Web("file", server.url, pause=lambda _: None) as door:
        door.download("a", tmp_path / "a", 100)
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_an_answer_over_the_budget_is_not_read(server, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(web, "ANSWER_BYTES", 5)
    with pytest.raises(SourceError, match="more than 5 bytes"):
        get(server, GOOD)


def test_what_cannot_be_reached(server):
    with (
        pytest.raises(SourceError, match=r"^bot: http://127.0.0.1:1 cannot be reached"),
        Web("bot", "http://127.0.0.1:1") as door,
    ):
        door.json("x")
    with pytest.raises(SourceError, match="is not a server's address"), Web("bot", "ftp://a") as door:
        door.json("x")
    with (
        pytest.raises(SourceError, match=r"https://127.0.0.1:\d+ cannot be reached"),
        Web("bot", server.url.replace("http:", "https:")) as door,
    ):
        door.json("x")


def test_requests_keep_to_their_rate(server):
    server.script = [GOOD]
    waits: list[float] = []
    with Web("bot", server.url, per_second=0.1, pause=waits.append) as door:
        for _ in range(3):
            door.json("x")
    assert waits[0] == 0
    assert all(0 < wait <= 10 for wait in waits[1:])
