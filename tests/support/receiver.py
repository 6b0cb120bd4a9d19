"""An endpoint of a test: a server on this machine that answers as it is told and keeps what it accepted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Post:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What is answered to it."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang_s: float = 0.0
    drip: bool = False
    """A header that never ends, one byte at a time."""
    endless: bool = False
    """A body that never ends, as fast as it goes."""
    reset: bool = False


Rule = Callable[[Post], Answer]


@dataclass
class Receiver:
    """What came; `rule` says what is answered."""

    url: str
    rule: Rule = lambda _: Answer()
    posts: list[Post] = field(default_factory=list)
    """All of them."""
    accepted: list[Post] = field(default_factory=list)
    """Those that were answered with 2xx."""

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of what was accepted of a `standard` endpoint."""
        return [post.json["data"] for post in self.accepted]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            post = Post(self.path, headers, self.rfile.read(length))
            answer = receiver.rule(post)
            receiver.posts.append(post)
            if 200 <= answer.status < 300 and not answer.reset:
                receiver.accepted.append(post)
            try:
                self.answer(answer)
            except OSError:
                self.close_connection = True

        def answer(self, answer: Answer) -> None:
            if answer.reset:
                self.connection.close()
                self.close_connection = True
                return
            time.sleep(answer.hang_s)
            if answer.drip:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
                for _ in range(100):
                    self.wfile.write(b"a")
                    self.wfile.flush()
                    time.sleep(0.05)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.endless:
                self.end_headers()
                for _ in range(1 << 14):
                    self.wfile.write(b"a" * (1 << 16))
                self.close_connection = True
                return
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/in")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
