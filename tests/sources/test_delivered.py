"""Whether an answer reached its user, as a record says: read, refused where it cannot be, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.sources.mapping import propose
from tasks.sources.parameters import FieldMapping, FilesSettings, deciding
from tasks.sources.records import Mapper
from tests.support.scopes import scope

FIELDS = FieldMapping(
    id="id", produced_at="at", delivered_at="sent", delivered="was_sent", action_taken="done"
)
AT = "2026-11-02T09:00:00Z"


def mapper(fields: FieldMapping = FIELDS) -> Mapper:
    return Mapper(FilesSettings(name="bot", path="x", fields=fields), scope())


def read(**values: Any) -> tuple[Any, ...]:
    """delivered_at, is_delivered and action_taken of a record."""
    mapped = mapper().map([{"id": "1", "at": AT, "response": "Yes.", **values}])
    assert not mapped.refused, mapped.refused
    return mapped.outputs.select("delivered_at", "is_delivered", "action_taken").row(0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"sent": "2026-11-02T11:00:00+02:00"}, (datetime(2026, 11, 2, 9, tzinfo=UTC), True, None)),
        ({"sent": ""}, (None, False, None)),
        ({"sent": None, "was_sent": None}, (None, False, None)),
        ({}, (None, None, None)),
        ({"was_sent": True}, (None, True, None)),
        ({"was_sent": "No"}, (None, False, None)),
        ({"was_sent": 1, "sent": ""}, (None, True, None)),
        ({"was_sent": ""}, (None, None, None)),
        ({"done": " Escalated "}, (None, None, "escalated")),
        ({"done": "delivered"}, (None, True, "delivered")),
    ],
)
def test_a_time_a_flag_and_an_action_say_what_they_say(values: Any, expected: tuple[Any, ...]) -> None:
    assert read(**values) == expected


@pytest.mark.parametrize(
    ("values", "check", "reason"),
    [
        ({"sent": "soon"}, "delivered_at", "delivered_at: 'soon' is not a time"),
        ({"sent": "2026-11-02T11:00:00"}, "delivered_at", "has no zone"),
        ({"sent": "2026-10-02T11:00:00Z"}, "delivered_at", "more than 1 days before the answer"),
        ({"was_sent": "perhaps"}, "delivered", "'perhaps', expected true or false"),
        ({"was_sent": False, "sent": AT}, "delivered", "delivered is false, but delivered_at is"),
        ({"done": "binned"}, "action_taken", "'binned', expected one of delivered, rephrased, escalated"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(values: Any, check: str, reason: str) -> None:
    mapped = mapper().map([{"id": "1", "at": AT, "response": "Yes.", **values}])
    assert mapped.refused[0].check == check
    assert reason in mapped.refused[0].reason


def test_an_answer_that_is_delivered_later_is_the_same_answer() -> None:
    records = [{"id": "1", "at": AT, "response": "Yes.", "sent": sent} for sent in ("", AT)]
    outputs = mapper().map(records).outputs
    assert outputs["output_id"].n_unique() == 1
    assert outputs["delivered_at"].null_count() == 1


def test_a_column_of_empty_times_is_no_mistake_and_a_path_that_leads_nowhere_is_one() -> None:
    empty = mapper(FieldMapping(produced_at="at", delivered_at="sent"))
    empty.map([{"at": AT, "response": f"Yes {n}.", "sent": ""} for n in range(5)])
    assert empty.doubts()[0] == []
    wrong = mapper(FieldMapping(produced_at="at", delivered_at="snt"))
    wrong.map([{"at": AT, "response": f"Yes {n}.", "sent": ""} for n in range(5)])
    [problem] = wrong.doubts()[0]
    assert "fields.delivered_at = 'snt' leads to nothing" in problem


def test_a_mapping_that_names_none_of_them_decides_what_it_always_did() -> None:
    plain = deciding(FilesSettings(name="bot", path="x"))["fields"]
    assert not {"delivered_at", "delivered", "action_taken"} & set(plain)
    assert deciding(FilesSettings(name="bot", path="x", fields=FIELDS))["fields"]["delivered_at"] == "sent"


def test_init_proposes_a_column_of_deliveries_by_its_name() -> None:
    records = [
        {"id": str(n), "timestamp": AT, "question": f"Who is {n}?", "answer": f"It is the number {n}.",
         "delivered_at": AT, "is_delivered": True, "action_taken": "delivered"}
        for n in range(5)
    ]  # fmt: skip
    fields = propose(records).fields
    assert (fields.delivered_at, fields.delivered) == ("delivered_at", "is_delivered")
    assert (fields.produced_at, fields.action_taken) == ("timestamp", "action_taken")
