"""What an endpoint gets can be proven complete and unaltered, and other people's readers take it."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks import Webhook, WebhookVerificationError

from tasks.deliver import outbox, signing
from tasks.deliver.cursor import Cursor
from tasks.deliver.formats import FORMATS, Circumstances
from tasks.deliver.messages import Choice, Message
from tasks.deliver.parameters import WebhookSettings
from tasks.ledger import merkle
from tasks.ledger.log import Log
from tests.deliver.conftest import SECRET

OLD_SECRET = "whsec_" + base64.b64encode(b"the secret before this one, longer").decode()


def of(log: Log, **choice: frozenset[str]) -> list[Message]:
    return list(outbox.waiting(log, Cursor(), Choice(**choice)))


def leaf_hash(record: dict[str, object]) -> str:
    """As a receiver computes it, from the event that it read."""
    text = json.dumps(record["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(b"\x00" + text.encode()).hexdigest()


def leaves(records: list[dict[str, object]]) -> bytes:
    each = [r.get("leaf_hashes") or [r["leaf_hash"]] for r in records if r["kind"] != "checkpoint"]
    return bytes.fromhex("".join(leaf for run in each for leaf in run))


def test_all_events_come_in_order_and_each_checkpoint_after_the_last_event_that_it_covers(log: Log) -> None:
    sent = of(log)
    at = 0
    for message in sent:
        if message.kind == "checkpoint":
            assert message.first == at
        else:
            assert (message.first, message.count) == (at, 1)
            at += 1
    assert at == log.head.size
    assert [m.first for m in sent if m.kind == "checkpoint"] == [s for s in log.sizes() if s]


def test_an_event_hashes_to_its_leaf_and_the_leaves_to_the_root_that_the_checkpoint_signs(log: Log) -> None:
    records = [json.loads(message.record) for message in of(log)]
    for record in records:
        if record["kind"] != "checkpoint":
            assert leaf_hash(record) == record["leaf_hash"]
    assert merkle.root_of(leaves(records)) == log.head.root
    assert base64.b64decode(records[-1]["root"]) == log.head.root
    assert records[-1]["checkpoint"] == str(log.head.note)


def test_what_an_endpoint_does_not_take_is_still_counted(log: Log) -> None:
    sent = of(log, events=frozenset({"finding"}))
    records = [json.loads(message.record) for message in sent]
    assert {record["kind"] for record in records} == {"finding", "withheld", "checkpoint"}
    assert merkle.root_of(leaves(records)) == log.head.root
    assert len(sent) < log.head.size
    withheld = next(record for record in records if record["kind"] == "withheld")
    assert withheld["last"] - withheld["first"] + 1 == len(withheld["leaf_hashes"])


def test_redacted_fields_are_left_out_and_named_and_the_leaf_hash_stays(log: Log) -> None:
    records = [json.loads(m.record) for m in of(log, redact=frozenset({"actor"})) if m.kind == "run"]
    assert all("actor" not in record["event"] and record["redacted"] == ["actor"] for record in records)
    assert all(leaf_hash(record) != record["leaf_hash"] for record in records)


def test_an_endpoint_goes_on_where_it_was(log: Log) -> None:
    every = of(log)
    for place in (1, len(every) // 2, len(every)):
        before = every[:place]
        root = log.checkpoint(max([m.first for m in before if m.kind == "checkpoint"], default=0)).root.hex()
        cursor = Cursor().past(before, root, "")
        assert list(outbox.waiting(log, cursor, Choice())) == every[place:]


def made(kind: str, *secrets: str, batch_events: int | None = None) -> Circumstances:
    settings = WebhookSettings(
        name="siem", url="https://siem.example/in", kind=kind, batch_events=batch_events
    )
    return Circumstances(settings, secrets, "example.com/test", datetime.now(UTC))


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_standard_webhooks_own_library_verifies_with_either_secret_during_a_rotation(
    log: Log, secret: str
) -> None:
    for message in of(log):
        request = FORMATS["standard"].request([message], made("standard", SECRET, OLD_SECRET))
        verified = Webhook(secret).verify(request.body, dict(request.headers))
        assert verified["type"] == f"claimledger.{message.kind}"
        assert verified["data"] == json.loads(message.record)


def test_an_altered_body_or_another_secret_does_not_verify(log: Log) -> None:
    request = FORMATS["standard"].request([of(log)[0]], made("standard", SECRET))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body.replace(b'"index":0', b'"index":1'), dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD_SECRET).verify(request.body, dict(request.headers))


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("whsec_c2hvcnQ=", "has 5 bytes, expected 24 to 64"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "has 65 bytes"),
        ("not base64!", "is not whsec_ and base64"),
    ],
)
def test_a_secret_that_is_none_is_refused_without_quoting_it(secret: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        signing.parse_secret(secret)
    assert secret not in str(caught.value)


def test_the_cloudevents_library_reads_an_event_and_a_batch(log: Log) -> None:
    message = of(log)[0]
    request = FORMATS["cloudevents"].request([message], made("cloudevents"))
    event = from_structured_event(HTTPMessage(dict(request.headers), request.body), JSONFormat())
    assert event.get_specversion() == "1.0"
    assert (event.get_id(), event.get_type()) == (message.id, f"claimledger.{message.kind}")
    assert event.get_source() == "//example.com/test"
    assert event.get_time() == message.occurred_at
    assert event.get_data() == json.loads(message.record)

    batch = FORMATS["cloudevents"].request(of(log)[:3], made("cloudevents", batch_events=10))
    assert batch.headers["content-type"].startswith("application/cloudevents-batch+json")
    assert [each["id"] for each in json.loads(batch.body)] == [each.id for each in of(log)[:3]]


def test_ids_are_the_same_at_every_attempt_and_each_message_has_its_own(log: Log) -> None:
    ids = [message.id for message in of(log)]
    assert ids == [message.id for message in of(log)]
    assert len(set(ids)) == len(ids)
