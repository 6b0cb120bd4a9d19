"""Delete, duplicate, swap, reorder, truncate: files, rows, leaves, tiles, checkpoints. Each is named.

A row or leaf is changed as somebody would who knows the code: file names, manifests and descriptions are made
to agree. Only the signatures are out of reach.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tasks import tables
from tasks.files import parquet
from tasks.lake.store import Lake
from tasks.ledger import segments
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings
from tests.support import ledger_lake
from tests.support.ledger_attack import findings, first_file, replace, resegment
from tests.support.ledger_lake import night

Change = Callable[[pl.DataFrame], pl.DataFrame]
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, LedgerSettings]:
    """A sound lake of two nights, the second large enough for full tiles; copied and never changed."""
    folder = tmp_path_factory.mktemp("base")
    lake, wanted = Lake.open(str(folder / "lake")), ledger_lake.settings(folder)
    night(lake, wanted, 0)
    night(lake, wanted, 1, outputs=90, claims=4)
    return lake, wanted


@pytest.fixture
def wanted(base: tuple[Lake, LedgerSettings]) -> LedgerSettings:
    return base[1]


@pytest.fixture
def lake(base: tuple[Lake, LedgerSettings], tmp_path: Path) -> Lake:
    shutil.copytree(base[0].root, tmp_path / "lake")
    return Lake.open(str(tmp_path / "lake"))


def _swapped(column: str) -> Change:
    """The first two rows exchange one cell."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        order = [1, 0, *range(2, frame.height)]
        return frame.with_columns(frame[column].gather(order))

    return change


ROWS: dict[str, Change | None] = {
    "delete": lambda frame: frame.slice(1),
    "duplicate": lambda frame: pl.concat([frame.head(1), frame]),
    "swap": None,
    "reorder": lambda frame: frame.reverse(),
    "truncate": lambda frame: frame.head(frame.height // 2),
}
SWAPPED = {
    "verdicts": "claim_id",
    "claims": "text",
    "evidence": "passage_id",
    "passages": "document_uri",
    "actions": "verdict_ids",
    "outputs": "response",
    "findings": "output_id",
}
IN_DEFAULT_RUN = ("verdicts", "evidence")


@pytest.mark.parametrize("what", ROWS)
@pytest.mark.parametrize(
    "table", [t if t in IN_DEFAULT_RUN else pytest.param(t, marks=slow) for t in SWAPPED]
)
def test_rows(lake, wanted, table, what):
    path = first_file(lake, table)
    frame = pl.read_parquet(path)
    changed = (ROWS[what] or _swapped(SWAPPED[table]))(frame)
    assert not changed.equals(pl.read_parquet(path))
    replace(lake, path, parquet.encode(tables.TABLES[table], changed), cover=True)
    lines = findings(lake, wanted)
    # The manifests that the run's event binds name another file now, whatever was done to it.
    assert any("the manifests of this run name other files" in line for line in lines)
    named = [line for line in lines if line.startswith(f"{table}: ")]
    if what == "duplicate":
        assert any("there twice" in line for line in named) or table not in {
            "verdicts",
            "actions",
            "findings",
        }
    elif what != "reorder":
        assert named, lines


@pytest.mark.parametrize("what", ["delete", "duplicate", "swap", "reorder", "truncate"])
def test_files(lake, wanted, what):
    path, other = lake.files("verdicts")[0], lake.files("claims")[0]
    data = path.read_bytes()
    if what == "delete":
        path.unlink()
    elif what == "duplicate":
        path = path.with_name("part-00.parquet")
        path.write_bytes(data)
    elif what == "swap":
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif what == "reorder":
        day = path.parent.with_name("date=2026-10-31")
        day.mkdir()
        path.rename(day / path.name)
    else:
        path.write_bytes(data[: len(data) // 2])
    lines = findings(lake, wanted)
    assert any(path.name in line for line in lines), lines
    if what != "duplicate":
        assert any(line.startswith(("verdicts: a row is missing", "verdicts: ")) for line in lines)


@pytest.mark.parametrize("what", ["delete", "duplicate", "swap", "reorder", "truncate"])
def test_leaves(lake, wanted, what):
    """Events of a segment, with the segment's description, columns and index made to agree."""
    number = segments.listed(lake.root / "ledger" / "segments")[-1].number
    change = ROWS[what] or (lambda frame: frame[[1, 0, *range(2, frame.height)]])

    def renumbered(frame: pl.DataFrame) -> pl.DataFrame:
        changed, first = change(frame), int(frame["sequence"][0])
        return changed.with_columns(sequence=pl.int_range(first, first + changed.height, dtype=pl.Int64))

    sizes = Log.open(lake.root / "ledger").sizes()
    resegment(lake, number, renumbered)
    lines = findings(lake, wanted)
    if what in {"swap", "reorder"}:
        assert f"history was rewritten between checkpoint {sizes[-2]} and {sizes[-1]}" in "\n".join(lines)
    else:
        assert any("the segments hold" in line or "ends inside" in line for line in lines), lines


def _tiles(lake: Lake, kind: str) -> list[Path]:
    found = sorted(p for p in (lake.root / "ledger" / "tile" / kind).rglob("*") if p.is_file())
    assert len(found) > 1
    return found


@pytest.mark.parametrize("kind", ["0", "entries"])
@pytest.mark.parametrize("what", ["delete", "duplicate", "swap", "reorder", "truncate"])
def test_tiles(lake, wanted, kind, what):
    path, other = _tiles(lake, kind)[:2]
    data = path.read_bytes()
    if what == "delete":
        path.unlink()
    elif what == "duplicate":
        path = path.with_name("077")
        path.write_bytes(data)
    elif what == "swap":
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif what == "reorder":
        path.write_bytes(data[32:64] + data[:32] + data[64:])
    else:
        path.write_bytes(data[:-32])
    from tasks.ledger import verify

    found = verify.verify(lake, wanted)
    lines = found.notices if what == "duplicate" else found.findings
    assert any(str(path) in line and ("tile" in line or "beyond" in line) for line in lines), lines


@pytest.mark.parametrize("what", ["delete", "duplicate", "swap", "reorder", "truncate"])
def test_checkpoints(lake, wanted, what):
    folder = lake.root / "ledger" / "checkpoints"
    sizes = Log.open(lake.root / "ledger").sizes()
    path, other = folder / str(sizes[1]), folder / str(sizes[2])
    data = path.read_bytes()
    if what == "delete":
        path.unlink()
    elif what == "duplicate":
        path = folder / str(sizes[1] + 1)
        path.write_bytes(data)
    elif what == "swap":
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif what == "reorder":
        # The newest is put back: an older one is published as the head.
        (lake.root / "ledger" / "checkpoint").write_bytes(other.read_bytes())
        path = lake.root / "ledger" / "checkpoint"
    else:
        path.write_bytes(data[:-20])
    lines = findings(lake, wanted)
    place = path.relative_to(lake.root).as_posix()
    assert any(place in line for line in lines), lines


def test_every_deleted_checkpoint_is_missed_by_name(lake, wanted):
    folder = lake.root / "ledger" / "checkpoints"
    for size in Log.open(lake.root / "ledger").sizes():
        data = (folder / str(size)).read_bytes()
        (folder / str(size)).unlink()
        assert any(f"checkpoints/{size}: " in line and "missing" in line for line in findings(lake, wanted))
        (folder / str(size)).write_bytes(data)
