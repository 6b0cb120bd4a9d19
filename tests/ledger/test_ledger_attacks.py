"""Attacks, each named after its defect, and what finds it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tasks import ids, tables
from tasks.errors import ClaimledgerError, IntegrityError, Unverifiable
from tasks.files import parquet
from tasks.lake.store import Lake
from tasks.ledger import events, keys, recording, segments, verify
from tasks.ledger.log import Log
from tasks.ledger.parameters import LedgerSettings, WitnessSettings
from tests.support import ledger_lake
from tests.support.ledger_attack import edit, findings, first_file, replace, resegment
from tests.support.ledger_lake import ACTOR, NIGHT, POLICIES, night


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, LedgerSettings]:
    """A sound lake of three nights that is copied and never changed."""
    folder = tmp_path_factory.mktemp("base")
    lake, wanted = Lake.open(str(folder / "lake")), ledger_lake.settings(folder)
    for number in range(3):
        night(lake, wanted, number)
    return lake, wanted


@pytest.fixture
def wanted(base: tuple[Lake, LedgerSettings]) -> LedgerSettings:
    return base[1]


@pytest.fixture
def lake(base: tuple[Lake, LedgerSettings], tmp_path: Path) -> Lake:
    shutil.copytree(base[0].root, tmp_path / "lake")
    return Lake.open(str(tmp_path / "lake"))


def test_the_untouched_copy_is_sound(lake, wanted):
    assert findings(lake, wanted) == []


OTHERS = ("claims", "evidence", "actions", "findings")
EVENT_COLUMNS = ("subject_id", "run_id", "event_id", "leaf_hash")
WHATS = [
    "deleted row",
    pytest.param("deleted file", marks=pytest.mark.slow),
    pytest.param("swapped cells", marks=pytest.mark.slow),
]
COVERS = [
    pytest.param(True, id="file, name and manifest edited"),
    pytest.param(False, id="file edited", marks=pytest.mark.slow),
]
CELLS = [
    ("verdicts", "p_supported", 0.9),
    ("verdicts", "verdict", "contradicted"),
    ("verdicts", "threshold_supported", 0.1),
    ("verdicts", "reason", "Because."),
    ("claims", "text", "Another claim."),
    ("evidence", "p_contradicted", 0.0),
    ("passages", "text", "Another passage"),
    ("actions", "action", "escalated"),
    ("outputs", "response", "Another answer"),
    ("findings", "masked", "c***d"),
]


@pytest.mark.parametrize(("table", "column", "value"), CELLS, ids=[f"{t}.{c}" for t, c, _ in CELLS])
@pytest.mark.parametrize("cover", COVERS)
def test_one_edited_cell_is_named_by_table_and_event(lake, wanted, table, column, value, cover):
    edit(lake, table, column, value, cover=cover)
    found = findings(lake, wanted)
    assert any(line.startswith(f"{table}: ") and "event" in line and column in line for line in found), found


def test_a_value_the_event_says_is_named_with_both_values(lake, wanted):
    edit(lake, "verdicts", "p_supported", 0.9, cover=True)
    [line] = [x for x in findings(lake, wanted) if "column p_supported" in x]
    assert "is 900000" in line
    assert "says 700000" in line
    assert "tables/verdicts/date=2026-11-01/part-" in line


@pytest.mark.parametrize(
    "column",
    ["kind", "occurred_at", "body", *(pytest.param(c, marks=pytest.mark.slow) for c in EVENT_COLUMNS)],
)
def test_an_edited_column_of_the_events_table_is_named(lake, wanted, column):
    path = first_file(lake, "events")
    frame = pl.read_parquet(path)
    if column == "occurred_at":
        frame = frame.with_columns(pl.col(column).dt.offset_by("1h"))
    else:
        frame = frame.with_columns(pl.col(column).str.replace("a|e|i", "0").alias(column))
    replace(lake, path, parquet.encode(tables.EVENTS, frame), cover=True)
    assert any(f"column {column} " in line or "column body" in line for line in findings(lake, wanted))


def test_a_typed_column_edited_while_the_events_bytes_stay_intact_is_found(lake, wanted):
    resegment(lake, 1, lambda f: f.with_columns(kind=pl.lit("action")))
    assert any(
        "column kind of" in line and "differs from their bytes" in line for line in findings(lake, wanted)
    )


def _edited_bytes(frame: pl.DataFrame) -> pl.DataFrame:
    entries = [e.replace(b'"supported"', b'"contradicted"') for e in frame["event"].to_list()]
    return frame.with_columns(
        event=pl.Series(entries, dtype=pl.Binary),
        event_id=pl.Series([hashlib.sha256(e).hexdigest() for e in entries]),
        leaf_hash=pl.Series([hashlib.sha256(b"\0" + e).hexdigest() for e in entries]),
    )


def _reversed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.reverse().with_columns(sequence=frame["sequence"])


@pytest.mark.parametrize("change", [_edited_bytes, _reversed], ids=["edited event", "reordered events"])
def test_rewritten_events_are_placed_between_two_checkpoints(lake, wanted, change):
    resegment(lake, 1, change)
    sizes = Log.open(lake.root / "ledger").sizes()
    expected = f"history was rewritten between checkpoint {sizes[1]} and {sizes[2]}"
    assert any(expected in line for line in findings(lake, wanted))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("deleted event", lambda f: f.slice(1)),
        ("duplicated event", lambda f: pl.concat([f.head(1), f])),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_deleted_or_duplicated_event_is_found(lake, wanted, name, change):
    resegment(lake, 1, change)
    assert findings(lake, wanted)


@pytest.mark.parametrize(
    "table",
    ["verdicts", "passages", "outputs", "runs", *(pytest.param(t, marks=pytest.mark.slow) for t in OTHERS)],
)
@pytest.mark.parametrize("what", WHATS)
def test_missing_and_swapped_rows_are_found(lake, wanted, table, what):
    path = first_file(lake, table) if table != "runs" else lake.files("runs")[0]
    if what == "deleted file":
        path.unlink()
    else:
        frame = pl.read_parquet(path)
        if what == "deleted row":
            frame = frame.slice(1)
        else:
            column = {"runs": "counts", "findings": "masked", "outputs": "metadata"}.get(table, "run_id")
            frame = frame.with_columns(pl.lit("{} ").alias(column))
        replace(lake, path, parquet.encode(tables.TABLES[table], frame), cover=True)
    assert any(line.startswith(f"{table}: ") for line in findings(lake, wanted))


def test_an_inserted_verdict_of_a_finished_run_is_named_as_put_there(lake, wanted):
    path = first_file(lake, "verdicts")
    frame = pl.read_parquet(path)
    planted = frame.head(1).with_columns(verdict_id=pl.lit(ids.digest("planted")))
    replace(lake, path, parquet.encode(tables.VERDICTS_TABLE, pl.concat([frame, planted])), cover=True)
    assert any("they were put there" in line for line in findings(lake, wanted))


def test_a_manifest_that_names_other_files_is_found(lake, wanted):
    manifest = next(lake.root.glob("runs/*/commits/unit.json"))
    record = json.loads(manifest.read_text())
    record["files"] = record["files"][:-1]
    manifest.write_text(json.dumps(record))
    assert any("the manifests of this run name other files" in line for line in findings(lake, wanted))


def test_a_partition_replaced_by_an_older_copy_is_found(lake, wanted, base):
    for path in (lake.root / "tables" / "verdicts" / "date=2026-11-01").iterdir():
        path.unlink()
    oldest = first_file(base[0], "verdicts")
    shutil.copy(oldest, lake.root / "tables" / "verdicts" / "date=2026-11-01" / oldest.name)
    assert any("verdicts: a row is missing" in line for line in findings(lake, wanted))


@pytest.mark.parametrize("kind", ["tile/0", "tile/entries"])
@pytest.mark.parametrize(
    "defect",
    ["deleted", "flipped", *(pytest.param(d, marks=pytest.mark.slow) for d in ("truncated", "swapped"))],
)
def test_a_bad_tile_is_named(lake, wanted, kind, defect):
    path = max((lake.root / "ledger" / kind).rglob("*"), key=lambda p: (p.is_file(), p.stat().st_size))
    data = path.read_bytes()
    if defect == "deleted":
        path.unlink()
    elif defect == "truncated":
        path.write_bytes(data[:-32])
    elif defect == "flipped":
        path.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    else:
        path.write_bytes(data[32:64] + data[:32] + data[64:])
    assert any(kind in line and "tile" in line for line in findings(lake, wanted))


def test_a_planted_file_in_the_ledger_is_named(lake, wanted):
    for name in ("note.txt", "tile/0/077", "checkpoints/0007", "segments/readme"):
        path = lake.root / "ledger" / name
        path.write_bytes(b"x" * 8192)
        found = verify.verify(lake, wanted)
        assert any(name in line for line in found.findings + found.notices), name
        path.unlink()


def test_a_missing_checkpoint_beyond_which_segments_go_is_a_roll_back(lake, wanted):
    sizes = Log.open(lake.root / "ledger").sizes()
    (lake.root / "ledger" / "checkpoint").write_bytes(
        (lake.root / "ledger" / "checkpoints" / str(sizes[2])).read_bytes()
    )
    shutil.rmtree(lake.root / "ledger" / "segments")
    shutil.copytree(lake.root / "ledger" / "checkpoints", lake.root / "ledger" / "segments")
    assert findings(lake, wanted)


def test_a_checkpoint_ahead_of_its_segments_is_found(lake, wanted):
    last = segments.listed(lake.root / "ledger" / "segments")[-1]
    last.path.unlink()
    last.path.with_suffix(".json").unlink()
    assert any("the segments hold" in line for line in findings(lake, wanted))
    with pytest.raises(IntegrityError, match="the segments hold"):
        night(lake, wanted, 9)


def test_a_checkpoint_ahead_of_its_tiles_is_found_and_the_next_append_rebuilds_them(lake, wanted):
    shutil.rmtree(lake.root / "ledger" / "tile")
    assert any("the tile is missing" in line for line in findings(lake, wanted))
    night(lake, wanted, 9)
    assert findings(lake, wanted) == []


def test_a_checkpoint_signed_by_a_stranger_is_unverifiable_and_a_bad_signature_is_not(lake, wanted):
    path = lake.root / "ledger" / "checkpoint"
    text = path.read_text()
    body, _, line = text.rpartition("\n\n")
    dash, name, encoded = line.split()
    flipped = encoded[:20] + ("A" if encoded[20] != "A" else "B") + encoded[21:]
    copy = lake.root / "ledger" / "checkpoints" / body.split("\n")[1]
    for place in (path, copy):
        place.write_text(f"{body}\n\n{dash} {name} {flipped}\n")
    assert any("is bad" in line for line in findings(lake, wanted))
    stranger = keys.new_signer("example.com/test")
    path.write_text(text)
    copy.write_text(text)
    with pytest.raises(Unverifiable, match="not signed by"):
        verify.verify(lake, wanted, trusted_keys=[stranger.public]).require()


# Rewriting everything with the right key ------------------------------------------------------------------


def _rewrite_history(lake: Lake, wanted: LedgerSettings) -> None:
    """The owner of the key makes a new past: other verdicts, new log, same origin, same key."""
    path = first_file(lake, "verdicts")
    frame = pl.read_parquet(path).with_columns(verdict=pl.lit("supported"), p_supported=pl.lit(0.99))
    replace(lake, path, parquet.encode(tables.VERDICTS_TABLE, frame), cover=True)
    for folder in ("ledger", "tables/events", "state"):
        shutil.rmtree(lake.root / folder)
    for manifest in lake.root.glob("runs/*/commits/events-*.json"):
        manifest.unlink()
    recording.record(lake, wanted, POLICIES, run_id=ids.digest("rewritten"), now=NIGHT, actor=ACTOR)


def test_the_whole_history_rewritten_with_the_right_key_is_what_only_a_witness_can_find(lake, wanted):
    kept = lake.root.parent / "checkpoint-of-the-auditor"
    kept.write_bytes((lake.root / "ledger" / "checkpoint").read_bytes())
    _rewrite_history(lake, wanted)
    found = verify.verify(lake, wanted)
    assert found.findings == []
    assert "could have rewritten all of it" in found.statement
    assert "a witness" in found.statement
    against = findings(lake, wanted, trusted_checkpoint=kept)
    assert any("the trusted checkpoint" in line for line in against)
    assert any("rolled back" in line or "rewritten" in line for line in against)


@pytest.mark.parametrize("kind", ["folder", "git"])
def test_the_whole_history_rewritten_with_the_right_key_is_found_by_a_copy_elsewhere(
    lake, wanted, kind, tmp_path
):
    if kind == "git":
        import subprocess

        place = tmp_path / "elsewhere"
        place.mkdir()
        subprocess.run(["git", "init", "-q", str(place)], check=True)
        for name, value in (("user.email", "audit@example.com"), ("user.name", "audit")):
            subprocess.run(["git", "-C", str(place), "config", name, value], check=True)
    watcher = WitnessSettings(name="security", kind=kind, path=str(tmp_path / "elsewhere"))
    watched = dataclasses.replace(wanted, witnesses=(watcher,))
    night(lake, watched, 5)
    assert any("witness security" in line for line in verify.verify(lake, watched).outside)
    assert findings(lake, watched) == []
    _rewrite_history(lake, wanted)
    assert any("witness security" in line for line in findings(lake, watched))
    lake.commit("more", "u", ledger_lake.frames(ids.digest("more"), start=900), run_day=NIGHT.date())
    told = recording.record(lake, watched, POLICIES, run_id=ids.digest("more"), now=NIGHT, actor=ACTOR)
    assert any("witness security" in problem for problem in told.problems)


def test_the_last_events_cut_off_are_found_by_a_copy_elsewhere_alone(lake, wanted, base):
    kept = lake.root.parent / "kept"
    kept.write_bytes((lake.root / "ledger" / "checkpoint").read_bytes())
    folder = lake.root / "ledger"
    opened = Log.open(folder)
    cut = opened.sizes()[-3]
    for segment in segments.listed(folder / "segments"):
        if segment.first >= cut:
            for path in (segment.path, segment.path.with_suffix(".json"), segment.index_path):
                path.unlink()
    for size in opened.sizes():
        if size > cut:
            (folder / "checkpoints" / str(size)).unlink()
    (folder / "checkpoint").write_bytes((folder / "checkpoints" / str(cut)).read_bytes())
    against = findings(lake, wanted, trusted_checkpoint=kept)
    assert any("the log was rolled back" in line for line in against)


def test_incremental_mode_begins_where_the_last_check_ended_and_finds_a_changed_past(lake, wanted):
    assert findings(lake, wanted) == []
    size = Log.open(lake.root / "ledger").head.size
    night(lake, wanted, 7)
    found = verify.verify(lake, wanted, incremental=True)
    assert (found.findings, found.incremental_from) == ([], size)
    assert found.events == found.size - size
    shutil.rmtree(lake.root / "ledger")
    shutil.rmtree(lake.root / "tables" / "events")
    state = json.loads((lake.root / "state" / "ledger-verified.json").read_text())
    (lake.root / "state" / "ledger.json").unlink()
    for manifest in lake.root.glob("runs/*/commits/events-*.json"):
        manifest.unlink()
    recording.record(lake, wanted, POLICIES, run_id=ids.digest("rewritten"), now=NIGHT, actor=ACTOR)
    assert state["size"] > 0
    found = verify.verify(lake, wanted, incremental=True)
    assert any("history was rewritten" in line for line in found.findings)


def test_an_event_of_an_unknown_schema_is_unverifiable_and_not_tampered(lake, wanted, monkeypatch):
    monkeypatch.setattr(events, "known_schemas", lambda: {events.schema_id("run"): "run"})
    found = verify.verify(lake, wanted)
    assert found.findings == []
    assert any("of a schema this release does not know" in line for line in found.unverifiable)
    with pytest.raises(Unverifiable):
        found.require()


# Bit flips --------------------------------------------------------------------------------------------------


def _covered(root: Path) -> Iterator[Path]:
    """Files that verification promises to judge; reports, run results and watermarks are not bound."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root).as_posix()
        if path.is_file() and relative.startswith(("tables/", "ledger/", "vault/", "runs/")):
            yield path


