"""A team's own suites: what runs beside the committed ones, and what is refused before anything is judged."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import doctor
from tasks.errors import ConfigError, GateError
from tasks.gate import great_expectations, suite_files
from tasks.gate.validate import RESULTS, Validator, load_team_suites

Frames = Callable[..., dict[str, pl.DataFrame]]
LENGTH = {
    "type": "expect_column_value_lengths_to_be_between",
    "kwargs": {"column": "response", "max_value": 3},
}
AGENT = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "agent", "value_set": ["nobody"]}}
CLASS = """
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial
from great_expectations.execution_engine import PandasExecutionEngine

class ColumnValuesShout(ColumnMapMetricProvider):
    condition_metric_name = "column_values.shout_%(name)s"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column, **kwargs):
        return column.str.isupper()

class ExpectColumnValuesToShout%(class)s(ColumnMapExpectation):
    map_metric = "column_values.shout_%(name)s"
"""


def folder(place: Path, **files: object) -> str:
    """A team's folder; text is written as it is, anything else as a suite of these expectations."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps({"expectations": content})
        file = f"{name.removesuffix('_py')}.py" if name.endswith("_py") else f"{name}.json"
        (place / file).write_text(text, "utf-8")
    return str(place)


def validator(place: Path, team: str, **changes: Any) -> Validator:
    return Validator(
        place / "run", data_docs=False, run_id="f" * 64, now=datetime(2026, 1, 2, tzinfo=UTC),
        team=load_team_suites(team), **changes,
    )  # fmt: skip


def stored(place: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in (place / "run" / great_expectations.RESULTS).read_text().splitlines()
    ]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def test_without_a_folder_there_are_no_suites_of_a_team() -> None:
    assert load_team_suites("") == {}


def test_a_critical_expectation_of_a_team_stops_the_publication(
    tmp_path: Path, mine: Path, frames: Frames
) -> None:
    gate = validator(tmp_path, folder(mine, outputs=[AGENT]))
    sentence = (
        f"{mine}/outputs.json: outputs: expect_column_values_to_be_in_set on agent (critical) fails for 10 "
        "of 10 rows; nothing of this unit was published"
    )
    with pytest.raises(GateError, match=re.escape(sentence)):
        gate.check("outputs", frames(10)["outputs"])
    (result,) = json.loads((tmp_path / "run" / RESULTS).read_text())["results"]
    assert (result["gate_failed"], result["rows"], result["quarantined"]) == (True, 10, 0)
    assert list(result["suites"]) == [f"{mine}/outputs.json", "tasks/gate/expectations/outputs.json"]
    last = stored(tmp_path)[-1]
    assert (last["suite_name"], last["success"]) == ("outputs-team", False)
    assert last["results"][0]["result"]["unexpected_count"] == 10


def test_a_warning_is_told_with_its_rows_and_an_info_is_in_the_results_alone(
    tmp_path: Path, mine: Path, frames: Frames
) -> None:
    expectations = [{**AGENT, "severity": "warning"}, {**LENGTH, "severity": "info"}]
    gate = validator(tmp_path, folder(mine, outputs=expectations))
    for _ in range(2):
        assert gate.check("outputs", frames(4)["outputs"]).good.height == 4
    gate.check("claims", frames(4)["claims"])
    assert gate.warnings() == [
        f"{mine}/outputs.json: outputs: expect_column_values_to_be_in_set on agent (warning) fails for 8 "
        "of 8 rows"
    ]
    assert [len(result["failures"]) for result in gate.results()] == [1, 1, 0]  # type: ignore[arg-type]
    team = [result for result in stored(tmp_path) if result["suite_name"] == "outputs-team"]
    outcomes = {each["expectation_config"]["type"]: each["success"] for each in team[-1]["results"]}
    assert outcomes == {AGENT["type"]: False, LENGTH["type"]: False}


def test_a_class_of_the_team_runs(tmp_path: Path, mine: Path, frames: Frames) -> None:
    shout = {"type": "expect_column_values_to_shout_one", "kwargs": {"column": "agent"}}
    team = folder(mine, outputs=[shout], own_py=CLASS % {"class": "One", "name": "one"})
    with pytest.raises(GateError, match=r"values_to_shout_one on agent \(critical\) fails for 5"):
        validator(tmp_path, team).check("outputs", frames(5)["outputs"])
    loud = frames(5)["outputs"].with_columns(pl.col("agent").str.to_uppercase())
    assert validator(tmp_path, team).check("outputs", loud).good.height == 5
    assert not [path for path in mine.rglob("*") if path.name not in ("outputs.json", "own.py")]


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_an_expectation_that_raises_while_it_runs_counts_as_failed_and_says_why(
    tmp_path: Path, mine: Path, frames: Frames, severity: str
) -> None:
    kind = {"type": f"expect_column_values_to_shout_{severity}", "kwargs": {"column": "agent"}}
    source = CLASS % {"class": severity.title(), "name": severity}
    source = source.replace("return column.str.isupper()", "raise OSError('no dictionary\\nof shouts')")
    gate = validator(tmp_path, folder(mine, outputs=[{**kind, "severity": severity}], own_py=source))
    sentence = rf"on agent \({severity}\) cannot be evaluated: .*no dictionary of shouts"
    if severity == "critical":
        with pytest.raises(GateError, match=sentence):
            gate.check("outputs", frames(5)["outputs"])
    else:
        gate.check("outputs", frames(5)["outputs"])
        assert re.search(sentence, gate.warnings()[0])
    assert "Traceback" not in (tmp_path / "run" / great_expectations.RESULTS).read_text()


