"""The judge behind an endpoint, through its provider's batch interface: it answers by what batches brought.

1. `unanswered` says which pairs have no answer yet; the caller leaves their claims without a verdict.
2. `ask` puts those pairs into the run's scratch; `batch_nights.submit` sends them once all units are judged.
3. `score` reads answers; where one was not an answer, the pair is unjudged as in `endpoint.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.errors import ConfigError, ModelError
from tasks.verify import prompt
from tasks.verify.batch_store import ANSWERS, WAITING, BatchStore
from tasks.verify.batch_wire import Kind
from tasks.verify.endpoint import Endpoint
from tasks.verify.protocol import fingerprint

if TYPE_CHECKING:
    from tasks.verify.parameters import EndpointSettings, VerifierSettings

ASKED = pl.Schema({"id": pl.String, "claim": pl.String, "passage": pl.String})
FOLDER = "judge"
"""Of the lake."""


class BatchEndpoint(Endpoint):
    """Verifier Protocol over answers of batches."""

    def __init__(self, settings: VerifierSettings, lake: Path) -> None:
        super().__init__(settings)
        if self._settings.batch == "none":
            raise ConfigError('verifier.endpoint.batch is "none"; name whose batch interface it is')
        self.kind: Kind = self._settings.batch
        if self.kind == "anthropic":  # another interface, which words the question another way
            self.fingerprint = fingerprint(kind="message batches", of=self.fingerprint)
        self.store = BatchStore(lake / FOLDER / self.fingerprint[:16])
        self._work = lake / "_work"

    @property
    def settings(self) -> EndpointSettings:
        """Of the endpoint."""
        return self._settings

    @property
    def model(self) -> str:
        """As the provider calls it."""
        return self._model

    def unanswered(self, pairs: pl.DataFrame) -> np.ndarray:
        """(n,) bool: pairs (`claim`, `text`) that are to be asked and have no answer yet."""
        pairs = pairs.rename({"text": "passage"})
        _, fits, has_words = self._readable(pairs)
        known = self._named(pairs)["id"].is_in(self._answers["id"].implode())
        unanswered: np.ndarray = fits & has_words & ~known.to_numpy()
        return unanswered

    def ask(self, pairs: pl.DataFrame, *, run_id: str, unit: str) -> None:
        """Leaves pairs (`claim`, `text`) to be submitted at the end of the run."""
        folder = asked_folder(self._work, run_id)
        folder.mkdir(parents=True, exist_ok=True)
        asked = self._named(pairs.rename({"text": "passage"})).select(ASKED.names())
        asked.unique("id", maintain_order=True).write_parquet(folder / f"{unit}.parquet")

    def asked(self, run_id: str) -> pl.DataFrame:
        """ASKED of all units of a run, each once."""
        files = sorted(asked_folder(self._work, run_id).glob("*.parquet"))
        frames = [pl.read_parquet(file) for file in files]
        return pl.concat([ASKED.to_frame(), *frames]).unique("id", maintain_order=True)

    def wait(self, claims: pl.DataFrame, *, run_id: str, unit: str) -> None:
        """Keeps claims that are published without a verdict, before they are."""
        if claims.height:
            self.store.wait(f"{run_id}-{unit}", claims.select(WAITING.names()))

    @cached_property
    def _answers(self) -> pl.DataFrame:
        ratio = self._settings.tolerated_unanswered_ratio
        batches = [each for each in self.store.batches() if each.state == "collected"]
        return self.store.answers({each.name for each in batches if each.is_usable(ratio)})

    def _named(self, pairs: pl.DataFrame) -> pl.DataFrame:
        ids = [self._id(claim, passage) for claim, passage in pairs.select("claim", "passage").iter_rows()]
        return pairs.with_columns(id=pl.Series(ids, dtype=pl.String))

    def _id(self, claim: str, passage: str) -> str:
        return hashlib.sha256(f"{self.fingerprint}\0{claim}\0{passage}".encode()).hexdigest()

    def _ask_all(self, pairs: pl.DataFrame, rows: np.ndarray) -> Iterator[tuple[int, prompt.Answer | None]]:
        """(row, answer) of what batches brought."""
        named = self._named(pairs[rows.tolist()]).join(
            self._answers, on="id", how="left", maintain_order="left"
        )
        missing = named.join(self._answers, on="id", how="anti").height
        if missing:
            raise ModelError(f"{self.name}: {missing} pairs were not asked yet; report this as a bug")
        for row, values in zip(rows.tolist(), named.select(ANSWERS.names()[1:]).iter_rows(), strict=True):
            supported, contradicted, insufficient = values
            yield row, None if supported is None else (supported, contradicted, insufficient)

    def _check_answered(self, unanswered: int, asked: int) -> None:
        """Whole batches are held to the tolerated share, when they are collected."""


def asked_folder(work: Path, run_id: str) -> Path:
    """Where a run's units leave what is to be submitted."""
    return work / run_id / "asked"