AREAS = ("tables", "ledger", "vault", "runs")
AT_ONCE = 12
"""Files of one area that are changed together: each must be named. What is not named is tried alone."""


def _flips(lake: Lake, wanted: LedgerSettings, count: int, seed: int) -> dict[str, int]:
    """Flips single bits of random files; every one must be found or be in the list of the harmless.

    Many files are changed before one check, so that hundreds of flips are affordable: a flip counts as found
    when a finding names its file. The others are tried once more, each by itself.
    """
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    files = [path for path in _covered(lake.root) if path.stat().st_size]
    by_area = {area: [p for p in files if p.relative_to(lake.root).parts[0] == area] for area in AREAS}
    tally = {"found together": 0, "found alone": 0, "harmless": 0}
    while sum(tally.values()) < count:
        area = rng.choice(AREAS)
        left = min(AT_ONCE, len(by_area[area]), count - sum(tally.values()))
        original = {path: path.read_bytes() for path in rng.sample(by_area[area], left)}
        flips = {path: (rng.randrange(len(data)), rng.randrange(8)) for path, data in original.items()}
        for path, (at, bit) in flips.items():
            _flip(path, original[path], at, bit)
        said = _says(lake, wanted)
        for path, data in original.items():
            path.write_bytes(data)
        for path, (at, bit) in flips.items():
            if str(path) in said or path.relative_to(lake.root).as_posix() in said:
                tally["found together"] += 1
                continue
            data = original[path]
            _flip(path, data, at, bit)
            if _says(lake, wanted):
                tally["found alone"] += 1
            else:
                relative = path.relative_to(lake.root).as_posix()
                assert _is_harmless(relative, data, at), f"bit {bit} of byte {at} of {relative}"
                tally["harmless"] += 1
            path.write_bytes(data)
    return tally


