"""What is in use against what is declared, as a person and as a machine read it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from flows.commands.cli import main
from tasks.errors import ConfigError
from tasks.inventory import bom, cards, declarations, declared_use
from tasks.lake.store import Lake
from tasks.tables import TABLES

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RUN = "0" * 64
HOSTILE = "[click](http://evil.example)|\n# owned"


def frame(table: str, *rows: dict[str, object]) -> pl.LazyFrame:
    return pl.DataFrame(rows, schema=TABLES[table].schema).lazy()


def output(number: int, day: int, **values: object) -> dict[str, object]:
    row = {"output_id": str(number), "produced_at": datetime(2026, 11, day, tzinfo=UTC), "source": "desk"}
    return row | {"agent": "ada", "use_case": "support", "tools": [], "metadata": "{}"} | values


OUTPUTS = frame(
    "outputs",
    output(1, 1, model="gpt-4-2026-05-01", tools=["search"]),
    output(
        2,
        18,
        model="gpt-4-2026-08-01",
        tools=["search", "mail"],
        metadata='{"status": "error", "failed_tools": ["mail"]}',
    ),
    output(3, 19, model=None, agent=HOSTILE, metadata='{"error": null, "status": "OK"}'),
)
ACTIONS = frame("actions", {"output_id": "2", "outcome": "contradicted"})
RUNS = frame("runs", {"run_id": RUN, "started_at": NOW, "verifier": "ab" * 32, "snapshot": None})
FINDINGS = frame("findings", {"output_id": "2", "kind": "iban"}, {"output_id": "1", "kind": "judge_address"})
DECLARED = """
[[agent]]
name = "ada"
owner = "Support"
purpose = "Answers customers"

[[model]]
name = "gpt-4"
version = "2026-05-01"
owner = "Platform"
provider = "OpenAI"
agreement = "DPA 12"
agreement_until = 2026-11-01
may_train = false
purpose = "Writes answers"

[[tool]]
name = "search"
owner = "Platform"
data_classes = ["email"]

[[source]]
name = "archive"
owner = "Data"
provider = "Cloud"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "all.toml").write_text(DECLARED)
    return tmp_path / "inventory"


@pytest.fixture
def rows(folder: Path) -> pl.DataFrame:
    things = declared_use.seen(OUTPUTS, ACTIONS, RUNS)
    classes = declared_use.classes_seen(OUTPUTS, FINDINGS)
    return declared_use.compared(things, classes, declarations.read(str(folder)), now=NOW, run_id=RUN)


def test_each_thing_has_its_findings_and_nothing_else(rows: pl.DataFrame) -> None:
    found = {(r["kind"], r["name"], r["version"]): r["finding"] for r in rows.to_dicts()}
    assert found == {
        ("agent", "ada", ""): None,
        ("agent", HOSTILE, ""): "seen and not declared",
        ("model", "gpt-4", "2026-05-01"): "the agreement ended on 2026-11-01",
        (
            "model",
            "gpt-4",
            "2026-08-01",
        ): "version 2026-08-01, declared 2026-05-01; the agreement ended on 2026-11-01",
        ("tool", "search", ""): "answers that used it hold iban, which it may not see",
        ("tool", "mail", ""): "seen and not declared",
        ("source", "desk", ""): "seen and not declared",
        ("source", "archive", ""): "declared and not seen for 30 days; no agreement on data processing",
        ("verifier", "ab" * 32, ""): None,
    }


def test_use_is_counted_with_its_first_and_last_day(rows: pl.DataFrame) -> None:
    search = rows.filter(pl.col("name") == "search").to_dicts()[0]
    assert (search["outputs"], search["contradicted"], search["owner"]) == (2, 1, "Platform")
    assert (search["first_seen_at"].day, search["last_seen_at"].day) == (1, 18)


def test_errors_are_counted_apart_from_contradicted_claims(rows: pl.DataFrame) -> None:
    failed = {
        r["name"]: (r["failed"], r["outputs"], r["error_ratio"]) for r in rows.to_dicts() if r["failed"]
    }
    assert failed == {"ada": (1, 2, 0.5), "desk": (1, 3, 1 / 3), "gpt-4": (1, 1, 1.0), "mail": (1, 1, 1.0)}
    assert rows.filter(pl.col("name") == "archive")["error_ratio"].to_list() == [None]


