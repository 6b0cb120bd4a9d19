"""Who acts, as the ledger's events say."""

from __future__ import annotations

import os
import pwd
import sys
from types import SimpleNamespace

import pytest

from flows.actor import actor
from tasks.errors import ConfigError


@pytest.fixture(autouse=True)
def _undeclared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLAIMLEDGER_ACTOR", raising=False)


def test_without_a_declaration_it_is_the_account_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setattr("socket.gethostname", lambda: "vm-1.corp.example")
    assert actor() == f"os:{pwd.getpwuid(os.getuid()).pw_name}@vm-1"


def test_a_declaration_stands_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMLEDGER_ACTOR", " release pipeline ")
    assert actor() == "release pipeline"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("os:root@vm", "are reserved for systems"),
        ("prefect:schedule", "are reserved for systems"),
        ("jane@example.com", "kept forever"),
        ("+49 170 1234567", "kept forever"),
        ("x" * 129, "at most 128"),
        ("two\nlines", "at most 128"),
        ('a "quote"', "quotes"),
    ],
)
def test_a_declaration_that_could_not_stand_in_the_log_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    monkeypatch.setenv("CLAIMLEDGER_ACTOR", name)
    with pytest.raises(ConfigError, match=why):
        actor()


def test_a_deployments_run_is_named_before_the_account_of_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    run = SimpleNamespace(id="0a-1b", deployment_id="d", auto_scheduled=True, created_by=None)
    context = SimpleNamespace(FlowRunContext=SimpleNamespace(get=lambda: SimpleNamespace(flow_run=run)))
    monkeypatch.setitem(sys.modules, "prefect.context", context)
    assert actor().startswith("prefect:schedule, flow run 0a-1b, os:")
    run.auto_scheduled, run.created_by = (
        False,
        SimpleNamespace(type="USER", id="77", display_value="Jane Doe"),
    )
    assert actor().startswith("prefect:USER 77, flow run 0a-1b, os:")
    run.deployment_id = None
    assert actor().startswith("os:")
