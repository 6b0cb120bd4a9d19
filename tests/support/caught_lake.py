"""A bot whose answers are delivered or held, audited: what was caught before its user had it and what not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from flows.audit import audit
from flows.outcome import Outcome
from tasks.gate.parameters import ValidationSettings
from tasks.lake.store import Lake
from tasks.ledger.parameters import LedgerSettings
from tasks.settings import RunnerSettings, Settings
from tasks.sources.parameters import FieldMapping, FilesSettings
from tests.support.configuration import written
from tests.support.small_verifier import small_verifier

DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
"""The day of the answers; it lies before any audit."""
EVIDENCE = "The Harwick plant has 92 reactors in service."


@dataclass(frozen=True)
class Bot:
    """Its folder: an export, a configuration, a lake."""

    folder: Path

    @property
    def settings(self) -> Settings:
        """As a configuration file would say."""
        fields = FieldMapping(
            id="id", produced_at="at", response="text", contexts="contexts", delivered_at="sent",
            action_taken="done", agent="agent",
        )  # fmt: skip
        return Settings(
            lake=str(self.folder / "lake"),
            sources=(
                FilesSettings(
                    name="bot", path=str(self.folder / "answers.jsonl"), use_case="support", fields=fields
                ),
            ),
            verifier=small_verifier(),
            validation=ValidationSettings(data_docs=False),
            runner=RunnerSettings(threads=1),
            ledger=LedgerSettings(key_folder=str(self.folder / "keys")),
        )

    @property
    def config(self) -> str:
        """The configuration file."""
        return written(self.settings, self.folder / "claimledger.toml")

    @property
    def lake(self) -> Lake:
        """Its lake."""
        return Lake.open(self.settings.lake)

    def export(self, **answers: Mapping[str, Any]) -> None:
        """Writes the export: by id, what a record says besides; `is_right` is not a field of it."""
        lines = []
        for number, (name, given) in enumerate(answers.items()):
            rest = dict(given)
            count = 92 if rest.pop("is_right", False) else 93
            record = {
                "id": name,
                "at": (DAY + timedelta(hours=9, seconds=number)).isoformat(),
                "text": f"The Harwick plant has {count} reactors in service.",
                "contexts": [EVIDENCE],
                "agent": "bot",
                **rest,
            }
            lines.append(json.dumps(record) + "\n")
        (self.folder / "answers.jsonl").write_text("".join(lines))

    def audit(self) -> Outcome:
        """A night."""
        return audit(self.config)

    def outputs(self) -> dict[str, str]:
        """The id of each output by its name."""
        return dict(self.lake.scan("outputs").select("source_id", "output_id").collect().iter_rows())

    def rows(self, table: str) -> pl.DataFrame:
        """Rows of a table with `name`, the output's id at the source."""
        names = self.lake.scan("outputs").select("output_id", name="source_id")
        return self.lake.scan(table).join(names, on="output_id", maintain_order="left").collect()


def at(hour: float) -> str:
    """A moment of the day of the answers."""
    return (DAY + timedelta(hours=hour)).isoformat()


def soon() -> str:
    """A moment after an audit that runs now."""
    return (datetime.now(UTC) + timedelta(hours=2)).isoformat()
