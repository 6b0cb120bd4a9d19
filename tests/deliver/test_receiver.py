"""The reference receiver: it takes what is sent, and finds what was lost, changed, reordered or repeated."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tasks.deliver import deliver, outbox
from tasks.deliver.cursor import Cursor
from tasks.deliver.messages import Choice
from tasks.deliver.parameters import WebhookSettings
from tasks.lake.store import Lake
from tasks.ledger.log import Log
from tests.deliver.conftest import SECRET

FILE = Path(__file__).resolve().parents[2] / "docs" / "siem" / "receiver.py"
_spec = importlib.util.spec_from_file_location("receiver", FILE)
assert _spec is not None
assert _spec.loader is not None
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

Record = dict[str, Any]


@pytest.fixture
def records(log: Log) -> list[Record]:
    return [json.loads(each.record) for each in outbox.waiting(log, Cursor(), Choice())]


def findings(records: list[Record], keep: Path, *, opens: int = 1) -> list[str]:
    """What a receiver says that is started again now and then."""
    said: list[str] = []
    size = -(-len(records) // opens)
    for at in range(0, len(records), size):
        witness = reference.Witness(keep)
        for record in records[at : at + size]:
            said += witness.take(record)
        witness.db.close()
    return said


def kinds(said: list[str]) -> list[str]:
    return [sentence.partition(":")[0] for sentence in said]


@pytest.mark.parametrize("opens", [1, 5])
def test_a_whole_stream_has_no_finding_also_when_the_receiver_is_started_again(
    records: list[Record], tmp_path: Path, opens: int
) -> None:
    assert findings(records, tmp_path / "keep", opens=opens) == []


def test_a_filtered_and_redacted_stream_is_as_provable(log: Log, tmp_path: Path) -> None:
    choice = Choice(frozenset({"run", "finding"}), frozenset({"actor"}))
    sent = [json.loads(each.record) for each in outbox.waiting(log, Cursor(), choice)]
    assert findings(sent, tmp_path / "keep") == []


def lost(records: list[Record]) -> list[Record]:
    return [record for record in records if record.get("index") != 7]


def changed(records: list[Record]) -> list[Record]:
    return [
        {**r, "event": {**r["event"], "subject_id": "0" * 64}} if r.get("index") == 7 else r for r in records
    ]


def changed_with_its_hash(records: list[Record]) -> list[Record]:
    return [{**r, "redacted": [], "leaf_hash": "0" * 64} if r.get("index") == 7 else r for r in records]


def reordered(records: list[Record]) -> list[Record]:
    at = next(place for place, r in enumerate(records) if r.get("index") == 7)
    return [*records[:at], records[at + 1], records[at], *records[at + 2 :]]


def changed_later(records: list[Record]) -> list[Record]:
    again = {**next(r for r in records if r.get("index") == 7), "redacted": [], "leaf_hash": "0" * 64}
    return [*records[:-1], again, records[-1]]


def rewritten(records: list[Record]) -> list[Record]:
    return [*records[:-1], {**records[-1], "root": base64.b64encode(bytes(32)).decode()}]


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (lost, "MISSING"),
        (changed, "CHANGED"),
        (changed_with_its_hash, "CHANGED"),
        (changed_later, "CHANGED"),
        (rewritten, "CHANGED"),
        (reordered, "REORDERED"),
    ],
)
def test_what_was_planted_is_found_at_the_next_checkpoint_at_the_latest(
    records: list[Record], tmp_path: Path, harm: Callable[[list[Record]], list[Record]], kind: str
) -> None:
    said = findings(harm(records), tmp_path / "keep")
    assert set(kinds(said)) == {kind}
    assert "7" in said[0] or harm in (changed_with_its_hash, rewritten)


def test_a_repeat_is_counted_and_no_finding_and_what_was_missing_may_come_later(
    records: list[Record], tmp_path: Path
) -> None:
    witness = reference.Witness(tmp_path / "keep")
    for record in [*records, *records]:
        assert witness.take(record) == []
    assert witness.repeats == witness.size

    other = reference.Witness(tmp_path / "other")
    said = [sentence for record in lost(records) for sentence in other.take(record)]
    assert set(kinds(said)) == {"MISSING"}
    assert "events [7], 1 in all" in said[-1]
    late = other.take(next(record for record in records if record.get("index") == 7))
    assert kinds(late) == ["REORDERED"]
    assert other.size == witness.size


def test_it_receives_what_is_delivered_and_refuses_what_another_signed(
    lake: Lake, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAIMLEDGER_WEBHOOK_SIEM_SECRET", SECRET)
    server = HTTPServer(("127.0.0.1", 0), reference.Handler)
    server.witness = reference.Witness(tmp_path / "keep")  # type: ignore[attr-defined]
    server.secrets = [b"x" * 32]  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    siem = WebhookSettings(name="siem", url=url, allow_private=True)
    (standing,) = deliver.deliver(lake, [siem], run_id="0" * 64)
    assert "secret was not accepted" in standing.error
    server.secrets = [base64.b64decode(SECRET.removeprefix("whsec_"))]  # type: ignore[attr-defined]
    (standing,) = deliver.deliver(lake, [siem], run_id="1" * 64)
    server.shutdown()
    server.server_close()
    assert standing.is_well
    assert server.witness.size == log.head.size  # type: ignore[attr-defined]


def test_as_a_command_it_checks_a_file_with_nothing_but_the_standard_library(
    records: list[Record], tmp_path: Path
) -> None:
    for name, sent, status in (("good", records, 0), ("bad", lost(records), 1)):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps(record) + "\n" for record in sent), "utf-8")
        command = [sys.executable, "-I", "-S", str(FILE), "--keep", str(tmp_path / name), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (status, "")
    assert "MISSING: events [7], 1 in all" in done.stdout
