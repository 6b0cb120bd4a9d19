"""One server over HTTP, asked with care: what passes is waited for, what does not is said in one sentence.

(1) Too many requests, and errors of the server, are tried again after the time that it names, or a growing
one. (2) A redirect to another host is refused: the key that was meant for this one would follow it. (3) TLS
is verified. (4) A web page where data were asked for, mostly a login page, is no data. (5) An answer that
breaks off is asked for again; none may be larger than its budget.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

from tasks.errors import SourceError
from tasks.files.refusal import shown
from tasks.files.retry_after import retry_after_s

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

ATTEMPTS = 6
LONGEST_WAIT_S = 120.0
"""A server that asks for more has a limit by the hour, which the next night does not meet."""
ANSWER_BYTES = 256 * 2**20
"""Of one answer: a page of a hundred records with texts of some megabytes each."""
REDIRECTS = 5
_OK, _REDIRECT, _BAD_REQUEST, _MISSING, _TOO_MANY, _SERVER = 200, 300, 400, 404, 429, 500
_HINTS = {
    401: "the key is missing, wrong or expired",
    403: "the key may not read this",
    404: "no such address; correct the url, or the project",
    407: "a proxy asks for a password",
}


class MovedError(SourceError):
    """A redirect to another host."""


class MissingError(SourceError):
    """There is nothing at that address (404)."""


@dataclass
class Web:
    """One server; `name` begins every sentence about it."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None
    secret: str = ""
    """Name of the variable that holds the key, for the sentence that says what to do."""
    per_second: float = 0.0
    """Requests a second at most; 0 is no limit of ours."""
    timeout_s: float = 60.0
    pause: Callable[[float], None] = time.sleep
    _client: httpx.Client | None = None
    _next: float = 0.0
    """When the next request may go, where requests a second are limited."""
    _held: tuple[float, int] = (0.0, 0)
    """Until when the server wants no request, and which thread it told so: that one waits by itself."""
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Web:
        import httpx

        if urlsplit(self.url).scheme not in ("http", "https"):
            raise SourceError(
                f"{self.name}: {shown(self.url, 200)} is not a server's address; expected https://…"
            )
        self._client = httpx.Client(headers=dict(self.headers), auth=self.auth, timeout=self.timeout_s)
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()

    def json(self, path: str, params: Mapping[str, Any] | None = None, *, body: object = None) -> Any:
        """The answer to GET, or to POST where there is a body, as JSON.

        Raises:
            SourceError: no such answer, after the attempts.
        """
        import orjson

        method = "GET" if body is None else "POST"
        data = self._attempted(
            method, path, params, body, lambda answer: b"".join(self._blocks(answer, path, ANSWER_BYTES))
        )
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            what = "a web page, perhaps for a login" if data.lstrip()[:1] == b"<" else f"no JSON ({error})"
            raise SourceError(
                f"{self._place(path)} answered with {what}; correct the url or the key"
            ) from None

    def download(self, path: str, target: Path, limit: int) -> None:
        """Writes the body to a file.

        Raises:
            SourceError: as for `json`, or the body is over its budget.
        """

        def write(answer: httpx.Response) -> None:
            with target.open("wb") as stream:
                stream.writelines(self._blocks(answer, path, limit))

        self._attempted("GET", path, None, None, write)

    def head(self, path: str) -> dict[str, str]:
        """Headers of a file, with small letters; none where the server does not answer HEAD."""
        try:
            with self._answer("HEAD", path, None, None) as response:
                return {name.lower(): value for name, value in response.headers.items()}
        except MovedError:
            raise
        except SourceError as error:
            if "(405)" in str(error) or "(501)" in str(error):
                return {}
            raise

    def _attempted(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: object,
        use: Callable[[httpx.Response], T],
    ) -> T:
        """(5) What `use` makes of the answer; one that breaks off is asked for again from its start."""
        import httpx

        for attempt in range(ATTEMPTS):
            try:
                with self._answer(method, path, params, body) as response:
                    return use(response)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.ReadTimeout) as error:
                reason = shown(str(error), 120) or type(error).__name__
                if attempt < ATTEMPTS - 1:
                    self.pause(2.0**attempt)
        raise SourceError(f"{self._place(path)}: the answer was cut off {ATTEMPTS} times ({reason})")

    def _blocks(self, response: httpx.Response, path: str, limit: int) -> Iterator[bytes]:
        size = 0
        for block in response.iter_bytes():
            size += len(block)
            if size > limit:
                raise SourceError(
                    f"{self._place(path)} answered with more than {limit} bytes; it was not read"
                )
            yield block

    @contextmanager
    def _answer(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: object
    ) -> Iterator[httpx.Response]:
        """A good answer, after the attempts."""
        given = params
        url: str = urljoin(self.url.rstrip("/") + "/", path.lstrip("/"))
        redirects = attempt = 0
        while True:
            with self._send(method, url, given, body) as response:
                status = response.status_code
                if _OK <= status < _REDIRECT:
                    yield response
                    return
                if status < _BAD_REQUEST and redirects < REDIRECTS:
                    url, given = self._redirected(url, response), None
                    redirects += 1
                    continue
                wait = self._wait(response, attempt) if attempt < ATTEMPTS - 1 else None
                if wait is None:
                    kind = MissingError if status == _MISSING else SourceError
                    raise kind(self._sentence(path, response, attempt))
            attempt += 1
            self._hold(wait)
            self.pause(wait)

    @contextmanager
    def _send(
        self, method: str, url: str, params: Mapping[str, Any] | None, body: object
    ) -> Iterator[httpx.Response]:
        import httpx

        assert self._client is not None  # noqa: S101 - entered
        self._wait_for_a_turn()
        try:
            with self._client.stream(method, url, params=params, json=body) as response:
                yield response
        except httpx.ConnectError as error:
            reason = shown(str(error), 200)
            what = (
                "its TLS certificate does not verify"
                if "CERTIFICATE" in reason.upper()
                else "cannot be reached"
            )
            raise SourceError(f"{self.name}: {self._host(url)} {what} ({reason})") from None
        except httpx.ConnectTimeout:
            raise SourceError(f"{self.name}: {self._host(url)} cannot be reached (no answer)") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise SourceError(f"{self.name}: {shown(url, 200)} is not an address ({error})") from None

    def _wait_for_a_turn(self) -> None:
        """Several threads ask beside one another and keep one limit; all wait when one is told to."""
        with self._turn:
            until, whose = self._held
            at = max(self._next, 0.0 if whose == threading.get_ident() else until)
            wait = at - time.monotonic()
            if self.per_second or wait > 0:
                self.pause(max(0.0, wait))
            if self.per_second:
                self._next = time.monotonic() + 1 / self.per_second

    def _hold(self, wait: float) -> None:
        self._held = max(self._held, (time.monotonic() + wait, threading.get_ident()))

    def _redirected(self, url: str, response: httpx.Response) -> str:
        """(2) The address within the same host that a redirect names."""
        target: str = urljoin(url, response.headers.get("location", ""))
        if urlsplit(target)[:2] != urlsplit(url)[:2]:
            raise MovedError(
                f"{self.name}: {self._host(url)} redirects to {self._host(target)}, which is refused, "
                "because the key would go there; set url to the server's real address"
            )
        return target

    def _wait(self, response: httpx.Response, attempt: int) -> float | None:
        """(1) Seconds until the next attempt; None where another one is of no use."""
        if (
            response.status_code != _TOO_MANY and response.status_code < _SERVER
        ) or response.status_code == 501:
            return None
        told = retry_after_s(response.headers.get("retry-after"), datetime.now(UTC))
        if told is None:
            return min(2.0**attempt, LONGEST_WAIT_S)
        return told if told <= LONGEST_WAIT_S else None

    def _sentence(self, path: str, response: httpx.Response, attempt: int) -> str:
        status = response.status_code
        hint = _HINTS.get(status, "")
        if status in (401, 403) and self.secret:
            hint += f"; set {self.secret}"
        if status == _TOO_MANY:
            hint = f"too many requests; it asks for a wait of {response.headers.get('retry-after', 'longer')}"
        often = f", tried {attempt + 1} times" if attempt else ""
        try:
            said = shown(response.read()[:300].decode("utf-8", "replace"), 200)
        except Exception:  # noqa: BLE001 - what it says more is a courtesy
            said = ""
        if said.lstrip().startswith("<"):
            said = ""
        reason = hint or said or "no reason given"
        return f"{self._place(path)} refused ({status}{often}): {reason}"

    def _place(self, path: str) -> str:
        return f"{self.name}: {self._host(self.url)}/{shown(path.lstrip('/'), 200)}"

    @staticmethod
    def _host(url: str) -> str:
        """Scheme and host: a user and password within an address are never shown."""
        parts = urlsplit(url)
        host = f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
        return shown(host, 200)
