"""A team of two agents that answer from a folder of documents, audited; and what may change afterwards."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from flows.audit import audit
from flows.outcome import Outcome
from flows.reaudit import reaudit
from tasks.decide.policies import Policy
from tasks.evidence.parameters import CorpusSettings
from tasks.gate.parameters import ValidationSettings
from tasks.ledger.parameters import LedgerSettings
from tasks.reaudit.parameters import ReauditSettings
from tasks.settings import RunnerSettings, Settings
from tasks.sources.parameters import FieldMapping, FilesSettings
from tasks.verify.parameters import VerifierSettings
from tests.support.configuration import written
from tests.support.small_verifier import small_verifier

FACTS = {
    "plant": ("The Harwick plant has {} reactors in service.", 92),
    "leave": ("Employees are granted {} days of annual leave.", 25),
    "bridge": ("The Osterley bridge is {} metres long.", 310),
    "warranty": ("The warranty of the blender lasts {} months.", 24),
    "support": ("Support tickets are answered within {} hours.", 4),
    "archive": ("Audit records are archived for {} years.", 7),
    "tunnel": ("The Selkirk tunnel was built by {} workers.", 640),
    "library": ("The Penrith library lends {} books at a time.", 12),
}
WRONG = ("tunnel", "library")
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Team:
    """Documents, answers, and a configuration, under one folder."""

    folder: Path
    policy: Policy = Policy(on_conflict="supported")
    """What a document on another topic says against a claim does not count here."""
    verifier: VerifierSettings = field(default_factory=small_verifier)
    reaudits: ReauditSettings = field(default_factory=ReauditSettings)

    @property
    def settings(self) -> Settings:
        """As a configuration file would say."""
        return Settings(
            lake=str(self.folder / "lake"),
            sources=(
                FilesSettings(
                    name="bots",
                    path=str(self.folder / "outputs.jsonl"),
                    use_case="support",
                    fields=FieldMapping(id="id", produced_at="at", response="text", agent="agent"),
                ),
            ),
            corpus=CorpusSettings(path=str(self.folder / "docs")),
            policies=(self.policy,),
            verifier=self.verifier,
            reaudit=self.reaudits,
            validation=ValidationSettings(data_docs=False),
            runner=RunnerSettings(threads=1),
            ledger=LedgerSettings(key_folder=str(self.folder / "keys")),
        )

    @property
    def config(self) -> str:
        """The configuration file."""
        return written(self.settings, self.folder / "claimledger.toml")

    def with_(self, **values: Any) -> Team:
        """The same team under another policy or verifier."""
        return replace(self, **values)

    def document(self, topic: str, number: int) -> None:
        """Writes or edits the document about a topic."""
        text = FACTS[topic][0].format(number)
        (self.folder / "docs" / f"{topic}.md").write_text(f"{text} More is said of the {topic} elsewhere.\n")

    def audit(self) -> Outcome:
        """A night."""
        return audit(self.config)

    def reaudit(self, **values: Any) -> Outcome:
        """A re-audit of everything."""
        return reaudit(config=self.config, **{"seed": "seed", **values})

    def table(self, name: str) -> pl.DataFrame:
        """A table as analysts read it."""
        return pl.read_parquet(f"{self.folder}/lake/tables/{name}/**/*.parquet")

    def flips(self, outcome: Outcome) -> pl.DataFrame:
        """The flips of a run, with the claims' texts, by text."""
        texts = self.table("claims").select("claim_id", "text")
        mine = self.table("flips").filter(pl.col("run_id") == outcome.run_id)
        return mine.join(texts, on="claim_id").sort("text")

    def copy(self, folder: Path) -> Team:
        """Another team with the same past."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder)


def made(folder: Path) -> Team:
    """Eight documents; two agents say what stands in them, the first one wrongly of two."""
    team = Team(folder)
    (folder / "docs").mkdir(parents=True)
    rows = []
    for number, (topic, (sentence, value)) in enumerate(FACTS.items()):
        team.document(topic, value)
        at = NOON + timedelta(days=number % 2, seconds=number)
        for agent in ("first-bot", "second-bot"):
            said = value + 1 if agent == "first-bot" and topic in WRONG else value
            rows.append(
                {
                    "id": f"{agent}-{topic}",
                    "at": at.isoformat(),
                    "agent": agent,
                    "text": sentence.format(said),
                }
            )
    # Two claims in one answer.
    both = " ".join(FACTS[topic][0].format(FACTS[topic][1]) for topic in ("plant", "leave"))
    rows.append({"id": "both", "at": NOON.isoformat(), "agent": "second-bot", "text": both})
    (folder / "outputs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return team
