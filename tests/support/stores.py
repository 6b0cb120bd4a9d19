"""Stores for tests: an S3 API and an address that takes PUT, in this process."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 2
"""Versions per page of a listing: small, so that tests meet the second page."""


class Store(ThreadingHTTPServer):
    """Objects by path, each with its versions, oldest first."""

    def __init__(self, *, locks: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.versions: dict[str, list[tuple[bytes, dict[str, str]]]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.locks = locks
        self.answer: tuple[int, bytes] | None = None
        """What to answer to everything: a store that is broken."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Store
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle("GET")

    def do_HEAD(self) -> None:
        self._handle("HEAD")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def _handle(self, method: str) -> None:
        store, parts = self.server, urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {k.lower(): v for k, v in self.headers.items()}
        store.requests.append((method, path, headers))
        if store.answer:
            return self._answer(*store.answer)
        if "versions" in query:
            return self._answer(200, self._listing(path, query))
        there = store.versions.setdefault(path, [])
        if method == "PUT":
            if "x-amz-content-sha256" in headers:
                assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
            if headers.get("if-none-match") == "*" and there:
                return self._answer(412, b"")
            kept = {k: v for k, v in headers.items() if k.startswith("x-amz-object-lock") and store.locks}
            there.append((body, kept))
            return self._answer(200, b"")
        if not there:
            return self._answer(404, b"")
        at = int(query["versionId"][0]) if "versionId" in query else -1
        return self._answer(200, there[at][0], there[at][1])

    def _listing(self, bucket: str, query: dict[str, list[str]]) -> bytes:
        root = f"{bucket}/"
        found = [
            (key.removeprefix(root), number)
            for key, versions in sorted(self.server.versions.items())
            for number in range(len(versions))
            if key.startswith(root + query["prefix"][0])
        ]
        after = (query.get("key-marker", [""])[0], int(query.get("version-id-marker", ["-1"])[0]))
        rest = [each for each in found if each > after]
        page, more = rest[:PAGE], len(rest) > PAGE
        inner = "".join(
            f"<Version><Key>{escape(k)}</Key><VersionId>{n}</VersionId></Version>" for k, n in page
        )
        if more:
            inner += f"<NextKeyMarker>{escape(page[-1][0])}</NextKeyMarker>"
            inner += f"<NextVersionIdMarker>{page[-1][1]}</NextVersionIdMarker>"
        xml = f"<ListVersionsResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>{inner}"
        return f"{xml}<IsTruncated>{str(more).lower()}</IsTruncated></ListVersionsResult>".encode()

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def serving(store: Store) -> Iterator[Store]:
    """The store while it serves."""
    thread = threading.Thread(target=store.serve_forever)
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        thread.join()
        store.server_close()