def _flip(path: Path, data: bytes, at: int, bit: int) -> None:
    path.write_bytes(data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :])


def _says(lake: Lake, wanted: LedgerSettings) -> str:
    """What a check finds wrong or cannot judge; empty where all is well."""
    try:
        found = verify.verify(lake, wanted)
    except ClaimledgerError as error:
        return str(error)
    return "\n".join(found.findings + found.unverifiable)


def _is_harmless(relative: str, data: bytes, at: int) -> bool:
    """A commit manifest's own run and unit names and row counts, and a segment's run id: read by nobody."""
    if not relative.endswith(".json"):
        return False
    start = data.rfind(b"\n", 0, at) + 1
    line = data[start : data.find(b"\n", at)]
    return any(
        key in line for key in (b'"rows"', b'"bytes"', b'"run_id"', b'"unit"', b'"status"', b'"format"')
    )


@pytest.fixture
def small(tmp_path: Path) -> tuple[Lake, LedgerSettings]:
    """One night: every kind of file there is, and a check that takes a tenth of a second."""
    lake, wanted = Lake.open(str(tmp_path / "small" / "lake")), ledger_lake.settings(tmp_path / "small")
    night(lake, wanted, 0, outputs=2)
    return lake, wanted


def test_hundreds_of_flipped_bits_are_found_or_harmless(small):
    lake, wanted = small
    tally = _flips(lake, wanted, 300, seed=1)
    assert sum(tally.values()) == 300
    assert tally["harmless"] < 30, tally


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thousands_of_flipped_bits_are_found_or_harmless(lake, wanted, record_property):
    tally = _flips(lake, wanted, 4000, seed=2)
    record_property("flips", tally)
    assert sum(tally.values()) == 4000
    assert tally["harmless"] < 400, tally