def test_results_and_pages_of_a_teams_suite_show_nothing_that_people_wrote(
    tmp_path: Path, mine: Path, frames: Frames
) -> None:
    most = {"type": "expect_column_most_common_value_to_be_in_set",
            "kwargs": {"column": "response", "value_set": ["x"]}}  # fmt: skip
    suite = [{**each, "severity": "warning"} for each in (LENGTH, most, AGENT)]
    gate = validator(tmp_path, folder(mine, outputs=suite))
    gate.data_docs = True
    gate.check("outputs", frames(3)["outputs"].with_columns(response=pl.lit("my card is 4111 1111 1111")))
    gate.finish()
    assert len(gate.warnings()) == 3
    for file in (tmp_path / "run").rglob("*"):
        assert not file.is_file() or b"4111" not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds no suite; add one JSON file per table"),
        ({"verdict": [AGENT]}, "verdict.json: there is no table verdict, did you mean verdicts?"),
        ({"events": [AGENT]}, "events.json: no suite runs on events; use actions, actions_taken, caught"),
        ({"outputs": "{"}, "outputs.json: not valid JSON: Expecting property name"),
        ({"outputs": "[" * 100_000}, "outputs.json: not valid JSON: "),
        ({"outputs": "[]"}, 'outputs.json: expected an object with a list "expectations"'),
        ({"outputs": '{"expectations": [], "suites": 1}'}, "outputs.json: unknown key suites"),
        ({"outputs": []}, "outputs.json: has no expectations; add some or remove the file"),
        ({"outputs": ["x"]}, 'outputs.json: expectation 1: expected an object with a "type"'),
        ({"outputs": [AGENT, {**AGENT, "sevrity": "info"}]},
         "expectation 2 (expect_column_values_to_be_in_set): unknown key sevrity, did you mean severity?"),
        ({"outputs": [{**AGENT, "severity": "fatal"}]},
         "unknown severity fatal, expected critical, warning, info"),
        ({"outputs": [{**AGENT, "kwargs": {"column": "agnet", "value_set": []}}]},
         "the table has no column agnet, did you mean agent?"),
        ({"outputs": [{**AGENT, "kwargs": {**AGENT["kwargs"], "row_condition": {
            "type": "comparison", "column": {"name": "modle"}, "operator": "==", "parameter": "x"}}}]},
         "the table has no column modle, did you mean model?"),
        ({"outputs": [{**AGENT, "kwargs": [1]}]}, '"kwargs" is not an object'),
        ({"outputs": [{**AGENT, "type": "expect_column_values_to_be_in_sett"}]},
         "(expect_column_values_to_be_in_sett): unknown expectation, did you mean "
         "expect_column_values_to_be_in_set?"),
        ({"outputs": [{**AGENT, "kwargs": {"column": "agent"}}]}, "cannot be made: "),
        ({"outputs": [{**AGENT, "kwargs": {**AGENT["kwargs"], "strict_mode": 1}}]}, "cannot be made: "),
        ({"outputs": [AGENT], "own_py": "raise RuntimeError('not\\nhere')"},
         "own.py: cannot be imported, RuntimeError: not here; correct it"),
        ({"outputs": [AGENT], "own_py": "def"}, "own.py: cannot be imported, SyntaxError"),
        ({"outputs": [AGENT], "own_py": "import sys; sys.exit(3)"},
         "own.py: cannot be imported, SystemExit: 3"),
        ({"outputs": [{"type": "expect_column_values_to_shout_made", "kwargs": {"column": "agent"}}],
          "own_py": (CLASS % {"class": "Made", "name": "made"})
          + "    def __init__(self, **kwargs):\n        raise RuntimeError('never')\n"},
         "expectation 1 (expect_column_values_to_shout_made): cannot be made: never"),
        ({"outputs": [AGENT], "own_py": "from great_expectations.expectations.expectation import *\n"
          "class ExpectColumnValuesToBeInSet(ColumnMapExpectation):\n"
          "    map_metric = 'column_values.in_set'\n"},
         "own.py: a class replaces expect_column_values_to_be_in_set of Great Expectations; give it another"),
    ],
)  # fmt: skip
def test_a_suite_that_cannot_be_used_is_one_sentence_before_anything_is_judged(
    mine: Path, files: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)) as caught:
        load_team_suites(folder(mine, **files))
    assert str(mine) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_is_one_sentence(mine: Path) -> None:
    with pytest.raises(ConfigError, match=r"yours: No such file or directory; validation.suites must name"):
        load_team_suites(str(mine / "yours"))


def test_doctor_says_which_suites_a_team_has_and_what_is_wrong_with_them(mine: Path) -> None:
    config = mine.parent / "claimledger.toml"
    config.write_text('[validation]\nsuites = "mine"\n')
    folder(mine, outputs=[AGENT], claims=[{"type": "expect_table_row_count_to_be_between", "kwargs": {}}])
    assert suites_check(config) == (True, f"{mine}: claims, outputs")
    folder(mine, claims="{")
    ok, detail = suites_check(config)
    assert not ok
    assert detail.startswith(f"{mine}/claims.json: not valid JSON")


def suites_check(config: Path) -> tuple[bool, str]:
    settings = doctor.settings_module.load(config)
    check = doctor.validation_suites(settings)
    return check.ok, check.detail


def test_the_committed_suites_are_in_a_wheel(tmp_path: Path) -> None:
    """Built without isolation and network; the suites must be found where the package is."""
    root = Path(__file__).resolve().parents[2]
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (copy / name).write_bytes((root / name).read_bytes())
    subprocess.run(["cp", "-r", root / "tasks", copy / "tasks"], check=True)
    subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", wheel], capture_output=True, text=True, check=True
    ).stdout
    assert f"{suite_files.COMMITTED}/verdicts.json" in listed
