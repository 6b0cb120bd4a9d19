"""Pings of a night: begun, ended well, failed; and a service that is down costs no night."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.audit import audit
from flows.heartbeat import beating
from tasks.deliver.parameters import HeartbeatSettings
from tasks.errors import SourceError
from tests.support.receiver import Answer, Receiver


def beats(receiver: Receiver) -> list[str]:
    return [post.path for post in receiver.posts]


def settings(receiver: Receiver) -> HeartbeatSettings:
    return HeartbeatSettings(url=receiver.url, allow_private=True, timeout_s=2)


def test_a_night_that_ends_well_pings_when_it_begins_and_when_it_ended(receiver: Receiver) -> None:
    with beating(settings(receiver)):
        assert beats(receiver) == ["/in/start"]
    assert beats(receiver) == ["/in/start", "/in"]


@pytest.mark.parametrize("error", [SourceError("a source is down"), KeyboardInterrupt()])
def test_one_that_fails_or_is_interrupted_says_so_without_what_the_failure_quotes(
    receiver: Receiver, error: BaseException
) -> None:
    with pytest.raises(type(error)), beating(settings(receiver)):
        raise error
    assert beats(receiver) == ["/in/start", "/in/fail"]
    assert receiver.posts[-1].body.decode() == f"nightly audit ended with {type(error).__name__}"


def test_a_service_that_is_down_or_refuses_is_a_warning_that_does_not_quote_its_address(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.rule = lambda _: Answer(404)
    with beating(settings(receiver)):
        pass
    with beating(HeartbeatSettings(url="http://127.0.0.1:9/secret-id", allow_private=True)):
        pass
    assert "heartbeat.url answers 404" in caplog.text
    assert "heartbeat.url could not be reached" in caplog.text
    assert "secret-id" not in caplog.text


def test_the_audit_itself_pings_and_its_address_is_in_no_file_of_the_lake(
    receiver: Receiver, tmp_path: Path
) -> None:
    config = tmp_path / "claimledger.toml"
    config.write_text(
        f'lake = "lake"\n[heartbeat]\nurl = "{receiver.url}/secret-id"\nallow_private = true\n'
        '[[sources]]\nname = "bot"\npath = "missing/*.jsonl"\n[ledger]\nkey_folder = "keys"\n'
    )
    with pytest.raises(Exception, match="bot"):
        audit(config=str(config))
    assert beats(receiver) == ["/in/secret-id/start", "/in/secret-id/fail"]
    files = [file for file in (tmp_path / "lake").rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if b"secret-id" in file.read_bytes()]
