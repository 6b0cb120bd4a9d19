"""What each SIEM is sent, held to other people's readers and schemas, and how its answers are read."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf.json_format import Parse
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tasks.deliver import answers, deliver, elastic, ocsf, otlp_logs, outbox, splunk
from tasks.deliver.answers import Reply
from tasks.deliver.cursor import Cursor
from tasks.deliver.formats import FORMATS
from tasks.deliver.messages import Choice, Message
from tasks.deliver.parameters import WebhookSettings
from tasks.deliver.requests import Circumstances
from tasks.lake.store import Lake
from tasks.ledger.log import Log
from tests.support.receiver import Answer, Post, Receiver

NOW = datetime(2026, 11, 2, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "FIRST_WAIT_S", 0.001)


@pytest.fixture
def messages(log: Log) -> list[Message]:
    sent = list(outbox.waiting(log, Cursor(), Choice()))
    withheld = next(outbox.waiting(log, Cursor(), Choice(frozenset({"health"}))))
    return [*sent, withheld]


def body(kind: str, messages: list[Message]) -> bytes:
    settings = WebhookSettings(name="siem", url="https://siem.example/in", kind="file")
    return FORMATS[kind].request(messages, Circumstances(settings, ("token",), "example.com/test", NOW)).body


def endpoint(receiver: Receiver, kind: str, **values: Any) -> WebhookSettings:
    return WebhookSettings(
        **{"name": "siem", "url": receiver.url, "allow_private": True, "kind": kind, **values}
    )


def one(lake: Lake, webhook: WebhookSettings) -> deliver.Standing:
    (standing,) = deliver.deliver(lake, [webhook], run_id="0" * 64)
    return standing


@pytest.fixture
def token(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMLEDGER_WEBHOOK_SIEM_SECRET", "new-token")


def test_splunk_reads_events_one_after_the_other_with_their_place_as_indexed_fields(
    messages: list[Message],
) -> None:
    text, at, events = body("splunk", messages).decode(), 0, []
    while at < len(text):
        event, at = json.JSONDecoder().raw_decode(text, at)
        events.append(event)
    assert [event["event"] for event in events] == [json.loads(message.record) for message in messages]
    assert [event["fields"]["leaf_index"] for event in events] == [str(m.first) for m in messages]
    assert {type(value) for event in events for value in event["fields"].values()} == {str}
    assert float(events[0]["time"]) == pytest.approx(messages[0].occurred_at.timestamp())


@pytest.mark.parametrize(
    ("status", "said", "state"),
    [
        (200, {"text": "Success", "code": 0}, "accepted"),
        (200, "a login page", "later"),
        (400, {"text": "Invalid data format", "code": 6}, "refused"),
        (400, {"text": "Incorrect index", "code": 7}, "stop"),
        (403, {"text": "Invalid token", "code": 4}, "stop"),
        (503, {"text": "Server is busy", "code": 9}, "later"),
    ],
)
def test_splunks_codes_tell_a_bad_event_from_a_bad_token(status: int, said: object, state: str) -> None:
    assert splunk.answer(Reply(status, {}, json.dumps(said).encode()), [], NOW).state == state


def test_elastic_creates_each_message_under_its_own_id(messages: list[Message]) -> None:
    lines = [json.loads(line) for line in body("elastic", messages).splitlines()]
    assert [line["create"]["_id"] for line in lines[::2]] == [message.id for message in messages]
    assert [line["claimledger"] for line in lines[1::2]] == [json.loads(m.record) for m in messages]
    assert all(line["@timestamp"].endswith("Z") and line["event"]["sequence"] >= 0 for line in lines[1::2])


def bulk(statuses: list[int]) -> bytes:
    return json.dumps({"errors": True, "items": [{"create": {"status": each}} for each in statuses]}).encode()


@pytest.mark.parametrize(
    ("statuses", "state", "refused"),
    [
        ([201, 201], "accepted", ()),
        ([409, 201], "accepted", ()),
        ([201, 400], "accepted", (1,)),
        ([400, 400], "refused", ()),
        ([201, 429], "later", ()),
        ([201, 403], "stop", ()),
        ([201], "later", ()),
    ],
)
def test_elastics_answer_counts_by_item(
    messages: list[Message], statuses: list[int], state: str, refused: tuple[int, ...]
) -> None:
    answer = elastic.answer(Reply(200, {}, bulk(statuses)), messages[:2], NOW)
    assert (answer.state, answer.refused) == (state, refused)
    assert elastic.answer(Reply(200, {}, b"<html>"), messages[:2], NOW).state == "later"


@pytest.mark.usefixtures("token")
def test_an_item_that_elastic_refuses_becomes_a_dead_letter_and_the_others_are_there(
    lake: Lake, log: Log, receiver: Receiver
) -> None:
    def rule(post: Post) -> Answer:
        lines = [json.loads(line) for line in post.body.splitlines()]
        bad = [line["claimledger"].get("index") == 3 for line in lines[1::2]]
        return Answer(200, body=bulk([400 if each else 201 for each in bad]))

    receiver.rule = rule
    standing = one(lake, endpoint(receiver, "elastic"))
    assert (standing.dead, standing.waiting) == (1, 0)
    assert receiver.posts[0].headers["authorization"] == "ApiKey new-token"
    rows = lake.scan("deliveries").collect()
    assert rows.filter(rows["status"] == "dead")["leaf_index"].to_list() == [3]


@pytest.mark.usefixtures("token")
def test_during_a_rotation_the_old_token_is_used_where_the_new_one_is_not_known_yet(
    lake: Lake, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAIMLEDGER_WEBHOOK_SIEM_SECRET_OLD", "old-token")
    receiver.rule = lambda post: (
        Answer(200, body=b'{"code":0}')
        if post.headers["authorization"] == "Splunk old-token"
        else Answer(403)
    )
    assert one(lake, endpoint(receiver, "splunk")).is_well
    monkeypatch.delenv("CLAIMLEDGER_WEBHOOK_SIEM_SECRET_OLD")
    assert one(lake, endpoint(receiver, "splunk")).is_well  # nothing left to send


@pytest.mark.usefixtures("token")
def test_sentinel_gets_rows_with_a_token_that_the_secret_was_exchanged_for(
    lake: Lake, log: Log, receiver: Receiver
) -> None:
    def rule(post: Post) -> Answer:
        if post.path == "/token":
            return Answer(200, body=b'{"access_token":"exchanged","expires_in":3599}')
        return Answer(204 if post.headers["authorization"] == "Bearer exchanged" else 401)

    receiver.rule = rule
    token_url = receiver.url.replace("/in", "/token")
    siem = endpoint(receiver, "sentinel", client_id="app", token_url=token_url, batch_events=7)
    assert one(lake, siem).is_well
    form, *posts = receiver.accepted
    assert parse_qs(form.body.decode()) == {
        "client_id": ["app"],
        "client_secret": ["new-token"],
        "scope": ["https://monitor.azure.com//.default"],
        "grant_type": ["client_credentials"],
    }
    rows = [row for post in posts for row in post.json]
    assert [row["LeafIndex"] for row in rows if row["Kind"] != "checkpoint"] == list(range(log.head.size))
    assert json.loads(rows[0]["Record"])["leaf_hash"] == rows[0]["LeafHash"]
    assert len([post for post in receiver.posts if post.path == "/token"]) == 1


@pytest.mark.usefixtures("token")
def test_a_secret_that_gives_no_token_is_said_and_never_quoted(lake: Lake, receiver: Receiver) -> None:
    receiver.rule = lambda _: Answer(401, body=b'{"error":"invalid_client"}')
    siem = endpoint(receiver, "sentinel", client_id="app", token_url=receiver.url)
    assert one(lake, siem).error == "token_url returned no token (401)"


def test_opentelemetrys_own_classes_read_the_logs(messages: list[Message]) -> None:
    read = Parse(body("otlp", messages), ExportLogsServiceRequest())
    logs = read.resource_logs[0].scope_logs[0].log_records
    assert [log.body.string_value for log in logs] == [message.record.decode() for message in messages]
    assert logs[0].time_unix_nano == int(messages[0].occurred_at.timestamp()) * 10**9
    attributes = {each.key: each.value for each in logs[1].attributes}
    assert attributes["claimledger.leaf_index"].int_value == messages[1].first


def test_a_partial_success_is_no_success(messages: list[Message]) -> None:
    partial = Reply(200, {}, b'{"partialSuccess":{"rejectedLogRecords":"2"}}')
    assert otlp_logs.answer(partial, messages, NOW).state == "refused"
    assert otlp_logs.answer(Reply(200, {}, b"{}"), messages, NOW).state == "accepted"


def test_every_event_is_one_of_its_published_ocsf_class(messages: list[Message]) -> None:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=ocsf.VERSION))
    made = [
        Message(
            "m", kind, 0, 1, NOW, "0" * 64, "", "", json.dumps({"event": {"kind": kind, **held}}).encode()
        )
        for kind, held in (
            ("flip", {"verdict": "contradicted", "verdict_id": "1"}),
            ("review", {"outcome": "overturned", "corrected_verdict": "supported", "verdict_id": "1"}),
            ("erasure", {"output_id": "2", "actor": "os:ann@desk"}),
            ("configuration", {"actor": "os:ann@desk", "change": "policy"}),
            ("health", {}),
        )
    ]
    classes = set()
    for message in [*messages, *made]:
        event = ocsf.event(message, "example.com/test")
        name = schema.lookup_class_name_from_uid(event["class_uid"])
        jsonschema.validate(event, schema.get_class_schema(name))
        classes.add(name)
        assert json.loads(event["raw_data"]) == json.loads(message.record)
    assert len(classes) == 5
    statuses = {json.loads(body("ocsf", [m]))[0]["compliance"]["status_id"] for m in made[:2]}
    assert statuses == {1, 3}


@contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[tuple[int, list[bytes]]]:
    """A syslog server: its port, and what each connection sent."""
    server = socket.create_server(("127.0.0.1", 0))
    received: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                plain, _ = server.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) if context else plain as connection:
                    parts = []
                    while part := connection.recv(65_536):
                        parts.append(part)
                    received.append(b"".join(parts))
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1], received
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(2)


def frames(data: bytes) -> list[bytes]:
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        found.append(rest[: int(length)])
        data = rest[int(length) :]
    return found


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's context, whose certificate for localhost is `cert.pem` in the folder."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]),
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_syslog_over_tls_is_framed_by_octets_and_its_certificate_must_verify(
    lake: Lake, log: Log, tmp_path: Path
) -> None:
    with listening(certificate(tmp_path)) as (port, received):
        siem = WebhookSettings(
            name="siem",
            kind="syslog",
            url=f"tls://localhost:{port}",
            allow_private=True,
            attempts=1,
            batch_events=20,
        )
        assert "certificate does not verify" in one(lake, siem).error
        trusted = WebhookSettings(**{**vars(siem), "ca_file": str(tmp_path / "cert.pem")})
        assert one(lake, trusted).is_well
    texts = [frame for data in received for frame in frames(data)]
    assert all(text.startswith(b"<110>1 2026-11-0") and b" claimledger - " in text for text in texts)
    records = [json.loads(text.partition(b'"] ')[2]) for text in texts]
    assert [each["index"] for each in records if "index" in each] == list(range(log.head.size))


def test_syslog_over_plain_tcp_stays_within_a_private_network(lake: Lake) -> None:
    with listening(None) as (port, received):
        url = f"tcp://127.0.0.1:{port}"
        siem = WebhookSettings(name="siem", kind="syslog", url=url, allow_private=True, events=("run",))
        assert one(lake, siem).is_well
    assert b'"withheld"' in received[0]
    with pytest.raises(ValueError, match="plain tcp"):
        WebhookSettings(name="siem", kind="syslog", url="tcp://siem.example:601")
    with pytest.raises(ValueError, match="expected tls://HOST"):
        WebhookSettings(name="siem", kind="syslog", url="https://siem.example")
    with pytest.raises(ValueError, match="needs client_id and token_url"):
        WebhookSettings(name="siem", kind="sentinel", url="https://dce.example/x")
