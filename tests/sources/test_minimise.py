"""What must not be kept never reaches the disk: dropped, hashed with a key, masked, and counted."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.errors import SourceError
from tasks.lake.store import Lake
from tasks.sources import files, otlp
from tasks.sources.gathering import Traces
from tasks.sources.minimise import MASK, Minimiser, MinimiseSettings
from tasks.sources.otlp import OtlpSettings
from tasks.sources.parameters import FieldMapping, FilesSettings
from tasks.sources.pulled import Pulled
from tests.support.otlp_files import lines, span
from tests.support.pulls import pull_into
from tests.support.scopes import NOW, scope

KEY = "a key that nobody can guess"
SECRETS = ("ada@example.org", "Ada Lovelace", "555-0199", "0042-7788")


def minimiser(**rules: tuple[str, ...]) -> Minimiser:
    return Minimiser("chat", MinimiseSettings(**rules), KEY, "CLAIMLEDGER_SOURCE_CHAT_HASH_KEY")


def test_a_field_is_dropped_hashed_or_masked_wherever_the_path_leads_and_every_value_is_counted() -> None:
    record: dict[str, Any] = {
        "user": {"email": "ada@example.org", "id": 7, "name": "Ada"},
        "user.email": "also@example.org",
        "messages": [{"from": "Ada", "text": "Hi"}, {"from": "Bot", "text": "Hello"}, {"text": "?"}],
        "payload": json.dumps({"card": "4111", "total": 3}),
        "tags": ["Ada", None, "vip"],
        "out": "Paris.",
    }
    before = json.dumps(record)
    own = minimiser(
        drop=("user.email", "payload.card", "absent"), hash=("user.id", "tags"), mask=("messages.from",)
    )
    kept = own.record(record)
    digest = {
        text: hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
        for text in ("7", "Ada", "vip")
    }
    assert kept == {
        "user": {"id": digest["7"], "name": "Ada"},
        "messages": [{"from": MASK, "text": "Hi"}, {"from": MASK, "text": "Hello"}, {"text": "?"}],
        "payload": '{"total": 3}',
        "tags": [digest["Ada"], None, digest["vip"]],
        "out": "Paris.",
    }
    assert json.dumps(record) == before
    assert own.taken() == {
        "hash user.id": 1, "hash tags": 2, "mask messages.from": 2,
        "drop user.email": 2, "drop payload.card": 1, "drop absent": 0,
    }  # fmt: skip
    (doubt,) = own.doubts()
    assert doubt.startswith("source 'chat': minimise.drop = 'absent' led to nothing in any of 1 records")


def test_numbered_attributes_of_a_span_are_meant_by_the_name_without_numbers() -> None:
    own = minimiser(drop=("llm.input_messages.message.content",), mask=("retrieval",), hash=("user.id",))
    attributes = {
        "llm.input_messages.0.message.content": "secret",
        "llm.input_messages.0.message.role": "user",
        "retrieval.documents.0.document.content": "secret",
        "user.id": "ada",
    }
    raw = ["t", "s", None, 1, 2, "", False, False, None, attributes, [["gen_ai.choice", {"user.id": "ada"}]]]
    minimised = own.span(raw)
    assert minimised[9].keys() == attributes.keys() - {"llm.input_messages.0.message.content"}
    assert minimised[9]["retrieval.documents.0.document.content"] == MASK
    assert minimised[9]["user.id"] == minimised[10][0][1]["user.id"] != "ada"


@pytest.mark.parametrize(("key", "what"), [("", "is not set"), ("short", "has only 5 characters")])
def test_hashes_without_a_good_key_are_refused_with_the_variable_s_name(
    key: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAIMLEDGER_SOURCE_CHAT_HASH_KEY", key)
    (tmp_path / "a.jsonl").write_text('{"response": "Paris."}\n')
    source = FilesSettings(name="chat", path=str(tmp_path), minimise=MinimiseSettings(hash=("user",)))
    with pytest.raises(SourceError, match=f"CLAIMLEDGER_SOURCE_CHAT_HASH_KEY {what}"):
        list(files.pull(source, scope(work=tmp_path / "work")))


def test_a_path_in_two_lists_is_refused() -> None:
    with pytest.raises(ValueError, match="minimise names 'user' twice"):
        MinimiseSettings(drop=("user",), mask=("user",))


def bytes_below(folder: Path) -> bytes:
    """Every byte of every file, Parquet unpacked by reading it whole."""
    parts = []
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            parts.append(pl.read_parquet(path, glob=False).write_json().encode())
        elif path.is_file():
            parts.append(path.read_bytes())
    return b"\n".join(parts)


def pulled(tmp_path: Path, source: Any) -> tuple[Pulled, Lake]:
    lake = Lake(tmp_path / "lake")
    pulled = pull_into(lake, (source,), now=NOW, refused_share=1.0)
    pulled.publish_quarantine(lake, f"{1:064x}", NOW)
    return pulled, lake


def test_nothing_of_it_is_on_the_disk_not_even_of_records_that_were_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAIMLEDGER_SOURCE_CHAT_HASH_KEY", KEY)
    person = {"email": SECRETS[0], "name": SECRETS[1], "phone": SECRETS[2]}
    good = {"id": "a", "at": "2026-11-01T10:00:00Z", "out": "Paris.", "user": person}
    unanswered = {"id": "b", "at": "2026-11-01T10:00:00Z", "out": "", "user": person}
    broken = b'{"id": "c", "user": {"email": "%s", "name": ' % SECRETS[0].encode()
    (tmp_path / "chat.jsonl").write_bytes(
        b"\n".join([json.dumps(good).encode(), json.dumps(unanswered).encode(), broken, b""])
    )
    rules = MinimiseSettings(drop=("user.phone",), hash=("user.email",), mask=("user.name",))
    fields = FieldMapping(id="id", produced_at="at", response="out")
    source = FilesSettings(name="chat", path=str(tmp_path / "*.jsonl"), fields=fields, minimise=rules)
    result, lake = pulled(tmp_path, source)
    assert (result.outputs, result.quarantined) == (1, 2)
    assert result.minimised == {"chat": {"drop user.phone": 2, "hash user.email": 2, "mask user.name": 2}}
    written = bytes_below(lake.root)
    assert b"Paris." in written
    assert MASK.encode() in written
    for secret in SECRETS:
        assert secret.encode() not in written


def test_spans_are_minimised_before_they_are_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Traces.__init__, "__kwdefaults__", {"held_bytes": 1})
    attributes = {
        "openinference.span.kind": "LLM", "output.value": "Paris.", "user.id": SECRETS[3],
        "llm.input_messages.0.message.content": SECRETS[0], "session.id": "s1",
    }  # fmt: skip
    lines(tmp_path / "t.jsonl", [span(1, attributes)])
    rules = MinimiseSettings(drop=("llm.input_messages", "user_id"), mask=("user.id", "session_id"))
    source = OtlpSettings(name="t", kind="otlp", path=str(tmp_path / "t.jsonl"), minimise=rules)
    (batch,) = list(otlp.pull(source, scope(work=tmp_path / "work")))
    assert batch.outputs["session_id"].to_list() == [MASK]
    assert batch.minimised == {
        "mask user.id": 1, "mask session_id": 1, "drop llm.input_messages": 1, "drop user_id": 1,
    }  # fmt: skip
    left = bytes_below(tmp_path / "work") + batch.outputs.write_json().encode()
    assert SECRETS[0].encode() not in left
    assert SECRETS[3].encode() not in left


def test_documents_whose_text_was_not_recorded_are_counted(tmp_path: Path) -> None:
    found = {"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.id": "kb-1"}
    asked = {"openinference.span.kind": "LLM", "output.value": "Paris."}
    lines(tmp_path / "t.jsonl", [span(1, asked, seconds=5.0), span(2, found, parent=1, at=1.0)])
    source = OtlpSettings(name="t", kind="otlp", path=str(tmp_path / "t.jsonl"))
    (batch,) = list(otlp.pull(source, scope(work=tmp_path / "work")))
    assert batch.warnings[0].startswith("source 't' could not tell everything; documents named")
