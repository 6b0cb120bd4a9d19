"""Records before their ids: texts are covered in every field, ids are of what is shown, findings go along."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import ids, tables
from tasks.lake.store import Lake
from tasks.privacy.cover import Cover
from tasks.sources import covering
from tasks.sources.parameters import FieldMapping, FilesSettings
from tasks.sources.records import Mapper
from tests.support.canaries import texts_of
from tests.support.pulls import pull_into
from tests.support.scopes import NOW, scope

PHONE = "415-555-2671"
FIELDS = FieldMapping(
    id="id", produced_at="at", prompt="asked", contexts="docs", tools="tools", session_id="session"
)


def mapped(mode: str, *records: dict[str, Any]) -> tuple[pl.DataFrame, Mapper]:
    cover = Cover(mode=mode, detectors=("phone", "email"), key=b"nobody can guess this")
    mapper = Mapper(FilesSettings(name="bot", path="x", fields=FIELDS), scope(cover=cover))
    rows = [{"id": str(n), "at": "2026-11-02T09:00:00Z", **one} for n, one in enumerate(records)]
    return mapper.map(rows).outputs, mapper


@pytest.mark.parametrize("mode", ["masked", "hashed"])
def test_a_value_is_covered_in_every_field_and_lists_keep_their_places(mode: str) -> None:
    told = f"Call {PHONE}."
    outputs, _ = mapped(
        mode,
        {"response": told, "asked": told, "docs": [{"text": told, "uri": "jo@acme.io"}, {"text": "b"}],
         "tools": [f"call {PHONE}"], "user": {"phone": PHONE}},
        {"response": "Nothing.", "docs": []},
        {"response": "Nothing.", "docs": [{"text": "c", "uri": None}]},
    )  # fmt: skip
    assert PHONE not in json.dumps(outputs.to_dicts(), default=str)
    assert [[one["text"] for one in row] for row in outputs["contexts"]][1:] == [[], ["c"]]
    assert outputs["contexts"][0].to_list()[1] == {"uri": None, "text": "b"}
    assert outputs["contexts"][0].to_list()[0]["text"] == outputs["prompt"][0] == outputs["response"][0]
    assert outputs["tools"].list.len().to_list() == [1, 0, 0]

    plain, found = covering.parted(outputs, run_id="0" * 64, now=NOW)
    assert plain.schema == tables.OUTPUTS.schema
    assert found is not None
    kind, start, end = found.select("kind", "start", "end").row(0)
    assert (found.height, kind, found["output_id"].item()) == (1, "phone", plain["output_id"][0])
    assert plain["response"][0] == f"Call {plain['response'][0][start:end]}."


def test_ids_are_of_what_the_lake_holds() -> None:
    first, second = f"Call {PHONE}.", "Call 415-555-2771."
    masked, _ = mapped("masked", {"id": "a", "response": first}, {"id": "a", "response": second})
    assert masked["output_id"].n_unique() == 1  # the outlines are equal
    hashed, _ = mapped("hashed", {"id": "a", "response": first}, {"id": "a", "response": second})
    assert hashed["output_id"].n_unique() == 2
    said = [hashed[name] for name in ("source", "source_id", "content_sha256")]
    assert ids.digest_rows("output", said).equals(hashed["output_id"], check_names=False)


def test_ids_and_names_of_the_source_are_kept_and_warned_of() -> None:
    outputs, mapper = mapped("masked", {"response": "Yes.", "session": "jo@acme.io"})
    assert outputs["session_id"].to_list() == ["jo@acme.io"]
    [warning] = mapper.doubts()[1]
    assert "1 values of session_id look like confidential data" in warning


def test_scratch_of_a_run_that_is_killed_after_its_pull_holds_no_value(tmp_path: Path) -> None:
    lines = [
        {"id": "1", "at": "2026-11-02T09:00:00Z", "response": f"Call {PHONE}."},
        {"id": "2", "at": "soon", "response": f"Call {PHONE}."},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    source = FilesSettings(name="bot", path=str(tmp_path / "in.jsonl"), fields=FIELDS)
    lake = Lake.open(str(tmp_path / "lake"))
    cover = Cover(mode="masked", detectors=("phone",))
    pulled = pull_into(lake, (source,), 1, now=NOW, cover=cover)
    assert (pulled.outputs, pulled.quarantined) == (1, 1)
    texts = dict(texts_of(lake.root))
    assert any("_work" in name and "***-***-**71" in text for name, text in texts.items())
    assert not any(PHONE in text for text in texts.values())
    assert PHONE not in repr(pulled)


def test_a_clear_lake_has_no_column_of_findings() -> None:
    outputs = Mapper(FilesSettings(name="bot", path="x"), scope()).map(
        [{"response": f"Call {PHONE}.", "id": "a"}]
    )
    assert covering.FOUND not in outputs.outputs.columns
    assert covering.parted(outputs.outputs, run_id="r", now=NOW)[1] is None
