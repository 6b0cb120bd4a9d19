"""A team's own expectations, as the documentation says to write them, through the console."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Answer, read
from tests.support.architecture import ROOT

Command = Callable[..., Answer]
EMPTY = ("audit", "--until", "2000-01-01", "--quiet")
"""A night in which nothing was new: no model is loaded."""


def documented(name: str) -> str:
    """The example of the documentation that is written under `**name**`."""
    text = (ROOT / "docs" / "data-engineer.md").read_text("utf-8")
    (example,) = re.findall(rf"`{re.escape(name)}`:\n```\w+\n(.*?)```", text, re.S)
    return example  # type: ignore[no-any-return]


@pytest.fixture
def mine(team: Path) -> Path:
    """The folder of the team's suites, named in its configuration."""
    config = team / "claimledger.toml"
    config.write_text(config.read_text().replace("# suites =", "suites ="))
    (team / "expectations" / "mine").mkdir(parents=True)
    return team / "expectations" / "mine"


def test_a_critical_expectation_publishes_nothing_and_a_warning_is_told(
    team: Path, mine: Path, command: Command
) -> None:
    for name in ("outputs.json", "answers.py"):
        (mine / name).write_text(documented(f"expectations/mine/{name}"), "utf-8")
    stopped = command("audit", "--quiet")
    assert stopped.code == 1
    assert stopped.err == (
        f"claimledger: {mine}/outputs.json: outputs: expect_column_values_to_be_in_set on agent (critical) "
        "fails for 5 of 5 rows; nothing of this unit was published\n"
    )
    assert read(team / "lake", "outputs").height == read(team / "lake", "claims").height == 0
    run = read(team / "lake", "runs").row(0, named=True)
    assert run["status"] == "failed"
    folder = team / "lake" / "runs" / run["run_id"]
    assert json.loads((folder / "validation.json").read_text())["results"][0]["gate_failed"]
    assert (folder / "great_expectations.jsonl").read_text().count("outputs-team") >= 1
    assert list((folder / "data_docs" / "validations" / "outputs-team").rglob("*.html"))

    (mine / "outputs.json").unlink()
    (mine / "health.json").write_text(
        '{"expectations": [{"type": "expect_column_values_to_be_in_set", "severity": "warning",'
        ' "kwargs": {"column": "kind", "value_set": ["moon"]}}]}'
    )
    told = command(*EMPTY, "--json")
    sentence = f"{mine}/health.json: health: expect_column_values_to_be_in_set on kind (warning) fails for "
    assert told.code == 0, told.err
    assert told.document["warnings"][-1].startswith(sentence)
    page = Path(told.document["report"]).read_text("utf-8")
    assert "expect column values to be in set on <code>kind</code>, warning" in page.replace("_", " ")

    (mine / "health.json").write_text('{"expectations": [{"type": "expect_it"}]}')
    refused = command(*EMPTY)
    assert (refused.code, refused.err) == (
        2,
        f"claimledger: {mine}/health.json: expectation 1 (expect_it): unknown expectation; correct its type, "
        "or add the Python file that defines it\n",
    )
    assert read(team / "lake", "runs").height == 2
