"""Plain records read field by field become exactly what they become one by one."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.files.portions import Record
from tasks.sources.mapping import FieldMapping
from tasks.sources.parameters import RecordSettings
from tasks.sources.records import Mapped, Mapper
from tests.support.scopes import NOW, scope

FIELDS = FieldMapping(
    id="id", produced_at="at", prompt="question", response="answer", agent="agent", session_id="session",
    contexts="docs", context_ids="ids", tools="tools",
)  # fmt: skip
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from([
        "", " ", "Plain.", "A\0b", "a\ud800b", '"quoted"', '"\\ud800"', "{", "[]", " [1]",
        '{"role": "assistant", "content": "Hi."}', "x" * 30, "\u00a0[1]", "\ufeff[1]", "tab\tin", "1234",
    ]),
)  # fmt: skip
DOCUMENTS = st.one_of(
    TEXTS,
    st.fixed_dictionaries({"text": TEXTS, "uri": TEXTS}),
    st.sampled_from([
        {"text": "Only text."}, {"text": "More.", "uri": "u", "page": 3}, {"uri": "u", "text": None},
        {"text": ["a"], "uri": "u"}, {"text": "T", "uri": 7}, 7, None, [], {"text": "x" * 40, "uri": "u"},
    ]),
)  # fmt: skip
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.booleans())
ODD = st.one_of(
    st.none(), NUMBERS, TEXTS, st.lists(TEXTS, max_size=2), st.dictionaries(TEXTS, NUMBERS, max_size=2)
)
TIMES = st.one_of(
    st.datetimes(datetime(1999, 1, 1), datetime(2027, 1, 1)),
    st.datetimes(datetime(1999, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),
    st.datetimes(datetime(2025, 1, 1), datetime(2026, 1, 1)).map(
        lambda at: at.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    ),
    st.sampled_from([
        AT.isoformat(), "2026-11-01T12:00:00Z", "2026-11-01 12:00:00.5+02:00", "2026-02-30T12:00:00Z",
        "2026-11-01T12:00:00", "2026-11-01T24:00:00Z", "20261101T120000Z", "2026-11-01T12:00:00+24:00",
        "1761998400", 1761998400, 1761998400.25, True, None, "", "soon", date(2026, 11, 1),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=5))), "2026-11-01T12:00:00.1234567Z",
    ]),
)  # fmt: skip


def cell(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The values, as lists, or as the JSON text that a table without nesting has in their place."""
    lists = st.lists(values, max_size=3)
    return st.one_of(lists, lists.map(lambda items: json.dumps(items, default=str)), values)


RECORDS = st.fixed_dictionaries(
    {"answer": st.one_of(TEXTS, TEXTS, ODD), "at": st.one_of(st.just(AT), st.just(AT), TIMES)},
    optional={
        "id": st.one_of(TEXTS, ODD), "question": st.one_of(TEXTS, ODD), "agent": st.one_of(TEXTS, ODD),
        "session": TEXTS, "docs": st.one_of(cell(DOCUMENTS), ODD), "ids": st.one_of(st.none(), cell(TEXTS)),
        "tools": st.one_of(cell(TEXTS), ODD), "more": ODD, "rest": ODD,
    },
)  # fmt: skip


def by_record(source: RecordSettings, **more: Any) -> Mapper:
    mapper = Mapper(source, scope(now=NOW, **more))
    assert mapper._plain is not None
    mapper._plain = None
    return mapper


def same(one: Mapped, other: Mapped) -> None:
    assert one.outputs.equals(other.outputs)
    assert {at: str(each.reason) for at, each in one.refused.items()} == {
        at: str(each.reason) for at, each in other.refused.items()
    }
    assert (one.skipped, one.outside, one.lacks) == (other.skipped, other.outside, other.lacks)


@pytest.mark.parametrize("fields", [FIELDS, FieldMapping(**{**FIELDS.__dict__, "metadata": "more"})])
@pytest.mark.parametrize("look_up", [None, "kb/{id}"])
@settings(max_examples=60, deadline=None)
@example(
    records=[{"answer": "An answer of some length.", "at": AT, "docs": ["An answer of some length."]}] * 4
)
@given(records=st.lists(RECORDS, max_size=5))
def test_a_batch_becomes_the_same_rows_refusals_counts_and_doubts(
    fields: FieldMapping, look_up: str | None, records: list[Record]
) -> None:
    source = RecordSettings(name="s", kind="files", fields=fields, time_zone="Europe/Berlin", look_up=look_up)
    for ranged in ({}, {"since": AT.date(), "until": AT.date()}):
        quick, slow = Mapper(source, scope(now=NOW, **ranged)), by_record(source, **ranged)
        same(quick.map(records), slow.map(records))
        assert quick.doubts() == slow.doubts()


def test_plain_records_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"text": "Opened in 1987.", "uri": "doc-1"}
    record: Record = {"id": 7, "at": AT, "answer": "In 1987.", "question": "When?", "more": 1.5}
    records: list[Record] = [{**record, "docs": [document]}, {**record, "docs": json.dumps([document])}]
    mapper = Mapper(RecordSettings(name="s", kind="files", fields=FIELDS), scope(now=NOW))
    monkeypatch.setattr(mapper, "_row", None)
    outputs = mapper.map(records).outputs
    assert outputs["contexts"].to_list() == [[{"uri": "doc-1", "text": "Opened in 1987."}]] * 2


@pytest.mark.parametrize(
    "fields",
    [
        {"response": "answer", "produced_at": "at.time"},
        {"response": "answer", "produced_at": "at", "delivered_at": "sent"},
        {"response": "answer", "produced_at": "at", "time_zone": "zone"},
        {"response": "answer", "produced_at": "at", "contexts": ("a", "b")},
    ],
)
def test_mappings_whose_fields_depend_on_each_other_are_read_record_by_record(fields: Any) -> None:
    source = RecordSettings(name="s", kind="files", fields=FieldMapping(**fields))
    assert Mapper(source, scope(now=NOW))._plain is None
