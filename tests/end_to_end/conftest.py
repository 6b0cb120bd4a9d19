"""A small team's folder, and the console command as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flows.commands.cli import main
from tasks import starter, tables
from tests.support.browsers import BROWSER_MS, CHROMIUM, FLAGS
from tests.support.nursery import Nursery

TABLES = (
    "outputs",
    "claims",
    "passages",
    "evidence",
    "verdicts",
    "actions",
    "findings",
    "quarantine",
    "runs",
)
LASTING = TABLES[:-1]
"""What an audit that is run again must leave alone; `runs` has a row for every run."""


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that `claimledger init` writes, as the current folder."""
    monkeypatch.chdir(tmp_path)
    starter.write_starter(tmp_path, from_source=None, path=None)
    return tmp_path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window, for the tests of one file."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=BROWSER_MS)
        yield opened
        opened.close()


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs the console command in this process (models stay loaded between calls)."""

    def run(*arguments: str) -> Answer:
        capfd.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capfd.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture
def succeed(command: Callable[..., Answer]) -> Callable[..., Answer]:
    """The same, for a command whose failure would make all that a test says afterwards meaningless."""

    def run(*arguments: str) -> Answer:
        done = command(*arguments)
        assert done.code == 0, done.err
        return done

    return run


def in_a_new_process(*arguments: str, cwd: Path, timeout: float = 600) -> Answer:
    """Runs the console command as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.commands.cli", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def read(lake: Path, table: str) -> pl.DataFrame:
    """A table as the contract says analysts read it."""
    return pl.read_parquet(f"{lake}/tables/{table}/**/*.parquet")


def files_of(lake: Path, *tables: str) -> dict[str, bytes]:
    """Name and content of every file of some tables."""
    found = [f for t in tables for f in (lake / "tables" / t).rglob("*.parquet")]
    return {str(f.relative_to(lake)): f.read_bytes() for f in found}


RUN_SPECIFIC = ("run_id", "ingested_at", "verified_at", "decided_at", "found_at", "quarantined_at")


def content(lake: Path, table: str) -> pl.DataFrame:
    """A table's rows without what names the run that wrote them, in a fixed order."""
    frame = read(lake, table)
    frame = frame.drop([c for c in RUN_SPECIFIC if c in frame.columns])
    key = next(c for c in frame.columns if c.endswith(("_id", "sha256")))
    return frame.sort(key, *[c for c in ("rank",) if c in frame.columns])


def assert_the_next_ends_as(other: Path, nursery: Nursery, *command: str, folder: Path, lake: Path) -> None:
    """The command once more: tables are the other lake's, no row twice or half there, the ledger verifies."""
    again = nursery.run(*command, cwd=folder)
    assert again.code == 0, again.err
    for table in LASTING:
        found = content(lake, table)
        assert_frame_equal(found, content(other, table))
        assert not found.select(tables.TABLES[table].key).is_duplicated().any(), table
    runs = read(lake, "runs")
    assert set(runs["status"]) <= {"completed", "died", "failed"}
    assert runs.filter(pl.col("status") == "completed").height >= 1
    names = [file.name for file in (lake / "tables").rglob("*") if file.is_file()]
    assert [name for name in names if name.startswith((".", "_")) or not name.endswith(".parquet")] == []
    verified = nursery.run("ledger", "verify", "--json", cwd=folder)
    assert verified.code == 0, verified.err
    assert json.loads(verified.out)["findings"] == []
