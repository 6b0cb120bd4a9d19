"""The README cannot rot: its examples run, its commands exist, its links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import polars as pl

from flows.commands.cli import app
from tests.conftest import REPOSITORY
from tests.end_to_end.conftest import Answer

Command = Callable[..., Answer]
README = (REPOSITORY / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_of_a_wrong_claim_shows_a_wrong_claim(elsewhere: Path, command: Command) -> None:
    (console,) = blocks("console")
    for line in re.findall(r"^\$ claimledger (.*)$", console, flags=re.MULTILINE):
        done = command(*shlex.split(line))
        assert done.code == 0, done.err
    (example,) = blocks("python")
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(compile(example, "README.md", "exec"), names)  # noqa: S102 - the README's own example
    verdicts = names["verdicts"].join(names["claims"].select("claim_id", "text"), on="claim_id")
    for words, reason in (
        ("94 reactors", "evidence says 92 reactors, the claim says 94 reactors"),
        ("Opened software can be returned", "only the evidence negates “returned”"),
    ):
        wrong = verdicts.filter(verdicts["text"].str.contains(words))
        assert wrong["verdict"].item() == "contradicted"
        assert wrong["reason"].item().startswith(reason)
    actions = pl.read_parquet("demo/lake/tables/actions/**/*.parquet")
    escalated = actions.filter(pl.col("action") == "escalated")
    assert set(wrong["output_id"]) <= set(escalated["output_id"])
    assert escalated.height == 2
    assert "verdict" in shown.getvalue()


def test_every_command_has_help_with_an_example_and_a_place_in_the_readme() -> None:
    listed = set(re.findall(r"claimledger ([a-z]+)", README)) | set(re.findall(r"\| ([a-z]+) ", README))
    for name in app:
        if name.startswith("-"):
            continue
        assert name in listed, f"{name} is not in the README"
        assert "Example: claimledger" in (app[name].help or "") or "Example: PREFECT" in app[name].help, name


def test_every_link_of_the_documents_leads_to_a_file() -> None:
    for document in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_nothing_names_a_package_registry() -> None:
    registries = ("pypi" + ".org", "files.python" + "hosted", "download." + "pytorch", "registry." + "npmjs")
    for file in [*REPOSITORY.glob("*.*"), *(REPOSITORY / "docs").rglob("*.md"), REPOSITORY / "Makefile"]:
        if file.is_file() and file.suffix not in (".png",):
            text = file.read_text("utf-8")
            assert not [name for name in registries if name in text], file.name
