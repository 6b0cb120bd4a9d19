"""What `init` proposes for real exports: spreadsheets, traces, tables of observations and of messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks import settings
from tasks.errors import InputError
from tasks.sources import mapping
from tasks.sources.files import propose
from tasks.starter import write_starter
from tests.sources.test_column_names import SHEETS
from tests.sources.test_joining import trace
from tests.sources.test_spreadsheets import GERMAN


def proposed(tmp_path: Path, name: str, data: bytes) -> tuple[dict[str, Any], settings.Settings]:
    """What is told and what is written for an export."""
    path = tmp_path / name
    path.write_bytes(data)
    written = write_starter(tmp_path / "team", from_source="files", path=str(path))
    return written, settings.load(tmp_path / "team" / "claimledger.toml")


@pytest.mark.parametrize("language", SHEETS)
def test_a_sheet_in_any_big_language_is_mapped_although_its_evidence_is_longest(language):
    identity, at, question, answer, source = SHEETS[language]
    rows = [
        {
            identity: number, at: f"2026-11-{number:02d}T10:00:00Z", question: f"Wie viele sind es {number}?",
            answer: f"Es sind {number}.", source: f"Nach dem Bericht des Jahres sind es {number} davon.",
        }
        for number in range(1, 9)
    ]  # fmt: skip
    fields = mapping.propose(rows).fields
    assert (fields.id, fields.produced_at, fields.prompt, fields.response, fields.contexts) == (
        identity, at, question, answer, source,
    )  # fmt: skip


def test_texts_without_blanks_are_evidence_too():
    rows = [{"回答": f"这座桥于199{n}年开通。", "来源": f"这座桥于199{n}年由市长开通。"} for n in range(5)]
    fields = mapping.propose(rows).fields
    assert (fields.response, fields.contexts) == ("回答", "来源")


def test_a_german_sheet_needs_its_zone_alone_and_init_asks_for_it(tmp_path):
    written, config = proposed(tmp_path, "a.csv", GERMAN.encode("cp1252"))
    (source,) = config.sources
    assert source.encoding == "windows-1252"
    assert source.time_format == "%d.%m.%Y %H:%M"
    assert source.fields.contexts == ("Quelle 1", "Quelle 2")
    assert source.time_zone is None
    assert written["to_set"] == ["time_zone"]
    lines = (tmp_path / "team" / "claimledger.toml").read_text("utf-8").splitlines()
    place = lines.index('# time_zone = "Europe/Berlin"')
    assert lines[place - 1].startswith("# TO SET: In which zone are the times in 'Zeitpunkt'?")
    notes = "\n".join(written["notes"])
    assert "as read: asked 'Wie viele Webstühle?', answered 'Die Mühle hat 14 Webstühle.'" in notes
    assert "a.csv is not UTF-8; encoding is a guess" in notes


def test_letters_of_another_code_page_are_not_taken_for_western_ones(tmp_path):
    data = "Вопрос;Ответ\nКогда?;В тысяча девятьсот.\n".encode("cp1251")
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(InputError, match="or not UTF-8 text"):
        propose(str(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("times", "form", "says"),
    [
        (["24.10.2026 11:47", "01.02.2026 00:00"], "%d.%m.%Y %H:%M", None),
        (["10/24/2026", "01/02/2026"], "%m/%d/%Y", None),
        (["24/10/2026 11:47:01"], "%d/%m/%Y %H:%M:%S", None),
        (["01/02/2026", "03/04/2026"], "%d/%m/%Y", "is the day or the month first?"),
        (["2026年10月24日 11:47"], "%Y年%m月%d日 %H:%M", None),
        (["2026-10-24 11:47"], None, None),
        (["Sat, 24 Oct 2026 11:47:00 +0200"], "%a, %d %b %Y %H:%M:%S %z", None),
    ],
)
def test_the_format_of_times_is_found_and_a_doubt_is_told(times, form, says):
    proposal = mapping.propose([{"Zeitpunkt": at, "answer": f"It is {n}."} for n, at in enumerate(times)])
    assert proposal.time_format == form
    assert (says is None) == ("a guess" not in " ".join(proposal.sentences))
    assert proposal.zoneless == (None if "+0200" in times[0] else "Zeitpunkt")


def test_a_table_of_observations_is_joined_and_its_question_answer_and_evidence_are_shown(tmp_path):
    rows = [row for name in ("t1", "t2") for row in trace(name)]
    written, config = proposed(tmp_path, "a.jsonl", b"".join(json.dumps(r).encode() + b"\n" for r in rows))
    join = config.sources[0].join
    assert join is not None
    assert (join.by, join.kind, join.text, join.order) == ("trace_id", "type", "output", "start_time")
    assert (config.sources[0].fields.id, config.sources[0].fields.contexts) == ("trace_id", None)
    (shown,) = {note for note in written["notes"] if note.startswith("as read")}
    assert "asked 'How many looms?', answered 'The Orsa mill runs 14 looms.'" in shown
    assert "evidence ['The Orsa mill runs 14 looms.', 'It was opened in 1987.']" in shown


def test_a_table_of_messages_is_joined_by_its_conversation():
    said = [("user", "How many?"), ("tool", "It has 14."), ("assistant", "14, I think.")]
    rows = [
        {"conversation_id": name, "role": role, "content": f"{text} {name}", "created_at": 1793700000 + at}
        for name in ("c1", "c2")
        for at, (role, text) in enumerate(said)
    ]
    proposal = mapping.propose(rows)
    assert proposal.join is not None
    assert (proposal.join.by, proposal.join.kind, proposal.join.text) == (
        "conversation_id",
        "role",
        "content",
    )
    assert (proposal.fields.prompt, proposal.fields.response) == ("joined.question", "content")


def test_documents_within_the_steps_of_a_trace_are_its_evidence_and_never_its_answer():
    document = {
        "page_content": "The mill runs 14 looms and more of them are planned.",
        "metadata": {"source": "a"},
    }
    rows = [
        {
            "id": str(number),
            "output": {"role": "assistant", "content": [{"type": "text", "text": f"It runs {number}."}]},
            "observations": [{"type": "SPAN"}, {"type": "RETRIEVER", "output": [document]}],
        }
        for number in range(4)
    ]
    fields = mapping.propose(rows).fields
    assert fields.response == "output"
    assert fields.contexts == "observations[type=RETRIEVER].output"
    assert (fields.context_text, fields.context_uri) == ("page_content", "metadata.source")


@pytest.mark.parametrize(
    "rows",
    [
        [{}],
        [{"": 1}],
        [{"a" * 10_000: "b c d"}],
        [{"role": "assistant", "id": []}],
        [{"type": 7, "trace_id": {}}] * 2,
        [{"a": "[" * 100 + "]" * 100, "type": "LLM"}],
    ],
)
def test_odd_records_get_a_proposal_and_no_traceback(rows):
    assert mapping.propose(rows).sentences
