"""The row filter of a source: what it lets through, what it refuses, and what it cannot be made to do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.files.portions import Piece, Portion
from tasks.files.refusal import Refusal
from tasks.sources.parameters import FilesSettings
from tasks.sources.where import RowFilter, condition


def passes(text: str, *records: dict[str, object]) -> list[bool | Refusal]:
    return RowFilter(text).results(records)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type = 'GENERATION'", [True, False, False]),
        ("type <> 'SPAN'", [True, False, False]),
        ("type IS NULL OR type LIKE 'S%'", [False, True, True]),
        ("LOWER(type) IN ('generation', 'span')", [True, True, False]),
        ("tokens > 10 AND type = 'GENERATION'", [True, False, False]),
        ("cost >= 0.5", [True, False, False]),
        ("NOT is_test", [True, False, False]),
        ("attributes.kind = 'LLM'", [True, False, False]),
        ('"Kunde Nr." = 7', [True, False, False]),
        ("at >= DATE '2026-01-01'", [True, False, False]),
        ("tags LIKE '%prod%'", [True, False, False]),
    ],
)
def test_a_condition_is_sql_over_the_paths_of_a_record_and_null_is_no(text, expected):
    records = (
        {
            "type": "GENERATION", "tokens": 12, "cost": 0.5, "is_test": False,
            "attributes": '{"kind": "LLM"}', "Kunde Nr.": 7,
            "at": datetime(2026, 11, 1, tzinfo=UTC), "tags": ["prod", "eu"],
        },
        {"type": "SPAN", "tokens": 1, "cost": 0.25, "is_test": True, "attributes": {"kind": "TOOL"}},
        {},
    )  # fmt: skip
    assert passes(text, *records) == expected


@pytest.mark.parametrize("text", ["score > 3", "score > 3.0", "score BETWEEN 3 AND 4", "score = 9.0"])
def test_text_is_never_compared_as_if_it_were_a_number(text):
    (result,) = passes(text, {"score": "10"})
    assert isinstance(result, Refusal)
    assert "score is text" in result.reason
    assert result.reason.endswith("text is compared as a number by CAST(column AS DOUBLE)")


def test_text_that_is_cast_is_compared_and_what_cannot_be_is_refused_alone():
    few = passes("CAST(score AS DOUBLE) > 3.5", {"score": "10"}, {"score": "x"}, {"score": "2"}, {})
    assert (few[0], few[2], few[3]) == (True, False, False)
    assert isinstance(few[1], Refusal)
    assert passes("CAST(REPLACE(score, ',', '.') AS DOUBLE) > 3", {"score": "3,5"}) == [True]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not an SQL condition"),
        ("type =", "is not an SQL condition"),
        ("'", "is not an SQL condition"),
        ("\0", "is not an SQL condition"),
        ("\ud800 = 1", "is not an SQL condition"),
        ("1 = 1", "names no column"),
        ("COUNT(*) > 1", "'COUNT'; a condition sees only one record"),
        ("x > AVG (y)", "'AVG'; a condition sees only one record"),
        ("SUM(x) OVER (PARTITION BY y) > 1", "'SUM'; a condition sees only one record"),
        ("x IN (SELECT y FROM z)", "'SELECT'; a condition sees only one record"),
        ("read_csv('/etc/passwd') = 1", "'read_csv'; a condition sees only one record"),
        ("COLUMNS('.*') = 1", "'COLUMNS'; a condition sees only one record"),
        ('"^.*$" = 1', "which is a pattern"),
        ("x = 1; DROP TABLE outputs", "one condition without comments"),
        ("x = 1 -- y", "one condition without comments"),
        ("x = '" + "a" * 2_000 + "'", "at most 2000 are allowed"),
        ("(" * 1_990, "is not an SQL condition"),
    ],
)
def test_whatever_is_no_condition_on_one_record_is_refused_in_one_sentence(text, says):
    with pytest.raises(ValueError, match=r"^where ") as caught:
        condition(text)
    assert says.lower() in str(caught.value).lower()
    assert str(caught.value).isprintable()


def test_the_configuration_reads_the_condition_before_any_file():
    with pytest.raises(ValueError, match="not an SQL condition"):
        FilesSettings(name="a", path="b", where="type ==")


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_sentence(text):
    try:
        message = str(condition(text).columns)
    except ValueError as error:
        message = str(error)
    assert len(message) < 700
    assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in message)


NUMBERS = st.integers() | st.floats(allow_nan=False)
VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b"]), VALUES, max_size=2), max_size=6),
    st.sampled_from(["a = 'x' OR b > 1", "a IS NOT NULL AND b < 0.5", "LOWER(a) LIKE '%x' OR b", "a = b"]),
)
def test_what_passes_does_not_depend_on_neighbours(records, text):
    together = passes(text, *records)
    alone = [passes(text, record)[0] for record in records]
    assert [isinstance(r, Refusal) or r for r in together] == [isinstance(r, Refusal) or r for r in alone]


def test_a_column_that_no_record_has_and_a_condition_that_none_meets_are_told():
    rows = RowFilter("kind = 'LLM' AND typ = 'x'")
    portion = Portion([({"kind": "LLM"}, Piece(b"{}", 1, 0))])
    rows.count(portion, rows.applied(portion))
    assert rows.doubts("bot")[0] == ["source 'bot': where names 'typ', which none of 1 records has"]
    rows = RowFilter("kind = 'TOOL'")
    rows.count(portion, rows.applied(portion))
    assert rows.doubts("bot") == ([], ["source 'bot': where lets none of 1 records through"])
