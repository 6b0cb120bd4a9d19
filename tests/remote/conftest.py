"""An S3 server on loopback behind a proxy for faults, a bucket for each test, and machines that share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from tasks.lake import store as lakes
from tasks.lake.store import Lake
from tasks.remote import lease
from tests.support import buckets, faulty_store
from tests.support.faulty_store import FaultyStore


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with buckets.server(tmp_path_factory.mktemp("s3") / "log") as url:
        yield url


@pytest.fixture
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStore]:
    """The S3 server as it is on bad days."""
    with faulty_store.before(server) as proxy:
        buckets.use(proxy.url, monkeypatch)
        yield proxy


@pytest.fixture
def bucket(store: FaultyStore, server: str) -> S3Store:
    """An empty bucket, seen past the proxy."""
    return buckets.make(server)


@pytest.fixture
def url(bucket: S3Store) -> str:
    return f"s3://{bucket.config['bucket']}/audits"


Machine = Callable[..., Lake]


@pytest.fixture
def machine(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The lake as one machine after another opens it: each has a working copy of its own, and no memory."""

    def open_on(name: str, wait_s: float = 0.0) -> Lake:
        monkeypatch.setenv("CLAIMLEDGER_WORKING_COPIES", str(tmp_path / name))
        monkeypatch.setattr(lakes, "_remotes", {})
        return Lake.open(url, wait_s=wait_s)

    monkeypatch.setattr(lease, "_POLL_S", 0.1)
    return open_on


@pytest.fixture
def keys(bucket: S3Store) -> Callable[[], set[str]]:
    """What is in the bucket now."""
    return lambda: {meta["path"] for page in obstore.list(bucket) for meta in page}
