"""What stands in the place of confidential data: outlines or tokens, with spans that are true."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest

from tasks import tables
from tasks.errors import ConfigError
from tasks.privacy import leak_files
from tasks.privacy.cover import Cover, token
from tasks.privacy.parameters import LeakSettings, PrivacySettings

KINDS = ("email", "phone", "credit_card", "iban", "ssn", "ip_address", "secret")
KEY = b"nobody can guess this"
VALUES = {
    "email": "jo.doe@acme.io",
    "phone": "415-555-2671",
    "credit_card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ssn": "078-05-1120",
    "ip_address": "81.2.69.142",
}
TOKEN = re.compile(r"[a-z_]+-[a-p]{16}")


def cover(mode: str = "hashed", **more: object) -> Cover:
    return Cover(mode=mode, detectors=KINDS, **{"key": KEY, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["masked", "hashed"])
def test_every_kind_is_covered_and_marks_say_where(mode: str) -> None:
    texts = pl.Series([f"Ask for {value} please." for value in VALUES.values()] + [None, "Nothing."])
    covered = cover(mode).covered(texts)
    assert [mark.kind for mark in covered.marks] == list(VALUES)
    for mark, value in zip(covered.marks, VALUES.values(), strict=True):
        text = covered.texts[mark.row]
        piece = text[mark.finding.start : mark.finding.end]
        assert value not in text
        assert text == f"Ask for {piece} please."
        assert piece == mark.finding.masked if mode == "masked" else TOKEN.fullmatch(piece)
    assert covered.texts[-2:].to_list() == [None, "Nothing."]
    assert texts[0] == f"Ask for {VALUES['email']} please."  # what was given stays as it was


def test_equal_values_have_one_token_however_they_are_written_and_others_another() -> None:
    texts = cover().plain(
        pl.Series(
            [
                "Call 415-555-2671.",
                "Call (415) 555-2671.",
                "Call 415-555-2672.",
                "Mail Jo@acme.io, jo@acme.io",
            ]
        )
    )
    first, second, third = (TOKEN.findall(text)[0] for text in texts[:3])
    assert first == second != third
    assert len(set(TOKEN.findall(texts[3]))) == 1
    assert token("phone", "415-555-2671", KEY) != token("phone", "415-555-2671", KEY + b"!")
    assert not any(map(str.isdigit, "".join(TOKEN.findall(" ".join(texts)))))


def test_confidential_strings_are_covered_and_found_unless_the_text_was_given_them() -> None:
    texts = pl.Series(["It is blue fin 7.", "It is Blue-Fin 7."])
    own = pl.Series([None, "What is Blue-Fin 7?"])
    covered = cover(strings={"Blue-Fin 7": "list.txt:1"}).covered(texts, own)
    assert [TOKEN.sub("x", text) for text in covered.texts] == ["It is x.", "It is x."]
    [mark] = covered.marks
    assert (mark.row, mark.kind, mark.origin) == (0, "leak", "confidential: list.txt:1")
    assert mark.value_hmac is not None


def test_records_are_covered_value_by_value_after_their_names_and_stay_json() -> None:
    told = {"phone": 6123456789, "note": "line\n415-555-2671 called", "ssn": "078051120",
            "deep": [{"jo.doe@acme.io": None}], "n": 3, "ok": True}  # fmt: skip
    [text] = cover("masked").documents(pl.Series([json.dumps(told)]))
    after = json.loads(text)
    assert after["n"] == 3
    assert after["ok"] is True
    assert not any(value in text for value in ("415-555-2671", "078051120", "jo.doe@acme.io"))
    assert after["note"].startswith("line\n***")
    same = '{"b": 1,  "a": "x"}'
    assert cover().documents(pl.Series([same, "", None])).to_list() == [same, "", None]


def test_what_was_refused_is_covered_also_where_it_is_no_json_or_was_cut() -> None:
    rows = tables.quarantine_rows(
        [
            {"locator": "a:1", "check": "c", "reason": "not '415-555-2671'", "raw": '{"n": "415-555-2671"'},
            {"locator": "a:2", "check": "c", "reason": "r", "raw": '{"x": "' + "y " * 99 + "\\n415-555-26…"},
        ],
        table="outputs", source="s", run_id="0" * 64, quarantined_at=None,
    )  # fmt: skip
    covered = cover("masked").refusals(rows)
    said = "".join(covered["reason"].to_list() + covered["raw"].to_list())
    assert "415" not in said
    assert covered["raw"][1].endswith("…")
    assert set(covered["row_sha256"]).isdisjoint(rows["row_sha256"].to_list())
    assert covered["row_sha256"].equals(tables.with_digests(covered)["row_sha256"])


def test_a_lake_is_covered_as_the_configuration_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(leak_files.HASH_KEY, raising=False)
    assert leak_files.cover(PrivacySettings()) is None
    masked = leak_files.cover(PrivacySettings(lake="masked"))
    assert masked is not None
    assert masked.mode == "masked"
    with pytest.raises(ConfigError, match="needs a key"):
        leak_files.cover(PrivacySettings(lake="hashed"))
    monkeypatch.setenv(leak_files.HASH_KEY, "short")
    with pytest.raises(ConfigError, match="5 characters"):
        leak_files.cover(PrivacySettings(lake="hashed"))
    with pytest.raises(ValueError, match="nothing is looked for"):
        PrivacySettings(lake="masked", detectors=())
    with pytest.raises(ValueError, match="nothing is looked for"):
        PrivacySettings(lake="hashed", enabled=False)
    assert PrivacySettings(leaks=LeakSettings(enabled=False)).lake == "clear"
    assert KEY.decode() not in repr(cover(strings={"Blue-Fin 7": "l:1"}))
    assert "Blue" not in repr(cover(strings={"Blue-Fin 7": "l:1"}))
