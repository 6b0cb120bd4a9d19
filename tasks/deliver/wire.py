"""Door to the network for deliveries: one bounded POST to an address that was looked at.

1. The name is resolved here, every address that it has is looked at, and what was looked at is connected
to: a
   name cannot change in between. TLS still verifies the name.
2. No redirect is followed, no proxy of the environment is used.
3. One deadline for the whole request, from the name's look-up to the end of the answer: a reply of one byte a
   second ends there too. Of a reply no more than a limit is read; then the connection is closed.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import httpcore

from tasks.deliver import addresses
from tasks.deliver.addresses import Url
from tasks.deliver.answers import Reply
from tasks.deliver.parameters import WebhookSettings

MOST_REPLY_BYTES = 8 << 20
"""Of answers that are read; one for 10,000 events of a batch is under 3 MB."""
T = TypeVar("T")
Resolve = Callable[[str, int], list[str]]


class WireError(Exception):
    """Nothing was answered: a sentence. `is_refused` where an address may not be connected to."""

    def __init__(self, reason: str, *, is_refused: bool = False) -> None:
        super().__init__(reason)
        self.is_refused = is_refused


class Deadline:
    """The end of a request; `left` raises once it has passed."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise WireError(f"it takes longer than {self.seconds:g} s")
        return left


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system knows them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def looked_at(
    url: Url, deadline: Deadline, *, allow_private: bool, look_up: Resolve | None = None
) -> list[str]:
    """Addresses of the host, all of which may be connected to; the name is resolved once.

    Raises:
        WireError: there is none, or one of them may not.
    """
    found = _resolved(url, deadline, look_up or resolve)
    for address in found:
        why = addresses.refusal(address, allow_private=allow_private)
        if why is None and url.scheme in addresses.PLAIN and not addresses.is_private(address):
            why = f"outside, where plain {url.scheme} is not sent; use TLS"
        # One is enough: which of its addresses a name gives first is not ours to say.
        if why:
            raise WireError(f"not connected to, because {url.host} is {address}: {why}", is_refused=True)
    return found


def first_answer(found: Sequence[str], connect: Callable[[str], T]) -> T:
    """The connection to the first of the addresses that takes one.

    Raises:
        WireError: none does.
    """
    reason = "it has no address"
    for address in found:
        try:
            return connect(address)
        except (OSError, httpcore.TimeoutException, httpcore.NetworkError) as error:
            reason = f"it cannot be reached ({' '.join(str(error).split())[:200] or type(error).__name__})"
    raise WireError(reason)


def _resolved(url: Url, deadline: Deadline, look_up: Resolve) -> list[str]:
    """The name's addresses; a thread of its own, because a look-up knows no time limit."""
    answer: list[list[str] | Exception] = []

    def ask() -> None:
        try:
            answer.append(look_up(url.host, url.port))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    thread = threading.Thread(target=ask, daemon=True, name="look-up")
    thread.start()
    thread.join(deadline.left())
    if not answer:
        raise WireError("its name was not resolved in time")
    if isinstance(answer[0], Exception):
        raise WireError(f"its name cannot be resolved ({answer[0]})")
    return answer[0]


def tls(settings: WebhookSettings) -> ssl.SSLContext:
    """How a server proves its name: by the system's authorities, and the configured one."""
    import httpx

    context: ssl.SSLContext = httpx.create_ssl_context()
    if settings.ca_file:
        try:
            context.load_verify_locations(settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise WireError(f"ca_file {settings.ca_file}: cannot be used ({error})") from None
    return context


class _Stream(httpcore.NetworkStream):
    """A connection whose every read and write ends at the deadline of the request that uses it."""

    def __init__(self, inner: httpcore.NetworkStream, wire: Wire) -> None:
        self._inner, self._wire = inner, wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline says
        return self._inner.read(max_bytes, self._wire.deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline says
        self._inner.write(buffer, self._wire.deadline.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        left = self._wire.deadline.left()
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._wire)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        wire, plain = self._wire, httpcore.SyncBackend()
        found = looked_at(
            wire.url, wire.deadline, allow_private=wire.settings.allow_private, look_up=wire.look_up
        )
        connection = first_answer(
            found, lambda address: plain.connect_tcp(address, port, wire.deadline.left())
        )
        return _Stream(connection, wire)


class Wire:
    """Connections to one endpoint, kept open between requests; of one thread."""

    def __init__(self, settings: WebhookSettings, look_up: Resolve | None = None) -> None:
        self.settings, self.look_up = settings, look_up
        self.url = Url.parse(settings.url)
        self.deadline = Deadline(settings.timeout_s)
        self._pool: httpcore.ConnectionPool | None = None

    def close(self) -> None:
        """Closes what is open."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def post(self, body: bytes, headers: Mapping[str, str], target: Url | None = None) -> Reply:
        """Sends one request; `target` where it goes to another address than the endpoint's own.

        Raises:
            WireError: no answer, not in time, or an address that may not be connected to.
        """
        self.url = target or Url.parse(self.settings.url)
        self.deadline = Deadline(self.settings.timeout_s)
        if self._pool is None:
            self._pool = httpcore.ConnectionPool(
                ssl_context=tls(self.settings),
                network_backend=_Backend(self),
                max_connections=2,
            )
        url = httpcore.URL(
            scheme=self.url.scheme.encode(),
            host=self.url.host.encode(),
            port=self.url.port,
            target=self.url.target.encode(),
        )
        given = [(name.encode(), value.encode()) for name, value in headers.items()]
        agent = [(b"user-agent", b"claimledger"), *given]
        try:
            with self._pool.stream("POST", url, headers=agent, content=body) as response:
                told = {n.decode("latin-1").lower(): v.decode("latin-1") for n, v in response.headers}
                return Reply(response.status, told, self._front(response))
        except WireError:
            self.close()
            raise
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            self.close()
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            what = "its certificate does not verify" if "CERTIFICATE" in reason else "it did not answer"
            raise WireError(f"{what} ({reason})") from None

    def _front(self, response: httpcore.Response) -> bytes:
        """The body up to the limit; what goes on beyond is not waited for."""
        read = b""
        try:
            for block in response.iter_stream():
                read += block
                if len(read) > MOST_REPLY_BYTES:
                    break
        except (WireError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
            if not 200 <= response.status < 300:
                raise
            self.close()  # accepted already; a body that never ends changes nothing about that
        return read
