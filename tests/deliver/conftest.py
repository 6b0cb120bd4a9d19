"""A lake with two nights in its ledger, and an endpoint that listens."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.lake.store import Lake
from tasks.ledger import opening
from tasks.ledger.log import Log
from tests.support import ledger_lake
from tests.support.receiver import Receiver, receiving

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@pytest.fixture(scope="session")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake and its keys, made once."""
    folder = tmp_path_factory.mktemp("nights")
    for number in range(2):
        ledger_lake.night(Lake.open(str(folder / "lake")), ledger_lake.settings(folder), number)
    return folder


@pytest.fixture
def lake(two_nights: Path, tmp_path: Path) -> Lake:
    shutil.copytree(two_nights, tmp_path, dirs_exist_ok=True)
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def log(lake: Lake) -> Log:
    return Log.open(opening.folder(lake))


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("CLAIMLEDGER_WEBHOOK_SIEM_SECRET", SECRET)
    with receiving() as receiver:
        yield receiver
