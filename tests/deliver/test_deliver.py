"""The command and the end of a run: events go out, and an endpoint that is down is said and stops nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.commands.cli import main
from flows.outcome import conclude
from flows.run import finish, opened
from tasks.deliver.parameters import WebhookSettings
from tasks.lake.store import Lake
from tasks.settings import Settings, load
from tests.support import ledger_lake
from tests.support.receiver import Answer, Receiver

DEAD = (
    'name = "dead"\nkind = "cloudevents"\nurl = "http://127.0.0.1:9/"\nallow_private = true\nattempts = 1\n'
)


def configured(folder: Path, *webhooks: str) -> str:
    file = folder / "claimledger.toml"
    tables = "".join(f"[[webhooks]]\n{webhook}" for webhook in webhooks)
    file.write_text(f'lake = "lake"\n[ledger]\norigin = "example.com/test"\nkey_folder = "keys"\n{tables}')
    return str(file)


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_the_command_sends_says_how_endpoints_stand_and_exits_with_1_while_one_is_down(
    lake: Lake, receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    siem = f'name = "siem"\nurl = "{receiver.url}"\nallow_private = true\n'
    options = ["--config", configured(tmp_path, siem, DEAD)]
    assert main(["deliver", "--json", *options]) == 1
    well, dead = said(capsys)["endpoints"]
    assert (well["ok"], well["waiting"], dead["ok"]) == (True, 0, False)
    assert dead["waiting"] == well["acknowledged"] > 0
    assert dead["oldest_waiting_at"]
    assert main(["deliver", "--status", *options]) == 1
    shown = capsys.readouterr().out
    assert "cannot be reached" in shown
    assert main(["deliver", "--status", "--json", "--config", configured(tmp_path, siem)]) == 0
    assert said(capsys)["endpoints"][0]["acknowledged"] == well["acknowledged"]


def test_without_an_endpoint_or_a_ledger_the_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deliver", "--config", configured(tmp_path)]) == 2
    assert "no endpoint is configured" in capsys.readouterr().err
    assert main(["deliver", "--status", "--config", configured(tmp_path, DEAD)]) == 2
    assert "no ledger yet" in capsys.readouterr().err


def test_a_run_sends_at_its_end_and_shows_what_an_endpoint_lacks_without_a_problem(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.rule = lambda post: Answer(503 if post.path == "/down" else 200)
    siem = WebhookSettings(name="siem", url=receiver.url, allow_private=True)
    down = replace(
        siem, name="down", kind="cloudevents", url=receiver.url.replace("/in", "/down"), attempts=1
    )
    settings = Settings(
        lake=str(tmp_path / "lake"), ledger=ledger_lake.settings(tmp_path), webhooks=(siem, down)
    )
    with opened("nightly audit", settings, {}) as run:
        finish(run)
    outcome = conclude(run)
    assert outcome.problems == []
    (warning,) = [each for each in outcome.warnings if "endpoint" in each]
    assert warning.startswith("endpoint down: 0 events delivered; ")
    assert "it answers 503" in warning
    kinds = [record["event"]["kind"] for record in receiver.records if "event" in record]
    assert kinds.count("run") == 2
    assert outcome.extra["deliveries"][0]["waiting"] == 0
    assert outcome.report is not None
    page = Path(outcome.report).read_text("utf-8")
    assert "Sent to siem" in page
    assert "it answers 503" in page
    assert main(["ledger", "verify", "--lake", str(tmp_path / "lake")]) == 0


def test_files_of_endpoints_are_relative_to_the_configuration(tmp_path: Path) -> None:
    text = 'name = "lines"\nkind = "file"\nurl = "out/events.jsonl"\nca_file = "ca.pem"\n'
    (webhook,) = load(configured(tmp_path, text)).webhooks
    assert webhook.url == str(tmp_path / "out" / "events.jsonl")
    assert webhook.ca_file == str(tmp_path / "ca.pem")
