"""Two hundred planted values, errors forced at the stages, and every file, log and page searched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.end_to_end.conftest import Answer, read
from tests.support.canaries import held, planted, records, texts_of
from tests.support.small_verifier import small_folder

VALUES = planted()
ALLOWED = {
    "tables/outputs": {"answer", "question", "context", "metadata"},
    "tables/claims": {"answer"},
    "tables/passages": {"context"},
    "tables/verdicts": {"answer"},  # a reason names the words that no passage mentions
    "tables/quarantine": {"refused"},  # the raw record, which somebody has to mend
    "reports": {"answer", "question", "context"},  # claims beside their evidence are what a report is for
}
"""Which planted values a folder of the lake may hold, by the place they were planted in."""
STAGES = {
    "read": "flows.stages.pull_sources",
    "extract": "tasks.judge.extraction.claims_stage.extract",
    "score": "tasks.judge.scoring.scored",
    "gate": "tasks.gate.validate.Validator.check",
    "commit": "tasks.lake.store.Lake.commit",
    "leaks": "flows.leaks.leaks.scan",
    "report": "tasks.report.report.write",
}
QUICK = ("score",)
CONFIGURATION = """
lake = "lake"

[[sources]]
name = "exports"
kind = "files"
path = "input.jsonl"

[sources.fields]
id = "trace.id"
produced_at = "timestamp"
prompt = "input.question"
response = "output.text"
agent = "agent"
contexts = "retrieval.documents"
context_text = "content"
context_uri = "source"

[verifier]
model = "{verifier}"

[privacy.leaks]
confidential = "list.txt"

[validation]
maximum_quarantine_ratio = 0.9

[[webhooks]]
name = "siem"
url = "events.jsonl"
kind = "file"
"""


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.jsonl").write_text("\n".join(records(VALUES)) + "\n", "utf-8")
    strings = [value for value, (kind, _) in VALUES.items() if kind == "confidential"]
    (tmp_path / "list.txt").write_text("\n".join(strings), "utf-8")
    (tmp_path / "claimledger.toml").write_text(CONFIGURATION.format(verifier=small_folder()), "utf-8")
    return tmp_path


def broken(*arguments: object, **more: object) -> None:
    raise RuntimeError(f"cannot use {' '.join(VALUES)}")


def run(exports: Path, command: Callable[..., Answer], stages: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Everything that is left after an audit was broken at each of the stages and then ran."""
    for stage in stages:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(STAGES[stage], broken)
            done = command("audit")
        assert done.code == 2, stage
        assert re.search(r"claimledger: unexpected RuntimeError at (?:flows|tasks)/\S+:\d+;", done.err), stage
        yield f"terminal of {stage}", done.out + done.err
    done = command("audit", "--json")
    assert done.code in (0, 1), done.err
    yield "terminal", done.err
    yield "document", done.out
    done = command("actions", "export", "actions.jsonl")
    assert done.code == 0, done.err
    for name in ("actions.jsonl", "events.jsonl"):
        yield name, (exports / name).read_text("utf-8")
    yield from texts_of(exports / "lake")


def is_allowed(name: str, value: str) -> bool:
    folder = "/".join(name.split("/")[: 2 if name.startswith("tables/") else 1])
    return VALUES[value][1] in ALLOWED.get(folder, ())


@pytest.mark.parametrize(
    "stages", [QUICK, pytest.param(tuple(STAGES), marks=pytest.mark.slow)], ids=["quick", "all"]
)
def test_planted_values_are_only_where_the_configuration_allows(
    exports: Path, command: Callable[..., Answer], stages: tuple[str, ...]
) -> None:
    found = held(run(exports, command, stages), VALUES)
    strayed = {
        name: sorted({VALUES[value] for value in values if not is_allowed(name, value)})
        for name, values in found.items()
    }
    assert {name: values for name, values in strayed.items() if values} == {}
    lake = exports / "lake"
    assert {VALUES[value][1] for name, values in found.items() if "outputs" in name for value in values} == {
        "answer", "question", "context", "metadata",
    }  # fmt: skip
    kinds = {kind for kind, place in VALUES.values() if place == "answer"}
    caught = read(lake, "findings")
    assert {"leak" if kind == "confidential" else kind for kind in kinds} <= set(caught["kind"])
    planted_answers = [value for value, (_, place) in VALUES.items() if place == "answer"]
    assert caught.filter(pl.col("confidence") > 0.5)["output_id"].n_unique() >= 0.97 * len(planted_answers)


UNDER_PREFECT = """
import prefect
import flows.audit, tasks.judge.scoring
from tests.end_to_end.test_canaries import broken

scored, tasks.judge.scoring.scored = tasks.judge.scoring.scored, broken
try:
    flows.audit.audit("claimledger.toml")
except Exception as error:
    print("stopped by", error)
tasks.judge.scoring.scored = scored
print(flows.audit.audit("claimledger.toml").exit_code)
"""


@pytest.mark.slow  # starts a server of Prefect's own
def test_states_logs_and_artifacts_of_prefect_hold_none_of_them(exports: Path) -> None:
    home = exports / "prefect"
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": "",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, "-c", UNDER_PREFECT], cwd=exports, env=environment, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert "stopped by unexpected RuntimeError at tasks/judge/scoring.py" in done.stdout, done.stderr
    pages = [("terminal", done.stdout + done.stderr), *texts_of(home)]
    assert any("nightly audit" in text for name, text in pages if "prefect.db" in name)
    assert held(iter(pages), VALUES) == {}
