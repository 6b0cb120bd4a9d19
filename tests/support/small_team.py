"""The folder of a team with one bot, whose answers are few and judged by the small verifier."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support.small_verifier import small_folder


def answer(key: str, at: str, text: str | None, told: str) -> dict[str, object]:
    """A record: what was answered, and what the bot was told."""
    return {"id": key, "at": at, "question": "What is there?", "answer": text, "docs": [told]}


def write_answers(file: Path, answers: Iterable[Mapping[str, object]]) -> None:
    """Records as JSON Lines."""
    file.write_text("".join(f"{json.dumps(each)}\n" for each in answers))


def configure(folder: Path, *, answers: str = "answers.jsonl", lake: str = "lake", more: str = "") -> None:
    """Writes `claimledger.toml`; `answers` is the path of the export, `more` further sections."""
    (folder / "claimledger.toml").write_text(
        f"""
lake = {json.dumps(lake)}
[[sources]]
name = "bot"
kind = "files"
path = {json.dumps(answers)}
agent = "bot"
use_case = "support"
[sources.fields]
id = "id"
produced_at = "at"
prompt = "question"
response = "answer"
contexts = "docs"
[verifier]
model = {json.dumps(str(small_folder()))}
{more}
"""
    )