@pytest.mark.parametrize(
    ("metadata", "is_failed"),
    [
        ('{"status": "Error"}', True),
        ('{"level": "FAILURE"}', True),
        ('{"error": {"type": "timeout"}}', True),
        ('{"is_error": true}', True),
        ('{"is_error": "true"}', True),
        ('{"error": ""}', False),
        ('{"error": false, "status": "ok"}', False),
        ("[1]", False),
        ("no JSON", False),
    ],
)
def test_an_answer_failed_where_its_own_record_says_so(metadata: str, is_failed: bool) -> None:
    things = declared_use.seen(frame("outputs", output(1, 1, metadata=metadata)), ACTIONS, RUNS)
    assert things.filter(pl.col("kind") == "agent")["failed"].to_list() == [int(is_failed)]


def test_of_a_period_only_its_answers_are_counted_and_the_last_use_is_still_known() -> None:
    things = declared_use.seen(OUTPUTS, ACTIONS, RUNS, since=date(2026, 11, 18))
    counted = {row["name"]: (row["outputs"], row["first_seen_at"].day) for row in things.to_dicts()}
    assert counted["search"] == (1, 1)
    assert things.filter(pl.col("version") == "2026-05-01")["outputs"].to_list() == [0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[[tool]]\nname = "x"\nowner = "y"\nregio = "EU"', "unknown key regio, did you mean region"),
        ('[[tool]]\nname = "search"\nowner = "Other"', "owned by Platform and Other"),
        ('[[model]]\nname = "gpt-4"\nversion = "2"\nowner = "Other"', "two owners, Platform and Other"),
        ('[[tool]]\nname = "x"', "has no owner"),
        ('[[tools]]\nname = "x"\nowner = "y"', "expected arrays of tables named agent"),
        ('[[tool]]\nname = "x"\nowner = "y"\nmay_train = "no"', "is not of type bool"),
        ("[[tool", "not valid TOML"),
    ],
)
def test_bad_declarations_are_refused_in_a_sentence(folder: Path, text: str, sentence: str) -> None:
    (folder / "more.toml").write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        declarations.read(str(folder))


def test_the_bom_passes_the_schema_of_cyclonedx(rows: pl.DataFrame) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = bom.document(rows, now=NOW)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.decode()) is None
    made = json.loads(text)
    models = [c for c in made["components"] if c["type"] == "machine-learning-model"]
    assert {c["name"] for c in models} == {"gpt-4", "ab" * 32}
    assert any(
        c.get("modelCard", {}).get("considerations") == {"useCases": ["Writes answers"]} for c in models
    )
    assert text == bom.document(rows, now=NOW)


def test_a_card_says_what_an_agent_uses_and_runs_nothing(rows: pl.DataFrame) -> None:
    made = cards.cards(rows, cards.used_by(OUTPUTS), now=NOW)
    ada = next(text for name, text in made.items() if name.startswith("ada-"))
    assert "* Purpose: Answers customers" in ada
    assert "| tool | search | 2 |" in ada
    other = next(text for name, text in made.items() if not name.startswith("ada-"))
    assert "[click](" not in other
    assert "\n# owned" not in other


def test_the_command_keeps_the_rows_and_writes_the_files(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "claimledger.toml").write_text('lake = "lake"\n[inventory]\npath = "inventory"\n')
    given = ["inventory", "--config", str(tmp_path / "claimledger.toml")]
    assert (
        main([*given, "--bom", str(tmp_path / "bom.json"), "--cards", str(tmp_path / "cards"), "--json"]) == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in said} == {"ada", "gpt-4", "search", "archive"}
    assert json.loads((tmp_path / "bom.json").read_bytes())["specVersion"] == "1.6"
    assert Lake.open(str(tmp_path / "lake")).scan("inventory").collect().height == 4
    assert len(list((tmp_path / "cards").iterdir())) == 1
