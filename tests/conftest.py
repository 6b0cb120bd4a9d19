"""Settings that every test shares: no telemetry, no server but one's own, no network but loopback."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import tasks  # noqa: F401 - switches telemetry off before anything else is imported
from tests.support import lake_frames

# Elsewhere properties look for new examples at every run; continuous integration must not fail by chance.
# Nor may a busy machine: how long an example takes to be made says nothing about the product.
_ANY_SPEED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", derandomize=True, **_ANY_SPEED)
settings.register_profile("local", **_ANY_SPEED)
settings.load_profile("ci" if os.environ.get("CI") else "local")

REPOSITORY = Path(__file__).resolve().parent.parent
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.pop("PREFECT_API_URL", None)
# The ledger's keys of test lakes belong to no user.
KEYS = Path(tempfile.mkdtemp(prefix="claimledger-keys-"))
os.environ["XDG_CONFIG_HOME"] = str(KEYS)


def pytest_sessionfinish() -> None:
    """No key of a run is left behind."""
    shutil.rmtree(KEYS, ignore_errors=True)


@pytest.fixture(autouse=True)
def only_this_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CLAIMLEDGER__ variable of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("CLAIMLEDGER__"):
            monkeypatch.delenv(name)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def frames() -> lake_frames.Frames:
    """Makes valid frames of outputs, claims and quarantine."""
    return lake_frames.made
