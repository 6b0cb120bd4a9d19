"""Door to HTTP for checkpoints: one bounded request to an address that the operator configured.

https alone, but for loopback; no redirect is followed, because it could lead inside; a reply is read up to a
limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tasks.errors import ConfigError, LakeError

TIMEOUT_S = 15.0
"""Who takes longer is told the next checkpoint; the night does not wait."""
MAX_REPLY_BYTES = 8 << 20
"""A listing of 1,000 objects is under 1 MB, everything else a few kB."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Reply:
    """Status, headers with lower-case names, and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, its first 200 characters, on one line: for a sentence."""
        return " ".join(self.body.decode("utf-8", "replace").split())[:200]


def require_address(url: str) -> None:
    """Raises ConfigError for an address that is neither https nor on this machine, or carries a password."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ConfigError(f"{parts.hostname}: no name or password in a url; secrets come by environment")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ConfigError(f"{url[:200]}: checkpoints go to https addresses alone (http on loopback)")


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    timeout_s: float = TIMEOUT_S,
) -> Reply:
    """Sends one request.

    Raises:
        ConfigError: the address is neither https nor on this machine, or carries a password.
        LakeError: it cannot be reached, is too slow, or answers without end.
    """
    import httpx

    require_address(url)
    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.netloc}{parts.path}"
    try:
        with (
            httpx.Client(timeout=timeout_s, follow_redirects=False) as client,
            client.stream(method, url, headers=dict(headers or {}), content=body) as answer,
        ):
            read = b""
            for piece in answer.iter_bytes():
                read += piece
                if len(read) > MAX_REPLY_BYTES:
                    raise LakeError(f"{place}: its answer is larger than {MAX_REPLY_BYTES >> 20} MiB")
            return Reply(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, read)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise LakeError(f"{place}: cannot be reached ({reason}); the next run retries") from None
