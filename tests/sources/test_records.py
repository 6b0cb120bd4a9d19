"""What a raw record becomes: a row of `outputs`, or a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import ids
from tasks.files.refusal import Refusal, shown
from tasks.schema import mismatches
from tasks.sources import mapping
from tasks.sources.parameters import FieldMapping, FilesSettings, RecordParameters
from tasks.sources.records import Mapped, Mapper
from tasks.sources.times import Clock, instant
from tasks.tables import OUTPUTS
from tests.support.scopes import scope

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIELDS = FieldMapping(id="id", produced_at="at", response="out", contexts="docs", agent="agent")


def mapped(*records: dict[str, Any], fields: FieldMapping = FIELDS, **constants: Any) -> Mapped:
    source = FilesSettings(name="bot", path=".", fields=fields, **constants)
    return Mapper(source, scope(now=NOW)).map(records)


def record(**changes: Any) -> dict[str, Any]:
    return {"id": "1", "at": "2026-11-01T10:00:00Z", "out": "Paris.", "agent": "a", **changes}


def reason(**changes: Any) -> str:
    result = mapped(record(**changes))
    assert result.outputs.is_empty()
    return result.refused[0].reason


def row(**changes: Any) -> dict[str, Any]:
    result = mapped(record(**changes))
    assert result.refused == {}
    return result.outputs.row(0, named=True)


def test_the_frame_has_exactly_the_declared_schema_even_when_it_is_empty():
    assert mismatches(OUTPUTS, mapped().outputs.schema) == []
    assert mismatches(OUTPUTS, mapped(record()).outputs.schema) == []


def test_an_output_id_names_source_source_id_and_content():
    one = row()
    assert one["output_id"] == ids.digest("output", "bot", "1", one["content_sha256"])


def test_a_record_without_an_id_is_called_by_its_content():
    one = row(id=None)
    assert one["source_id"] == one["content_sha256"]
    assert row(id=None)["output_id"] == one["output_id"]


@pytest.mark.parametrize(
    "change",
    [
        {"out": "Rome."},
        {"at": "2026-11-01T10:00:01Z"},
        {"agent": "b"},
        {"docs": ["x"]},
        {"extra": 1},
    ],
)
def test_any_changed_field_changes_the_content(change):
    assert row(**change)["content_sha256"] != row()["content_sha256"]


def test_keys_that_changed_places_change_nothing():
    assert row(x={"a": 1, "b": 2})["output_id"] == row(x={"b": 2, "a": 1})["output_id"]


@pytest.mark.parametrize("missing", [None, "", " \n\t"])
def test_a_record_without_an_answer_is_refused(missing):
    assert reason(out=missing) == "the record has no answer at 'out'"


def test_a_record_without_a_time_is_refused_unless_the_source_says_one():
    assert reason(at=None) == "the record has no time"
    result = mapped(record(at=None), produced_at="2026-11-02T00:00:00Z")
    assert result.outputs["produced_at"][0] == datetime(2026, 11, 2, tzinfo=UTC)


def test_a_constant_that_is_no_time_is_refused_before_any_record():
    with pytest.raises(Refusal, match="is not a time"):
        mapped(produced_at="yesterday")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00"),
        ("2026-11-01T10:00:00+02:00", "2026-11-01T08:00:00"),
        ("2026-11-01 10:00:00 UTC", "2026-11-01T10:00:00"),
        ("2026-11-01T10:00:00.123456789Z", "2026-11-01T10:00:00.123456"),
        (1793527200, "2026-11-01T10:00:00"),
        (1793527200.5, "2026-11-01T10:00:00.500000"),
        (1793527200_123, "2026-11-01T10:00:00.123000"),
        (1793527200_123456, "2026-11-01T10:00:00.123456"),
        (1793527200_123456789, "2026-11-01T10:00:00.123456"),
        ("1793527200123456789", "2026-11-01T10:00:00.123456"),
    ],
)
def test_times_are_read_in_every_unit_by_magnitude(value, expected):
    assert row(at=value)["produced_at"] == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("2026-11-01T10:00:00", "has no zone"),
        ("2026-11-01", "has no zone"),
        (0, "before 2000-01-01"),
        (-1, "before 2000-01-01"),
        ("1970-01-01T00:00:00Z", "before 2000-01-01"),
        ("0001-01-01T00:00:00Z", "before 2000-01-01"),
        ("0001-01-01T00:00:00+02:00", "out of range"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))), "out of range"),
        ("2262-04-12T00:00:00Z", "in the future"),
        ("2026-11-22T00:00:00Z", "in the future"),
        ("2026-11-01T10:00:60Z", "is not a time"),
        ("soon", "is not a time"),
        ("9" * 5000, "is not a time"),
        (10**30, "is not a time"),
        (float("nan"), "is not a time"),
        (float("inf"), "is not a time"),
        (True, "expected ISO 8601"),
        ({"s": 1}, "expected ISO 8601"),
    ],
)
def test_times_that_cannot_be_are_refused_with_what_was_expected(value, says):
    assert says in reason(at=value)


def test_a_time_without_a_zone_is_utc_only_where_the_source_says_so():
    assert mapped(record(at="2026-11-01T10:00:00"), time_zone="UTC").outputs.height == 1


@pytest.mark.parametrize(
    ("zone", "value", "expected"),
    [
        ("Europe/Berlin", "2026-10-24 11:47", "2026-10-24T09:47"),
        ("Europe/Berlin", "2026-11-01 00:30", "2026-10-31T23:30"),
        ("Asia/Kolkata", "2026-11-01 00:30", "2026-10-31T19:00"),
        ("America/St_Johns", "2026-07-01 23:00", "2026-07-02T01:30"),
        ("Europe/Berlin", "2026-10-24T11:47:00-05:00", "2026-10-24T16:47"),
        (None, "2026-10-24 11:47 Europe/Berlin", "2026-10-24T09:47"),
        (None, "2026-10-24T11:47:00+02:00[Europe/Berlin]", "2026-10-24T09:47"),
        ("Asia/Tokyo", "2026-10-24T11:47:00[Europe/Berlin]", "2026-10-24T09:47"),
    ],
)
def test_a_time_without_an_offset_is_of_the_zone_that_it_or_its_source_names(zone, value, expected):
    result = mapped(record(at=value), time_zone=zone)
    assert result.outputs["produced_at"][0] == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_record_may_name_its_zone_in_a_field_of_its_own():
    fields = replace(FIELDS, time_zone="tz")
    one, two, bad = (record(at="2026-10-24 11:47", tz=zone) for zone in ("Asia/Tokyo", "", "CEST"))
    result = mapped(one, two, bad, fields=fields, time_zone="UTC")
    assert result.outputs["produced_at"].dt.hour().to_list() == [2, 11]
    assert result.refused[2].reason.startswith("'CEST' is not a time zone of the IANA database")


def test_a_local_time_that_clocks_skipped_is_refused_and_one_that_happened_twice_is_the_earlier_and_is_told():
    source = FilesSettings(name="bot", path=".", fields=FIELDS, time_zone="Europe/Berlin")
    mapper = Mapper(source, scope(now=NOW))
    result = mapper.map([record(at="2026-03-29 02:30"), record(at="2026-10-25 02:30")])
    assert result.refused[0].reason == (
        "the time 2026-03-29 02:30:00 did not happen in Europe/Berlin: clocks were put forward"
    )
    assert result.outputs["produced_at"].to_list() == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]
    _, warnings = mapper.doubts()
    assert "1 times happened twice, when clocks were put back, and were read as the earlier" in warnings[0]


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("%d.%m.%Y %H:%M", "24.10.2026 11:47", "2026-10-24T11:47"),
        ("%m/%d/%Y %I:%M %p", "10/24/2026 11:47 PM", "2026-10-24T23:47"),
        ("%d/%m/%y", "05/10/26", "2026-10-05"),
        ("%Y%m%d", 20261024, "2026-10-24"),
        ("%d.%m.%Y %H:%M %z", "24.10.2026 11:47 +0200", "2026-10-24T09:47"),
        ("%d.%m.%Y %H:%M %Z", "24.10.2026 11:47 Europe/Berlin", "2026-10-24T09:47"),
        ("epoch_s", "1793527200", "2026-11-01T10:00"),
        ("epoch_s", "1793527200,5", "2026-11-01T10:00:00.500"),
        ("epoch_ms", 1793527200_123, "2026-11-01T10:00:00.123"),
        ("iso", "2026-11-01T10:00:00Z", "2026-11-01T10:00"),
    ],
)
def test_a_source_says_in_which_format_it_writes_times(form, value, expected):
    result = mapped(record(at=value), time_zone="UTC", time_format=form)
    assert result.refused == {}
    assert result.outputs["produced_at"][0] == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("%d.%m.%Y", "2026-10-24"),
        ("%d.%m.%Y", "31.02.2026"),
        ("epoch_s", "yesterday"),
        ("iso", "1793527200"),
        ("%d.%m.%Y %Z", "24.10.2026 ../../etc/passwd"),
    ],
)
def test_a_time_of_another_format_is_refused_with_its_value(form, value):
    result = mapped(record(at=value), time_zone="UTC", time_format=form)
    assert result.refused[0].reason == f"{value!r} does not match time_format {form!r}"


def test_milliseconds_read_as_seconds_are_refused():
    refused = mapped(record(at=1793527200_123), time_format="epoch_s").refused
    assert refused[0].reason == "'1793527200123' does not match time_format 'epoch_s'"


def test_a_clock_may_be_ahead_by_a_day():
    assert row(at=(NOW + timedelta(hours=23)).isoformat())


@settings(deadline=None)  # the machine may be busy
@given(st.datetimes(datetime(2001, 9, 9, 2), datetime(2026, 11, 20)), st.sampled_from([0, 3, 6, 9]))
def test_any_time_survives_as_a_number_of_any_unit(moment, digits):
    moment = moment.replace(tzinfo=UTC)
    micro = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    number = micro * 10**digits // 10**6
    kept = instant(number, clock=Clock(), now=NOW, parameters=RecordParameters()).moment
    step = timedelta(microseconds=max(1, 10 ** (6 - digits)))
    assert timedelta(0) <= moment - kept < step


def test_contexts_are_texts_or_records_or_nothing():
    assert row(docs=None)["contexts"] == []
    assert row(docs=["x"])["contexts"] == [{"uri": None, "text": "x"}]
    assert row(docs=[{"text": "x", "uri": "u"}])["contexts"] == [{"uri": "u", "text": "x"}]
    assert row(docs='[{"text": "x"}]')["contexts"] == [{"uri": None, "text": "x"}]


def test_each_of_several_columns_is_evidence_called_like_its_column():
    fields = replace(FIELDS, contexts=("Quelle 1", "Quelle 2", "more"))
    one = record(more='["b", {"text": "c", "uri": "u"}]', **{"Quelle 1": "a"})
    two = record(**{"Quelle 2": "d"})
    result = mapped(one, two, record(), fields=fields)
    assert result.outputs["contexts"].to_list() == [
        [
            {"uri": "Quelle 1", "text": "a"},
            {"uri": "more.0", "text": "b"},
            {"uri": "u", "text": "c"},
        ],
        [{"uri": "Quelle 2", "text": "d"}],
        [],
    ]
    assert json.loads(result.outputs["metadata"][0]) == {}


def test_of_several_columns_with_evidence_some_may_be_empty_but_not_all():
    def doubts(*records):
        source = FilesSettings(name="bot", path=".", fields=replace(FIELDS, contexts=("one", "two")))
        mapper = Mapper(source, scope(now=NOW))
        mapper.map(records)
        return mapper.doubts()

    assert doubts(*[record(one="a")] * 3) == ([], [])
    problems, _ = doubts(*[record()] * 3)
    assert [problem.partition(" leads")[0] for problem in problems] == [
        "source 'bot': fields.contexts = 'one'",
        "source 'bot': fields.contexts = 'two'",
    ]


def test_every_output_says_its_language_and_its_id_does_not_depend_on_it():
    texts = ("Die Mühle ist seit 1987 in Betrieb.", "The mill is in use since 1987.", "1987")
    outputs = mapped(*(record(id=text, out=text) for text in texts)).outputs
    assert outputs["language"].to_list() == ["de", "en", "und"]
    assert row()["output_id"] == "3c3e6438285cd4bbce7d0c7747c2e63735f8e2617e81460630369c7f22a62bdf"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (7, "contexts is a number, expected a text, a record or a list of them"),
        ('[{"text": "cut off', "begins as JSON but is not valid"),
        ([3], "context 0 is a number"),
        (["x", None], "context 1 is null"),
        ([{"body": "x"}], "context 0 has no text at 'text'"),
        ([{"text": "x", "uri": []}], "address is a list"),
    ],
)
def test_malformed_contexts_are_refused(value, says):
    assert says in reason(docs=value)


def test_what_is_not_mapped_is_kept_as_metadata_also_inside_contexts():
    one = row(docs=[{"text": "x", "score": 0.5}], cost={"tokens": 3})
    assert json.loads(one["metadata"]) == {"docs": [{"score": 0.5}], "cost": {"tokens": 3}}


def test_paths_reach_into_lists_and_keys_with_dots():
    fields = FieldMapping(
        response="choices.0.message.content", produced_at="t", model="attributes.gen_ai.response.model"
    )
    raw = {
        "choices": [{"message": {"content": "Yes.", "role": "assistant"}}],
        "t": "2026-11-01T10:00:00Z",
        "attributes": {"gen_ai.response.model": "m", "other": 1},
    }
    result = mapped(raw, fields=fields)
    one = result.outputs.row(0, named=True)
    assert (one["response"], one["model"]) == ("Yes.", "m")
    assert json.loads(one["metadata"]) == {
        "attributes": {"other": 1},
        "choices": [{"message": {"role": "assistant"}}],
    }


def test_a_mapped_record_is_left_as_it_was():
    raw = record(nested={"a": {"b": 1}})
    before = json.dumps(raw)
    mapped(raw, fields=FieldMapping(response="out", produced_at="at", id="nested.a.b"))
    assert json.dumps(raw) == before


@pytest.mark.parametrize("name", ["a/b", "../../etc", "CON", "a=b%20", "Ä", "日本"])
def test_names_are_values_and_never_paths(name):
    assert row(agent=name)["agent"] == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a" * 10_000, "agent has 10000 characters, at most 1000"),
        ("a\x00b", "control characters"),
        ("a\x1b[31m", "control characters"),
        ("a\u202eb", "control characters"),
        (["a"], "agent is a list"),
    ],
)
def test_names_that_are_no_names_are_refused(name, says):
    assert says in reason(agent=name)


def test_who_names_no_agent_is_called_like_the_source():
    one = row(agent=None)
    assert (one["agent"], one["use_case"]) == ("bot", "unspecified")
    assert mapped(record(agent=None), agent="x", use_case="y").outputs["agent"].to_list() == ["x"]


def test_a_missing_number_of_a_table_is_null_and_infinity_is_refused():
    assert json.loads(row(score=float("nan"))["metadata"]) == {"score": None}
    assert "infinite" in reason(score=float("inf"))


def test_a_range_of_days_passes_over_what_is_outside_both_ends_included():
    mapper = Mapper(
        FilesSettings(name="bot", path=".", fields=FIELDS),
        scope(now=NOW, since=date(2026, 11, 2), until=date(2026, 11, 3)),
    )  # fmt: skip
    result = mapper.map([record(at=f"2026-11-0{d}T23:59:59Z") for d in range(1, 5)])
    assert result.outputs["produced_at"].dt.day().to_list() == [2, 3]
    assert result.skipped == 2


def test_html_and_script_are_text_like_any_other():
    text = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    one = row(out=text, agent=text, docs=[text])
    assert one["response"] == one["agent"] == one["contexts"][0]["text"] == text


def test_hostile_text_is_shown_inert_and_bounded():
    assert shown(b"a\xff\x00\x1b[31m\xe2\x80\xae") == "a\\xff\\x00\\x1b[31m\\u202e"
    assert len(shown(b"\x00" * 10**6)) == 2_000


@settings(deadline=None)  # the machine may be busy
@given(st.one_of(st.binary(max_size=3_000), st.text(max_size=3_000)))
def test_whatever_is_shown_is_printable_and_short(raw):
    text = shown(raw, 100)
    assert len(text) <= 100
    text.encode()  # raises on half a character
    assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["id", "at", "out", "docs", "agent", "x", "a.b", ""])


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.dictionaries(KEYS, JSON, max_size=6), max_size=5))
def test_whatever_json_comes_is_an_output_or_has_a_reason(records):
    result = mapped(*records)
    assert result.outputs.height + len(result.refused) == len(records)
    assert all(r.reason and r.check for r in result.refused.values())
    assert result.outputs["output_id"].null_count() == 0


def test_a_mapping_is_proposed_from_names_types_and_frequency():
    raw = {
        "trace": {"id": "1", "name": "n"},
        "timestamp": "2026-11-01T10:00:00Z",
        "input": {"question": "Where?"},
        "output": {"text": "Here."},
        "model": "m",
        "retrieval": {"documents": [{"content": "c", "source": "s"}]},
    }
    proposal = mapping.propose([raw, raw])
    assert vars(proposal.fields) | {"tools": None} == vars(
        FieldMapping(
            id="trace.id", produced_at="timestamp", prompt="input.question", response="output.text",
            model="model", contexts="retrieval.documents", context_text="content", context_uri="source",
        )
    )  # fmt: skip
    assert proposal.sentences == ("no field names the agent; the source's name is used instead",)


def test_what_a_proposal_did_not_find_is_said():
    proposal = mapping.propose([{"blurb": "A long text that nobody named.", "when": "2026-11-01"}])
    assert proposal.fields.response == "blurb"
    said = " ".join(proposal.sentences)
    assert "is a guess" in said
    assert "no field holds a time" in said
    assert "no field holds an id" in said


def test_the_answers_of_one_conversation_are_not_taken_for_versions_of_one_answer():
    raw = [
        {
            "conversation": {"id": "c1"},
            "ts": 1793700000000 + number,
            "bot": {"name": "helper", "answer": {"text": f"The plant has {number} reactors."}},
            "retrieved": [{"page_content": "The plant has 2.", "metadata": {"source": "a.md"}}],
        }
        for number in range(3)
    ]
    fields = mapping.propose(raw).fields
    assert (fields.id, fields.session_id, fields.agent) == (None, "conversation.id", "bot.name")
    assert (fields.contexts, fields.context_text) == ("retrieved", "page_content")
    assert fields.context_uri == "metadata.source"
    repeated = [{"id": "same", "answer": f"Answer {number}."} for number in range(3)]
    assert mapping.propose(repeated).fields.id is None


def test_an_id_or_json_in_a_string_is_no_guess_for_the_answer():
    raw = {"trace": "0" * 64, "sizes": '{"a": 1, "b": 2, "c": 3}'}
    assert "no field holds text that could be the answer" in " ".join(mapping.propose([raw]).sentences)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.dictionaries(st.text(), JSON, max_size=5), max_size=5))
def test_a_proposal_never_fails_on_what_it_is_shown(records):
    assert mapping.propose(records).fields.response


def test_the_ids_of_a_known_record_never_change():
    """Golden: a lake is deduplicated by these; who changes them pulls every old record again."""
    one = row()
    assert (one["content_sha256"][:16], one["output_id"][:16]) == ("7899306b03cc989c", "3c3e6438285cd4bb")


WEAVERS = "The Orsa mill runs 14 looms.\nIt was opened in 1987 and employs 60 weavers."
MESSAGE = {"role": "assistant", "content": WEAVERS}


@pytest.mark.parametrize(
    "output",
    [
        WEAVERS,
        json.dumps(WEAVERS),
        MESSAGE,
        json.dumps(MESSAGE),
        json.dumps(json.dumps(MESSAGE)),
        [{"role": "user", "content": "How many?"}, MESSAGE],
        {"role": "assistant", "content": [{"type": "text", "text": part} for part in WEAVERS.split("\n")]},
    ],
    ids=str,
)
def test_an_answer_is_the_same_in_text_json_text_messages_and_parts(output):
    assert row(out=output)["response"] == WEAVERS


def test_reasoning_is_kept_beside_the_answer_and_never_in_it():
    parts = [{"type": "thinking", "thinking": "40, I believe."}, {"type": "text", "text": "14 looms."}]
    made = row(out={"role": "assistant", "content": parts})
    assert made["response"] == "14 looms."
    assert json.loads(made["metadata"])["answer"] == {"reasoning": ["40, I believe."]}


def test_an_answer_that_only_calls_a_tool_is_refused_by_name():
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "search"}}]}
    assert "only calls tools (search)" in reason(out=call)


def asked(prompt: Any) -> str:
    fields = replace(FIELDS, prompt="question")
    return mapped(record(question=prompt), fields=fields).outputs["prompt"].item()


def test_the_prompt_is_the_last_question_and_no_system_text():
    talk = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "How many looms?"}]
    assert asked(talk) == "How many looms?"
    assert asked(json.dumps({"messages": talk})) == "How many looms?"


@pytest.mark.parametrize(
    "docs", ["One passage.", {"text": "One passage."}, json.dumps({"text": "One passage."})]
)
def test_one_piece_of_evidence_is_a_list_of_one(docs):
    assert row(docs=docs)["contexts"] == [{"uri": None, "text": "One passage."}]


def doubts(*records: dict[str, Any], **paths: str) -> tuple[list[str], list[str]]:
    source = FilesSettings(name="bot", path=".", fields=replace(FIELDS, **paths))
    mapper = Mapper(source, scope(now=NOW))
    mapper.map(records)
    return mapper.doubts()


def test_a_path_that_no_record_has_is_a_problem_and_one_that_few_have_a_warning():
    records = [record(id=str(i), docs=["Paris."], **({"m": "x"} if i == 0 else {})) for i in range(4)]
    problems, warnings = doubts(*records, session_id="nowhere", model="m")
    assert problems == [
        "source 'bot': fields.session_id = 'nowhere' leads to nothing in any of 4 records; "
        "correct it or take it out"
    ]
    assert warnings == ["source 'bot': fields.model = 'm' leads to something in 1 of 4 records only"]


def test_answers_that_stand_in_their_own_evidence_are_doubted():
    passage = "The Orsa mill runs 14 looms. It was opened in 1987."
    records = [record(id=str(i), out=passage, docs=[f"# Mill\n{passage}"]) for i in range(3)]
    _, warnings = doubts(*records)
    assert "in 3 of 3 records the answer stands word for word in its own evidence" in warnings[0]


PASSAGE = {"content": "The Orsa mill runs 14 looms. It was opened in 1987.", "source": "mill.md"}
WRONG = "The Orsa mill runs 41 looms."


def proposed(**record: Any) -> FieldMapping:
    own = ({"id": f"p-{i}", "created_at": f"2026-11-2{i}T03:00:00Z"} for i in range(3))
    return mapping.propose([{**record, **each} for each in own]).fields


@pytest.mark.parametrize(
    "output",
    [
        {"role": "assistant", "content": [{"type": "text", "text": WRONG}]},
        [{"role": "assistant", "content": WRONG}],
        json.dumps({"role": "assistant", "content": WRONG}),
        {"choices": [{"message": {"role": "assistant", "content": WRONG}}]},
    ],
    ids=str,
)
def test_init_never_takes_the_evidence_for_the_answer(output):
    record = {"input": "How many looms?", "output": output, "documents": [PASSAGE]}
    fields = proposed(**record)
    made = mapped({**record, "id": "1", "created_at": "2026-11-01T10:00:00Z"}, fields=fields).outputs
    assert made.select("prompt", "response").row(0) == ("How many looms?", WRONG)
    assert made["contexts"].to_list() == [[{"uri": "mill.md", "text": PASSAGE["content"]}]]


def test_init_reads_question_and_answer_out_of_one_list_of_messages():
    talk = [
        {"role": "system", "content": "You are the mill's guide, and you never say how many looms it runs."},
        {"role": "user", "content": "How many looms?"},
        {"role": "assistant", "content": WRONG},
    ]
    fields = proposed(messages=talk, documents=json.dumps([PASSAGE]))
    assert (fields.prompt, fields.response, fields.contexts) == ("messages", "messages", "documents")


def test_init_knows_german_columns_and_says_what_it_did_not_find():
    rows = [
        {"Nr.": i, "Zeitpunkt": "2026-11-01T10:00:00Z", "Frage": "Wie viele?", "Antwort": "Es sind 14 Stück.",
         "Textauszug": "Die Weberei Orsa hat 14 Webstühle in Betrieb, die aus dem Jahr 1987 stammen."}
        for i in range(3)
    ]  # fmt: skip
    proposal = mapping.propose(rows)
    fields = proposal.fields
    assert (fields.prompt, fields.response, fields.contexts) == ("Frage", "Antwort", "Textauszug")
    assert "no field names the agent; the source's name is used instead" in proposal.sentences
    assert any("no field holds evidence" in s for s in mapping.propose([{"answer": "Yes, it is."}]).sentences)


def test_a_path_to_the_first_part_of_an_answer_means_all_of_its_parts():
    parts = [{"type": "text", "text": "It runs 14 looms."}, {"type": "text", "text": "It employs 600."}]
    fields = replace(FIELDS, response="out.content.0.text")
    made = mapped(record(out={"role": "assistant", "content": parts}), fields=fields).outputs
    assert made["response"].item() == "It runs 14 looms.\nIt employs 600."
    choices = {"choices": [{"text": "One."}, {"text": "Another."}]}
    made = mapped(record(out=choices), fields=replace(FIELDS, response="out.choices.0.text")).outputs
    assert made["response"].item() == "One."


def test_a_path_into_a_message_finds_an_answer_that_was_exported_without_one():
    fields = replace(FIELDS, response="out.content")
    assert mapped(record(out=json.dumps(WEAVERS)), fields=fields).outputs["response"].item() == WEAVERS
    assert mapped(record(out=WEAVERS), fields=fields).outputs.is_empty()


@settings(max_examples=60)
@given(
    st.lists(st.dictionaries(KEYS, JSON, max_size=6), max_size=5),
    st.lists(st.fixed_dictionaries({"text": JSON, "uri": JSON}), max_size=3),
)
def test_the_quick_way_with_flat_records_gives_what_the_general_search_gives(records, documents):
    records = [*records, record(docs=documents)]
    source = FilesSettings(name="bot", path=".", fields=FIELDS)
    quick, general = Mapper(source, scope(now=NOW)), Mapper(source, scope(now=NOW))
    assert quick._flat is not None
    general._flat = None
    one, other = quick.map(records), general.map(records)
    assert one.outputs.equals(other.outputs)
    assert {at: str(why) for at, why in one.refused.items()} == {
        at: str(w) for at, w in other.refused.items()
    }
    # A key more takes a document the general way; what it says is the same.
    with_more = mapped(record(docs=[{**each, "more": 1} for each in documents]))
    assert with_more.refused.keys() == mapped(record(docs=documents)).refused.keys()
    if not with_more.refused:
        assert with_more.outputs["contexts"].to_list() == one.outputs["contexts"].tail(1).to_list()
