"""The guides cannot rot: what they tell people to type is typed here, in the order of each page.

One audited folder for all of them. A block of commands is `console` with `$` before each; those that need a
server, a device or a person are listed with the reason.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tasks import settings
from tests.conftest import REPOSITORY
from tests.end_to_end.conftest import Answer
from tests.support import reaudit_lake
from tests.support.small_verifier import small_folder

Command = Callable[..., Answer]
DOCS = REPOSITORY / "docs"
GUIDES = ("data-engineer.md", "analyst.md", "auditor.md", "good-enough.md", "completeness.md")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
A_COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?claimledger\b", re.MULTILINE)


def blocks(guide: str, language: str) -> list[str]:
    text = (DOCS / guide).read_text("utf-8")
    return [body for kind, body in BLOCK.findall(text) if kind == language]


ELSEWHERE = {
    "deploy": "needs a Prefect server; tests/flows/test_prefect.py has one",
    "serve": "needs a Prefect server; tests/flows/test_prefect.py has one",
    "review serve": "serves until it is stopped; tests/end_to_end/test_review_in_a_browser.py reads its page",
}
"""Commands that are not typed here, and why."""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team's folder after a night, with everything where the guides have it."""
    team = reaudit_lake.made(tmp_path_factory.mktemp("guides") / "team")
    answers = [json.loads(line) for line in (team.folder / "outputs.jsonl").read_text().splitlines()]
    third = [row | {"id": f"third-{row['id']}", "agent": "third-bot"} for row in answers]
    (team.folder / "outputs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in answers + third))
    team.audit()
    config = team.folder / "claimledger.toml"
    config.write_text(config.read_text().replace(f"{team.folder}/", ""))
    (team.folder / "exports").mkdir()
    exported = [{"id": row["id"], "timestamp": row["at"], "answer": row["text"]} for row in answers]
    packed = gzip.compress("".join(f"{json.dumps(row)}\n" for row in exported).encode())
    (team.folder / "exports" / "answers.jsonl.gz").write_bytes(packed)
    return team.folder


@pytest.fixture
def folder(audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(audited, tmp_path / "team")
    monkeypatch.chdir(tmp_path / "team")
    monkeypatch.setenv("CLAIMLEDGER__VERIFIER__MODEL", str(small_folder()))
    return tmp_path / "team"


def review(sheet: Path) -> None:
    """What a person does with a sheet: every verdict is right but the first."""
    rows = list(csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"), newline="")))
    for number, row in enumerate(rows):
        row |= {"reviewer": "Ada", "outcome": "confirmed" if number else "overturned"}
        row["corrected_verdict"] = "" if number else "insufficient"
    with sheet.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def placeholders(folder: Path) -> dict[str, str]:
    """What people put in where a guide has a word in capitals."""
    events = pl.read_parquet(folder / "lake" / "tables" / "events" / "**" / "*.parquet")
    shutil.copy(folder / "lake" / "ledger" / "checkpoint", folder / "kept-checkpoint")
    return {
        "EVENT_ID": events.filter(events["kind"] == "verification")["event_id"][0],
        "KEY": (folder / "lake" / "ledger" / "vkey").read_text().strip(),
        "CHECKPOINT": "kept-checkpoint",
    }


@pytest.mark.parametrize("guide", GUIDES)
def test_the_commands_of_a_guide_run_one_after_the_other(guide: str, folder: Path, command: Command) -> None:
    values = placeholders(folder)
    shutil.copytree(DOCS / "auditor", folder / "docs" / "auditor", dirs_exist_ok=True)
    python = f"{shlex.quote(sys.executable)} "
    for line in re.findall(r"^\$ (.*?)(?: {2,}#.*)?$", "".join(blocks(guide, "console")), re.M):
        typed = re.sub(r"\b[A-Z]+(?:_[A-Z]+)*\b", lambda word: values.get(word[0], word[0]), line)
        if not typed.startswith("claimledger "):
            done = subprocess.run(
                ["bash", "-c", typed.replace("python ", python)],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, ""), typed
            assert not (typed.startswith("for ") and done.stdout), done.stdout
            continue
        arguments = shlex.split(typed)[1:]
        if not ELSEWHERE.keys().isdisjoint((arguments[0], " ".join(arguments[:2]))):
            continue
        if arguments[:2] == ["review", "import"]:
            review(folder / arguments[2])
        answer = command(*arguments)
        assert answer.code == 0, (line, answer.err)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_block_of_commands_of_a_guide_is_run(guide: str) -> None:
    assert not [body for kind in ("", "sh", "bash") for body in blocks(guide, kind) if A_COMMAND.search(body)]


@pytest.mark.parametrize("query", [q for guide in GUIDES for q in blocks(guide, "sql")])
def test_a_query_of_a_guide_runs(query: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "'reports/" in query:  # of the report: it is run in the lake's folder
        monkeypatch.chdir(folder / "lake")
    with duckdb.connect() as database:
        database.execute((folder / "lake" / "views.sql").read_text())
        for statement in filter(str.strip, query.split(";\n")):
            assert database.sql(statement) is not None


def test_the_analysts_python_runs(folder: Path) -> None:
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for example in blocks("analyst.md", "python"):
            exec(compile(example, "analyst.md", "exec"), names)  # noqa: S102 - the guide's own example
    assert names["worst"].height > 0


@pytest.mark.parametrize("example", [b for guide in GUIDES for b in blocks(guide, "toml")])
def test_a_piece_of_configuration_in_a_guide_is_one_that_a_lake_takes(example: str, tmp_path: Path) -> None:
    known = tomllib.loads(example)
    if "sources" in known and isinstance(known["sources"], dict):
        # A section of a source, without its source.
        known = {"sources": [{"name": "x", "path": "x.jsonl", **known["sources"]}]}
    file = tmp_path / "claimledger.toml"
    for folder in ("models/ours", "expectations/mine"):
        (tmp_path / folder).mkdir(parents=True)
    settings.Settings(**known)
    file.write_text(example if "[[sources]]" in example or "[sources" not in example else "")
    settings.load(str(file))
