"""Whether an answer reached its user, as a record says: read, refused where it cannot be, never guessed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.sources import atif, langfuse, langsmith, mlflow, phoenix, raw_spans, traces
from tasks.sources.batches import trace_mapper
from tasks.sources.kinds import SETTINGS
from tasks.sources.mapping import propose
from tasks.sources.otlp import OtlpSettings
from tasks.sources.parameters import DeliveryFields, FieldMapping, FilesSettings, deciding
from tasks.sources.raw_spans import Raw, raw
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


SPOKEN = {"openinference.span.kind": "AGENT", "input.value": "Who?", "output.value": "The board."}
START = "2026-11-02T09:00:00+00:00"
NS = 1_793_610_000_000_000_000


def _otlp(told: dict[str, Any]) -> list[Raw]:
    attributes = {**SPOKEN, **{f"metadata.{name}": value for name, value in told.items()}}
    return [raw("t", "s", None, start_ns=NS, end_ns=NS, attributes=attributes)]


def _openinference(told: dict[str, Any]) -> list[Raw]:
    attributes = {**SPOKEN, "metadata": json.dumps(told)}
    return [raw("t", "s", None, start_ns=NS, end_ns=NS, attributes=attributes)]


def _phoenix(told: dict[str, Any]) -> list[Raw]:
    nested = {
        "openinference": {"span": {"kind": "AGENT"}},
        "output": {"value": "The board."},
        "metadata": told,
    }
    context = {"trace_id": "t", "span_id": "s"}
    return [phoenix.span({"context": context, "start_time": START, "end_time": START, "attributes": nested})]


def _langfuse(told: dict[str, Any]) -> list[Raw]:
    own = {"trace_id": "t", "start_time": START, "end_time": START}
    tool = {**own, "id": "a", "parent_observation_id": "s", "type": "TOOL", "output": "42"}
    return [
        langfuse.observation({**own, "id": "s", "type": "AGENT", "output": "The board.", "metadata": told}),
        langfuse.observation(tool),
    ]


def _langsmith(told: dict[str, Any]) -> list[Raw]:
    row = {"trace_id": "t", "id": "s", "run_type": "chain", "start_time": START, "end_time": START}
    return [langsmith.run({**row, "outputs": {"output": "The board."}, "extra": {"metadata": told}})]


def _mlflow(told: dict[str, Any]) -> list[Raw]:
    info = {
        "trace_id": "t",
        "request_time": START,
        "request_preview": "Who?",
        "response_preview": "The board.",
    }
    return mlflow.of_trace({"info": {**info, "tags": told}, "data": {"spans": []}})


def _atif(told: dict[str, Any]) -> list[Raw]:
    step = {"source": "agent", "message": "The board.", "timestamp": START, "extra": told}
    return atif.turns({"trajectory_id": "t", "agent": {}, "steps": [step]})


TRACES = {
    "otlp": _otlp, "openinference": _openinference, "phoenix": _phoenix, "langfuse": _langfuse,
    "langsmith": _langsmith, "mlflow": _mlflow, "atif": _atif,
}  # fmt: skip
NAMED = DeliveryFields(
    delivered_at="metadata.sent", delivered="metadata.is_sent", action_taken="metadata.act.done"
)


def of_trace(spans: list[Raw], fields: DeliveryFields) -> tuple[Any, ...]:
    source = OtlpSettings(name="bot", kind="otlp", path="x", fields=fields)
    records = traces.read(raw_spans.spans(spans, fields.names())).records
    mapped = trace_mapper(source, scope()).map(records)
    assert not mapped.refused, mapped.refused
    return mapped.outputs.select("delivered_at", "is_delivered", "action_taken").row(0)


@pytest.mark.parametrize("kind", TRACES)
def test_traces_of_every_kind_say_it_under_a_named_attribute(kind: str) -> None:
    sent = datetime(2026, 11, 2, 10, tzinfo=UTC)
    told = {"sent": sent.isoformat(), "act": {"done": "Delivered"}}
    if kind == "otlp":  # attributes are flat
        told = {"sent": sent.isoformat(), "act.done": "Delivered"}
    assert of_trace(TRACES[kind](told), NAMED) == (sent, True, "delivered")
    assert of_trace(TRACES[kind]({"is_sent": False}), NAMED) == (None, False, None)
    assert of_trace(TRACES[kind]({"sent": ""}), NAMED) == (None, False, None)
    assert of_trace(TRACES[kind]({"other": 1}), NAMED) == (None, None, None)
    assert of_trace(TRACES[kind](told), DeliveryFields()) == (None, None, None)


def test_the_root_has_the_last_word_then_the_latest_span() -> None:
    def spans(**told: str) -> list[Raw]:
        return [
            raw("t", "s", None, start_ns=NS, end_ns=NS + 9,
                attributes={**SPOKEN, **({"done": told["root"]} if "root" in told else {})}),
            *(
                raw("t", name, "s", start_ns=NS + at, end_ns=NS + at,
                    attributes={"openinference.span.kind": "TOOL", "done": told[name]})
                for at, name in enumerate(("first", "second"), start=1)
            ),
        ]  # fmt: skip

    fields = DeliveryFields(action_taken="done")
    assert of_trace(spans(first="escalated", second="rephrased"), fields)[2] == "rephrased"
    assert of_trace(spans(first="escalated", second="rephrased", root="delivered"), fields)[2] == "delivered"


@pytest.mark.parametrize("kind", ["otlp", "phoenix", "mlflow", "langfuse", "langsmith", "atif"])
def test_a_source_of_traces_that_names_none_is_read_as_before(kind: str) -> None:
    place = {"path": "x"}
    assert "fields" not in deciding(SETTINGS[kind](name="bot", kind=kind, **place))
    named = SETTINGS[kind](name="bot", kind=kind, fields=NAMED, **place)
    assert deciding(named)["fields"]["delivered_at"] == "metadata.sent"
