"""`claimledger score`: the verifier alone, from a file of pairs to a file of verdicts.

Streams in chunks. Rows come out in the order they came in; a row that cannot be used goes to
`OUT.quarantine.jsonl` with its reason, so rows in = rows out + quarantined.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from tasks.errors import InputError
from tasks.verify.load import load
from tasks.verify.pair_files import Chunk, read_pairs
from tasks.verify.protocol import Usage, Verifier, usage_of
from tasks.verify.scoring import ADDED, score_frame

if TYPE_CHECKING:
    from tasks.verify.parameters import ScoringParameters

SUFFIXES = (".parquet", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Scored:
    """What became of a file; `quarantine` is None where no row was refused."""

    rows_in: int
    rows_out: int
    quarantined: int
    verdicts: dict[str, int]
    output: Path
    quarantine: Path | None
    usage: Usage | None = None
    """What a remote judge was asked and what it cost."""


def score_file(
    pairs_path: str | Path,
    out_path: str | Path,
    parameters: ScoringParameters,
    progress: Callable[[int], None] | None = None,
    *,
    verifier: Verifier | None = None,
) -> Scored:
    """Scores a Parquet or JSON Lines file; formats go by suffix, the output appears whole or not at all.

    `progress` is told rows newly done.

    Raises:
        InputError: missing or unreadable file, unknown suffix, missing or ill-typed columns.
        ModelError: the verifier cannot be loaded.
    """
    source, target = Path(pairs_path), Path(out_path)
    for path in (source, target):
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(f"{path}: suffix is {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
    chunks = read_pairs(source, parameters.max_record_bytes)
    first = next(chunks, None)  # a file that cannot be read fails before a model is loaded
    verifier = verifier or load(parameters.verifier, threads=parameters.threads)
    counts: Counter[str] = Counter()
    with _sink(target) as sink:
        for chunk in chain([] if first is None else [first], chunks):
            scored = score_frame(chunk.frame, verifier, parameters.policy)
            sink.write(scored, chunk)
            counts.update(dict(scored["verdict"].value_counts().iter_rows()))
            if progress:
                progress(scored.height + len(chunk.refused))
    return Scored(
        rows_in=counts.total() + sink.quarantined,
        rows_out=counts.total(),
        quarantined=sink.quarantined,
        verdicts=dict(counts),
        output=target,
        quarantine=_quarantine(target) if sink.quarantined else None,
        usage=usage_of(verifier),
    )


def _quarantine(target: Path) -> Path:
    return target.with_name(f"{target.name}.quarantine.jsonl")


@contextmanager
def _sink(target: Path) -> Iterator[_Sink]:
    """A sink whose files get their names once all is written.

    Raises:
        InputError: they cannot be written.
    """
    quarantine = _quarantine(target)
    scored, refused = (path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in (target, quarantine))
    try:
        with ExitStack() as stack:
            sink = _Sink(scored, refused, stack, is_parquet=target.suffix.lower() == ".parquet")
            yield sink
        scored.replace(target)
        if sink.quarantined:
            refused.replace(quarantine)
        else:
            quarantine.unlink(missing_ok=True)  # of an earlier run: it would speak of other rows
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); choose another place") from None
    finally:
        scored.unlink(missing_ok=True)
        refused.unlink(missing_ok=True)


class _Sink:
    """Writes frames of one schema, one after the other, and the refused rows beside them."""

    def __init__(self, scored: Path, refused: Path, stack: ExitStack, *, is_parquet: bool) -> None:
        self.quarantined = 0
        self._scored = scored
        self._stack = stack
        self._parquet: pq.ParquetWriter | None = None
        self._lines = None if is_parquet else stack.enter_context(scored.open("wb"))
        self._refused = stack.enter_context(refused.open("w", encoding="utf-8"))

    def write(self, frame: pl.DataFrame, chunk: Chunk) -> None:
        """The chunk's scored rows and its refused ones."""
        self.quarantined += len(chunk.refused)
        self._refused.writelines(json.dumps(row, ensure_ascii=True) + "\n" for row in chunk.refused)
        if self._lines is None:
            self._write_parquet(frame)
        elif chunk.records is None:
            frame.write_ndjson(self._lines)
        else:
            # Nested and mixed values go out as they came in.
            for record, added in zip(chunk.records, frame.select(ADDED).iter_rows(named=True), strict=True):
                self._lines.write(json.dumps({**record, **added}, ensure_ascii=False).encode() + b"\n")

    def _write_parquet(self, frame: pl.DataFrame) -> None:
        table = frame.to_arrow()
        if self._parquet is None:
            writer = pq.ParquetWriter(self._scored, table.schema, compression="zstd")
            self._parquet = self._stack.enter_context(writer)
        self._parquet.write_table(table.cast(self._parquet.schema))
