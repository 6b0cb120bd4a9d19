"""The salts of a lake's outputs, shared by every process that checks rows and held in the memory of none.

Belongs here: one sorted file of fixed-width records, mapped into memory and searched. Does not belong here:
keeping or destroying salts (`vault.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks import ids

_RECORD = np.dtype([("prefix", "<u8"), ("output", "V64"), ("salt", "V32")])


@dataclass(frozen=True)
class Salts:
    """Records sorted by the prefix of the output's id, and those prefixes, which are held in memory."""

    records: np.ndarray
    prefixes: np.ndarray

    @classmethod
    def write(cls, path: Path, frames: Iterable[pl.DataFrame]) -> None:
        """Writes output_id and salt of many files as one sorted file; an id that is no digest is left out."""
        with path.open("wb") as file:
            for frame in frames:
                sound = (frame["output_id"].str.len_bytes() == 64) & (frame["salt"].bin.size() == 32)
                kept = frame.filter(sound)
                records = np.empty(kept.height, dtype=_RECORD)
                records["prefix"] = ids.prefixes(kept["output_id"])
                records["output"] = np.frombuffer("".join(kept["output_id"].to_list()).encode(), dtype="V64")
                records["salt"] = np.frombuffer(b"".join(kept["salt"].to_list()), dtype="V32")
                file.write(records.tobytes())
        if path.stat().st_size:
            stored = np.memmap(path, dtype=_RECORD, mode="r+")
            stored[:] = stored[np.argsort(stored["prefix"], kind="stable")]
            stored.flush()

    @classmethod
    def open(cls, path: Path) -> Salts:
        """Maps the file that `write` made."""
        empty = not path.stat().st_size
        records = np.empty(0, dtype=_RECORD) if empty else np.memmap(path, dtype=_RECORD, mode="r")
        return cls(records, np.ascontiguousarray(records["prefix"]))

    def of(self, outputs: pl.Series) -> pl.DataFrame:
        """output_id and salt (Binary) of outputs; null where there is none."""
        frame = outputs.alias("output_id").to_frame()
        hexes = (outputs.str.len_bytes() == 64).fill_null(value=False)
        wanted = frame.filter(hexes)["output_id"]
        if not len(self.records) or wanted.is_empty():
            return frame.with_columns(salt=pl.lit(None, pl.Binary))
        sought = np.frombuffer("".join(wanted.to_list()).encode(), dtype="V64")
        prefixes = ids.prefixes(wanted)
        places = np.searchsorted(self.prefixes, prefixes)
        near = self.records[np.minimum(places, len(self.records) - 1)]
        salts: list[bytes | None] = [salt.tobytes() for salt in near["salt"]]
        for at in np.flatnonzero(near["output"] != sought).tolist():
            salts[at] = self._beside(int(places[at]), prefixes[at], sought[at].tobytes())
        found = pl.DataFrame({"output_id": wanted, "salt": salts}, schema_overrides={"salt": pl.Binary})
        if wanted.len() == outputs.len():
            return found
        return frame.join(found.unique("output_id"), on="output_id", how="left", maintain_order="left")

    def _beside(self, place: int, prefix: int, output: bytes) -> bytes | None:
        """Two ids with one prefix are not to be expected, and would stand side by side."""
        while place < len(self.records) and self.prefixes[place] == prefix:
            record = self.records[place]
            if record["output"].tobytes() == output:
                return bytes(record["salt"].tobytes())
            place += 1
        return None
