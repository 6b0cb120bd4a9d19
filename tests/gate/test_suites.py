"""One declaration, several renderings: none of them may drift from it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.gate import suite_files, suites
from tasks.gate.refusals import MAXIMUM_RAW, refuse
from tasks.render import rendered
from tasks.schema import Between, Column, EqualWhere, Matches, NotAbove, OneOf, Rule, Table, conform
from tasks.tables import TABLES
from tasks.tables import UTC as MICROSECONDS

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("name", sorted(rendered()))
def test_what_is_committed_is_what_the_declarations_render_to(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == rendered()[name], "run `make render` and commit the result"


def test_no_suite_is_left_over_from_a_table_that_is_gone() -> None:
    assert {file.stem for file in (ROOT / suite_files.COMMITTED).glob("*.json")} == set(TABLES)


def violations(rule: Rule, **columns: list[Any]) -> list[bool]:
    """Where a rule on column `x` sees a violation."""
    frame = pl.DataFrame(columns)
    table = Table(
        "t",
        ("x",),
        "A table",
        tuple(
            Column(name, dtype, "A column", nullable=True, rules=(rule,) if name == "x" else ())
            for name, dtype in frame.schema.items()
        ),
    )
    (check,) = suites.checks(table)[2:]
    return frame.select(found=check.violated)["found"].to_list()


@pytest.mark.parametrize(
    ("rule", "columns", "wanted"),
    [
        (Between(0.0, 1.0), {"x": [0.0, 1.0, -0.1, 1.1, None, float("nan"), float("inf"), -0.0]},
         [False, False, True, True, False, True, True, False]),
        (Between(0), {"x": [0, -1, None]}, [False, True, False]),
        (Between(high=5), {"x": [5, 6, -9]}, [False, True, False]),
        (OneOf(("a", "b")), {"x": ["a", "c", None, ""]}, [False, True, False, True]),
        (Matches("^[0-9a-f]{4}$"), {"x": ["0a0a", "0A0A", "0a0a\n", "0a0a0", "", None]},
         [False, True, True, True, True, False]),
        (NotAbove("y"), {"x": [1, 2, 3, None, 1], "y": [1, 3, 2, 1, None]},
         [False, False, True, False, False]),
        (EqualWhere("y", "p", 1.0),
         {"x": [1, 1, 1, 1, None], "y": [1, 2, 2, 2, 2], "p": [0.5, 0.5, 1.0, None, 0.5]},
         [False, True, False, False, False]),
    ],
    ids=["between", "at least", "at most", "one of", "matches", "not above", "equal where"],
)  # fmt: skip
def test_a_rule_refuses_exactly_what_it_says(
    rule: Rule, columns: dict[str, list[Any]], wanted: list[bool]
) -> None:
    assert violations(rule, **columns) == wanted


def test_a_row_lacks_a_required_value_by_name_and_may_lack_an_optional_one() -> None:
    table = Table(
        "t",
        ("a",),
        "A table",
        (
            Column("a", pl.String, "An id"),
            Column("b", pl.Float64, "A number"),
            Column("c", pl.String, "Optional", nullable=True),
        ),
    )
    frame = pl.DataFrame(
        {"a": ["1", None, "3", None], "b": [1.0, 1.0, float("nan"), None], "c": [None] * 4},
        schema=table.schema,
    )
    assert frame.select(suites.missing(table)).to_series().to_list() == ["", "a", "b", "a, b"]
    assert frame.select(x=suites.checks(table)[0].violated)["x"].to_list() == [False, True, True, True]


def test_of_a_key_that_comes_twice_the_first_row_is_good() -> None:
    table = Table("t", ("a", "b"), "A table", (Column("a", pl.Int64, "A"), Column("b", pl.Int64, "B")))
    frame = pl.DataFrame({"a": [1, 1, 1, 2], "b": [1, 2, 1, 1]})
    assert frame.select(x=suites.checks(table)[1].violated)["x"].to_list() == [False, False, True, False]


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: str(table.name))
def test_a_suite_names_only_columns_of_its_table_and_every_check_once(table: Table) -> None:
    suite = suites.suite(table)
    names = [expectation["meta"]["check"] for expectation in suite["expectations"]]
    assert len(set(names)) == len(names)
    known = {*table.schema, suites.MISSING}
    for expectation in suite["expectations"]:
        assert 0 < len(set(suites.columns_read(expectation)) & known) == len(suites.columns_read(expectation))
        assert expectation["severity"] in ("critical", "warning")


@pytest.mark.parametrize("name", TABLES)
def test_the_suite_that_runs_is_the_committed_file(name: str) -> None:
    suite = suite_files.committed(name)
    data = (ROOT / suite.file).read_bytes()
    assert suite.body == json.loads(data) == json.loads(suites.render_suite(TABLES[name]))
    assert suite.sha256 == hashlib.sha256(data).hexdigest()


def test_silent_truncation_is_an_expectation_of_the_evidence_table() -> None:
    (found,) = [
        e
        for e in suites.suite(TABLES["evidence"])["expectations"]
        if e["type"] == "expect_column_pair_values_to_be_equal"
    ]
    assert found["kwargs"]["column_A"] == "tokens_seen"
    assert found["kwargs"]["column_B"] == "tokens_offered"
    assert found["kwargs"]["row_condition"] == {
        "type": "comparison", "column": {"name": "p_insufficient"}, "operator": "<", "parameter": 1.0,
    }  # fmt: skip


# Refused rows -------------------------------------------------------------------------------------------


def refused(response: str, count: int = 1) -> pl.DataFrame:
    values: dict[str, Any] = {name: [None] * count for name in TABLES["outputs"].schema}
    values |= {"output_id": ["ID"] * count, "response": [response] * count, "agent": ["robot"] * count}
    rows = pl.DataFrame(values, schema=TABLES["outputs"].schema).with_columns(
        check=pl.lit("c"), reason=pl.lit("r")
    )
    return refuse(
        TABLES["outputs"],
        rows,
        offending=["response", "agent", "contexts"],
        source="bot",
        run_id="f" * 64,
        quarantined_at=NOW,
    )


def test_a_refused_row_shows_its_key_and_offending_values_and_never_what_people_wrote() -> None:
    row = refused("my card is 4111 1111 1111 1111").row(0, named=True)
    assert row["locator"] == "ID"
    assert row["source"] == "bot"
    assert '"agent":"robot"' in row["raw"]
    assert "4111" not in str(row)
    assert '"response":"(30 characters)"' in row["raw"]


def test_equal_refused_rows_stay_apart_so_that_counts_reconcile() -> None:
    rows = refused("text", count=3)
    assert rows["row_sha256"].is_unique().all()
    assert rows["locator"].to_list() == ["ID", "ID (2)", "ID (3)"]
    assert conform(TABLES["quarantine"], rows).equals(rows)


def test_raw_is_bounded_and_the_same_refusal_has_the_same_id_in_every_run() -> None:
    table = Table("t", ("a",), "A table", tuple(Column(chr(97 + n), pl.String, "Long") for n in range(20)))
    rows = pl.DataFrame({c: ["ä" * 5000] for c in table.schema}).with_columns(
        check=pl.lit("c"), reason=pl.lit("r")
    )
    found = [
        refuse(table, rows, offending=list(table.schema), source="s", run_id=run, quarantined_at=NOW)
        for run in ("1", "2")
    ]
    assert found[0]["raw"].str.len_chars().max() == MAXIMUM_RAW
    assert found[0]["row_sha256"].equals(found[1]["row_sha256"])
    assert found[0].schema["quarantined_at"] == MICROSECONDS
