"""A proxy before an S3 server that does what real ones do on bad days, to the requests that a test names."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
INTERNAL = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
CONFLICT = b"<Error><Code>ConditionalRequestConflict</Code><Message>Try again.</Message></Error>"


@dataclass
class Fault:
    """What happens to requests whose `METHOD path?query` the expression is found in."""

    where: str
    status: int = 0
    """Answered without asking the server; 0 for asking it."""
    body: bytes = b""
    times: int = 1
    after: int = 0
    """So many pass first."""
    slow_s: float = 0.0
    loses_answer: bool = False
    """The server does it, and the connection breaks before the answer."""
    answers_after: tuple[int, bytes] | None = None
    """The server does it, and this is answered."""
    hides_newest: bool = False
    """A listing that does not know of anything yet."""
    seen: int = 0


class FaultyStore(ThreadingHTTPServer):
    """The proxy: faults that are to happen, and every request that came."""

    daemon_threads = True

    def __init__(self, server: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server = urlsplit(server).netloc
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.mutex = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault(self, request: str) -> Fault | None:
        """The first fault that is due."""
        with self.mutex:
            self.requests.append(request)
            for fault in self.faults:
                if re.search(fault.where, request):
                    fault.seen += 1
                    if fault.after < fault.seen <= fault.after + fault.times:
                        return fault
        return None

    def happened(self) -> bool:
        """Whether every fault has met a request."""
        return all(fault.seen > fault.after for fault in self.faults)


@dataclass
class _Answer:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class _Handler(BaseHTTPRequestHandler):
    server: FaultyStore
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault(f"{self.command} {self.path}")
        if fault is None:
            return self._answer(self._asked(body))
        time.sleep(fault.slow_s)
        if fault.status:
            return self._answer(_Answer(fault.status, [], fault.body))
        answer = self._asked(body)
        if fault.loses_answer:
            self.close_connection = True
            self.connection.close()
            return None
        if fault.answers_after:
            return self._answer(_Answer(fault.answers_after[0], [], fault.answers_after[1]))
        if fault.hides_newest:
            answer.body = re.sub(rb"<Contents>.*</Contents>", b"", answer.body, flags=re.DOTALL)
        return self._answer(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815 - the base class names them

    def _asked(self, body: bytes) -> _Answer:
        connection = HTTPConnection(self.server.server, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        connection.request(self.command, self.path, body, headers)
        reply: HTTPResponse = connection.getresponse()
        skipped = ("transfer-encoding", "connection", "content-length", "server", "date")
        kept = [(k, v) for k, v in reply.getheaders() if k.lower() not in skipped]
        if self.command == "HEAD":
            kept.append(("Content-Length", reply.getheader("Content-Length") or "0"))
        answer = _Answer(reply.status, kept, reply.read())
        connection.close()
        return answer

    def _answer(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def before(server: str) -> Iterator[FaultyStore]:
    """The proxy while it serves."""
    with FaultyStore(server) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
