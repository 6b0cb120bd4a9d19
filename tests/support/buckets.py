"""moto's S3 server and buckets of it; credentials come as the ecosystem gives them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from obstore.store import S3Store

from tests.support import servers


@contextmanager
def server(log: Path) -> Iterator[str]:
    """The URL of a server that runs until the end of the block."""
    port = servers.free_port()
    command = [servers.environment("moto") / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with servers.running(command, f"http://127.0.0.1:{port}", log) as url:
        yield url


def use(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets everything that reads AWS's variables use this server."""
    for name, value in {"ENDPOINT_URL": endpoint, "ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s",
                        "REGION": "us-east-1", "DEFAULT_REGION": "us-east-1"}.items():  # fmt: skip
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def make(endpoint: str, headers: dict[str, str] | None = None) -> S3Store:
    """A new bucket."""
    name = f"b{secrets.token_hex(6)}"
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=k/1/us-east-1/s3/aws4_request"}
    httpx.put(f"{endpoint}/{name}", headers=signed | (headers or {})).raise_for_status()
    return S3Store(name, endpoint=endpoint, client_options={"allow_http": True}, region="us-east-1",
                   access_key_id="k", secret_access_key="s")  # noqa: S106  # fmt: skip
