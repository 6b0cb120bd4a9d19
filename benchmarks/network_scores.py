"""The default verifier's network with its scores kept on disk: rules and fusion are then tried in seconds.

Belongs here: remembering. Does not belong here: what is measured (`verdicts.py`). The network is asked once
for each pair of texts; a change to what it is shown (`tasks/verify/selection.py`, facts of a claim) asks it
for new pairs only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tasks.tables import PROBABILITIES
from tasks.verify.protocol import Scores, Verifier

SCHEMA = pl.Schema(
    {"key": pl.String, **dict.fromkeys(PROBABILITIES, pl.Float64), "offered": pl.Int32, "windows": pl.Int32}
)
NUMBERS = (*PROBABILITIES, "offered", "windows")


class Remembered:
    """Verifier Protocol over another one, which is asked for pairs that the folder lacks."""

    def __init__(self, network: Verifier, folder: Path) -> None:
        self.name, self.fingerprint = network.name, network.fingerprint
        self._network = network
        self._folder = folder / network.fingerprint[:16]
        self._folder.mkdir(parents=True, exist_ok=True)
        files = sorted(self._folder.glob("*.parquet"))
        self._known = pl.concat([SCHEMA.to_frame(), *(pl.read_parquet(file) for file in files)])

    def score(
        self,
        claims: Sequence[str],
        passages: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Scores:
        """As the network does; what it had to be asked is written to the folder."""
        keys = [_key(*pair) for pair in zip(claims, passages, strict=True)]
        asked = pl.DataFrame({"key": keys, "claim": list(claims), "passage": list(passages)})
        new = asked.unique("key", maintain_order=True).join(self._known, on="key", how="anti")
        if new.height:
            scores = self._network.score(new["claim"].to_list(), new["passage"].to_list())
            columns = [new["key"], *scores.probabilities.T, scores.tokens_offered, scores.windows]
            fresh = pl.DataFrame(dict(zip(SCHEMA, columns, strict=True)), schema=SCHEMA)
            fresh.write_parquet(self._folder / f"{_key(*keys)}.parquet")
            self._known = pl.concat([self._known, fresh])
        found = asked.select("key").join(self._known, on="key", how="left", maintain_order="left")
        if progress:
            progress(len(keys))
        offered, windows = found["offered"].to_numpy(), found["windows"].to_numpy()
        seen = np.where(windows > 0, offered, 0).astype(np.int32)
        return Scores(found.select(PROBABILITIES).to_numpy(), offered, seen, windows)


def _key(*texts: str) -> str:
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()
