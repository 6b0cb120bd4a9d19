"""A redactor that ran before: consistent placeholders, what is left, how much it misses."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tasks import tables
from tasks.errors import InputError
from tasks.privacy import redaction, redaction_sample
from tests.support.lake_frames import outputs_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("response", "given", "pieces"),
    [
        ("Write to [EMAIL_1].", "I am [EMAIL_1], she is [EMAIL_2].", []),
        ("Write to [EMAIL_3].", "I am [EMAIL_1], she is [EMAIL_2].", ["[EMAIL_3] (not given)"]),
        ("Write to [PHONE_1].", "I am [EMAIL_1].", ["[PHONE_1] (not given)"]),
        ("Write to [EMAIL_1].", "nothing was redacted", []),
        ("Ask <PERSON> or ***.", "<PERSON> asked", []),
        ("Write to [EMAIL_1 now.", "[EMAIL_1]", ["[EMAIL_1 (broken)"]),
        ("Write to EMAIL_1] now.", "[EMAIL_1]", ["EMAIL_1] (broken)"]),
        ("Write to [EMAIL_", "[EMAIL_1]", ["[EMAIL_ (broken)"]),
        ("Write to <EMAIL_1] now.", "<EMAIL_1>", ["<EMAIL_1] (broken)"]),
        ("See [1] and <b>bold</b>, a[KEY] and x < y > z.", "[EMAIL_1]", []),
    ],
)
def test_placeholders_of_an_answer_are_those_it_was_given(
    response: str, given: str, pieces: list[str]
) -> None:
    assert [one.masked for one in redaction.inconsistencies(response, given)] == pieces


def test_placeholders_are_known_in_the_styles_of_redactors() -> None:
    text = "[EMAIL_1] <PERSON> {{PHONE}} *** [REDACTED] **bold** <PHONE_NUMBER_2>"
    assert redaction.placeholders(text) == [
        "[EMAIL_1]", "<PERSON>", "{{PHONE}}", "***", "[REDACTED]", "<PHONE_NUMBER_2>",
    ]  # fmt: skip


def test_findings_are_rows_of_the_table_and_contexts_count_as_given() -> None:
    outputs = outputs_of(["Ask [PERSON_2] or [PERSON_1].", "Nothing."]).with_columns(
        prompt=pl.lit("I am [PERSON_1]."),
        contexts=pl.Series(
            [[{"uri": "a", "text": "[PERSON_2] wrote this."}], []], dtype=tables.OUTPUTS.schema["contexts"]
        ),
    )
    assert redaction.scan(outputs, run_id="r", now=NOW).is_empty()
    alone = outputs.with_columns(contexts=pl.Series([[], []], dtype=tables.OUTPUTS.schema["contexts"]))
    found = redaction.scan(alone, run_id="r", now=NOW)
    assert found.select("kind", "masked").rows() == [("redaction", "[PERSON_2] (not given)")]
    assert found.schema == tables.FINDINGS.schema


def test_what_is_left_is_counted_by_kind() -> None:
    findings = pl.LazyFrame({"kind": ["email", "email", "phone", "leak"], "output_id": ["a", "a", "b", "c"]})
    assert redaction.left(findings, ("email", "phone")) == [("email", 2, 1), ("phone", 1, 1)]


def test_the_miss_rate_has_the_exact_interval() -> None:
    reviewed = pl.DataFrame({"left": [0] * 38 + [1, 3]})
    rate, low, high = redaction.miss_rate(reviewed)
    assert (rate, round(low, 4), round(high, 4)) == (0.05, 0.0061, 0.1692)  # Clopper-Pearson tables, 2 of 40
    assert redaction.miss_rate(reviewed.filter(pl.col("left") == 0))[:2] == (0, 0)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("output_id;left\na;1\n", "no column output_id"),
        ("output_id,left\na,some\n", "line 2: left is not a whole number"),
        ("output_id,left\na,1\na,0\n", "names an answer twice"),
        ("output_id,left\n", "has no row"),
        (None, "cannot be read"),
    ],
)
def test_a_sheet_that_cannot_be_used_is_refused_in_a_sentence(
    tmp_path: Path, content: str | None, sentence: str
) -> None:
    file = tmp_path / "sheet.csv"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(InputError, match=sentence):
        redaction_sample.read(str(file))


def test_a_sheet_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text("\ufeffOutput_ID,Left,comment\na, 2 ,x\nb,0,\n", "utf-8")
    assert redaction_sample.read(str(tmp_path / "sheet.csv")).rows() == [("a", 2), ("b", 0)]
