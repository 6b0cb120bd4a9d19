"""What an attacker with the whole lake in hands does to it, and what a full check then says; for tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from tasks import tables
from tasks.errors import IntegrityError
from tasks.files import parquet
from tasks.lake.store import Lake
from tasks.ledger import segments, verify
from tasks.ledger.parameters import LedgerSettings


def findings(lake: Lake, wanted: LedgerSettings, **options: object) -> list[str]:
    """What a full check says; an error that ends it is a finding too."""
    try:
        found = verify.verify(lake, wanted, **options)  # type: ignore[arg-type]
    except IntegrityError as error:
        return [str(error)]
    return [line.replace(str(lake.root) + "/", "") for line in found.findings]


def first_file(lake: Lake, table: str, at_least: int = 2) -> Path:
    """The first file of a table with several rows."""
    return next(p for p in lake.files(table) if pl.read_parquet(p).height >= at_least)


def edit(lake: Lake, table: str, column: str, value: object, *, cover: bool, at_least: int = 2) -> Path:
    """Changes one cell; with `cover`, the manifest and the file's name are made to agree with it."""
    path = first_file(lake, table, at_least)
    frame = parquet.scan(tables.TABLES[table], [path]).collect()
    new = value if isinstance(value, pl.Expr) else pl.lit(value)
    changed = pl.when(pl.int_range(pl.len()) == 0).then(new).otherwise(pl.col(column))
    frame = frame.with_columns(changed.cast(frame.schema[column]).alias(column))
    replace(lake, path, parquet.encode(tables.TABLES[table], frame), cover=cover)
    return path


def replace(lake: Lake, path: Path, data: bytes, *, cover: bool) -> None:
    """Puts other bytes in a table file's place."""
    if not cover:
        path.write_bytes(data)
        return
    digest = hashlib.sha256(data).hexdigest()
    path.unlink()
    path.with_name(f"part-{digest[:16]}.parquet").write_bytes(data)
    for manifest in lake.root.glob("runs/*/commits/*.json"):
        record = json.loads(manifest.read_text())
        for file in record["files"]:
            if file["name"] == path.name and file["table"] == path.parent.parent.name:
                file |= {"name": f"part-{digest[:16]}.parquet", "sha256": digest, "bytes": len(data)}
        manifest.write_text(json.dumps(record))


def resegment(lake: Lake, number: int, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Rewrites a segment with its description and index, as somebody who knows the code would."""
    [segment] = [s for s in segments.listed(lake.root / "ledger" / "segments") if s.number == number]
    segments.write(segment.folder, number, change(segment.read()), segment.run_id)
