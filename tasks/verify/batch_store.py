"""What is kept of batches between nights, in LAKE/judge/JUDGE: ids, digests and probabilities, never a text.

    batches/NAME.json          a batch: written before it is submitted, then with its id, at last with its end
    answers/NAME.parquet       what it brought
    waiting/RUN-UNIT.parquet   claims that were published without a verdict, since no answer was there yet

A request is named by the SHA-256 of the judge's fingerprint and the pair: the same pair is asked once.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from tasks.files import durable

ANSWERS = pl.Schema(
    {"id": pl.String, "supported": pl.Float64, "contradicted": pl.Float64, "insufficient": pl.Float64}
)
"""Probabilities are null where something answered that was not an answer."""
WAITING = pl.Schema(
    [("claim_id", pl.String()), ("output_id", pl.String()), ("produced_at", pl.Datetime("us", "UTC"))]
)
FEW = 3
"""Unusable answers that are always tolerated: a share of a handful says nothing."""


@dataclass(frozen=True)
class Batch:
    """One batch, from before its submission until its end."""

    name: str
    prepared_at: str
    ids: Sequence[str]
    id: str | None = None
    """The provider's; None until it is known."""
    state: Literal["prepared", "submitted", "collected", "failed"] = "prepared"
    requests: int = 0
    """Answered."""
    unanswered: int = 0
    """Of these, with something else than an answer."""
    cost: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    """Requests that nothing answered, by the provider's reason."""

    @property
    def is_open(self) -> bool:
        """Its answers are still to come."""
        return self.state in ("prepared", "submitted")

    def is_usable(self, tolerated_ratio: float) -> bool:
        """Whether few enough of its answers were something else."""
        return self.unanswered <= max(FEW, tolerated_ratio * self.requests)


class BatchStore:
    """The batches of one judge."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def batches(self) -> list[Batch]:
        """All that were prepared, the oldest first."""
        found = [durable.read_json(path) for path in sorted((self._folder / "batches").glob("*.json"))]
        return sorted((Batch(**each) for each in found if each), key=lambda each: each.prepared_at)

    def keep(self, batch: Batch) -> None:
        """Writes a batch down, durably."""
        path = self._folder / "batches" / f"{batch.name}.json"
        with durable.touching(path):
            durable.make_folder(path.parent)
            values: dict[str, Any] = asdict(batch)
            durable.replace_json(path, values)

    def forget(self, batch: Batch) -> None:
        """A batch that never came to be."""
        (self._folder / "batches" / f"{batch.name}.json").unlink(missing_ok=True)

    def keep_answers(self, name: str, answers: pl.DataFrame) -> None:
        """ANSWERS of a batch."""
        self._write("answers", name, answers)

    def answers(self, names: Collection[str]) -> pl.DataFrame:
        """ANSWERS of some batches, each request once."""
        files = [path for path in self._files("answers") if path.stem in names]
        frames = [pl.read_parquet(path).select(ANSWERS.names()) for path in files]
        return pl.concat([ANSWERS.to_frame(), *frames]).unique("id", keep="first", maintain_order=True)

    def wait(self, name: str, claims: pl.DataFrame) -> None:
        """WAITING of a unit that is about to be published."""
        self._write("waiting", name, claims)

    def waiting_files(self) -> list[Path]:
        """One for each unit that had such claims."""
        return self._files("waiting")

    @staticmethod
    def waiting(files: Sequence[Path]) -> pl.DataFrame:
        """WAITING of some units, each claim once."""
        frames = [pl.read_parquet(path).select(WAITING.names()) for path in files]
        return pl.concat([WAITING.to_frame(), *frames]).unique("claim_id", maintain_order=True)

    @staticmethod
    def settle(files: Sequence[Path]) -> None:
        """Forgets units that were judged again; claims of them that still wait are in younger files."""
        for file in files:
            file.unlink(missing_ok=True)

    def _files(self, kind: str) -> list[Path]:
        return sorted((self._folder / kind).glob("*.parquet"))

    def _write(self, kind: str, name: str, frame: pl.DataFrame) -> None:
        path = self._folder / kind / f"{name}.parquet"
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        with durable.touching(path):
            durable.make_folder(path.parent)
            durable.replace(path, buffer.getvalue())
