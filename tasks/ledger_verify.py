"""Is the lake what was signed? Every leaf, tile, checkpoint and bound row, and what exactly is wrong.

Belongs here: the order of the checks and their words. Does not belong here: repairing anything.

1. checkpoints: each is signed by a trusted key, or by one that a trusted key handed over to.
2. segments: each file's digest before it is parsed; each event's bytes make its id and leaf hash; the typed
   columns say what the bytes say.
3. the tree: the root over the leaves at every checkpoint's size is the signed root; so each checkpoint
   extends the one before, and a difference lies between two of them.
4. tiles and bundles are those of the tree.
5. the `events` table is a rendering of the log.
6. rows: every row that an event binds has the digest that the event says (`ledger_rows.py`).
7. files: every table file is the one that a commit named, and the commits are those the run's event names.
8. outside: the trusted checkpoint and the witnesses' copies are of this history. Without any, a lake can only
   be self-consistent: whoever has the signing key could have written all of it anew.

Incremental mode trusts a full check it remembers and begins where that ended; the tree before is known by its
root.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks import commits, durable, keys, ledger, parquet, segments, witness
from tasks.ledger_rows import Findings, check_rows, unrecorded
from tasks.log import Log
from tasks.pure import events, merkle, tiles
from tasks.pure.errors import ClaimledgerError, IntegrityError, Unverifiable
from tasks.pure.notes import Checkpoint, NoteError, PublicKey, UnknownKey
from tasks.pure.tables import EVENTS
from tasks.pure.tiles import Tile, Tree
from tasks.segments import Segment
from tasks.settings import LedgerSettings
from tasks.store import Lake

STATE = "ledger-verified"
Progress = Callable[[int, int], None]
"""(events checked, events in all)."""

_OPENING = '{"_schema":"'


@dataclass
class Verified:
    """What was checked and what was found; `findings` empty means that all of it holds."""

    origin: str
    size: int
    root: str
    checkpoints: int = 0
    events: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    erased: int = 0
    outside: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    unverifiable: list[str] = field(default_factory=list)
    incremental_from: int | None = None

    @property
    def statement(self) -> str:
        """One sentence that claims no more than was proven."""
        if self.findings:
            return f"{len(self.findings)} checks failed; first: {self.findings[0]}"
        if self.unverifiable:
            return f"{len(self.unverifiable)} things could not be checked; first: {self.unverifiable[0]}"
        checked = f"{self.size} events and the rows they bind"
        if self.incremental_from:
            checked = f"{self.events} events since {self.incremental_from} and the rows they bind"
        if self.outside:
            return f"{checked} agree with {', '.join(self.outside)}"
        return (
            f"{checked} are self-consistent only: nothing outside the lake "
            "was compared, so a holder of the signing key could have rewritten all of it; a witness or "
            "--trusted-checkpoint finds that"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "origin": self.origin,
            "size": self.size,
            "root": self.root,
            "checkpoints": self.checkpoints,
            "events": self.events,
            "rows": self.rows,
            "erased": self.erased,
            "outside": self.outside,
            "notices": self.notices,
            "findings": self.findings,
            "unverifiable": self.unverifiable,
            "incremental_from": self.incremental_from,
            "statement": self.statement,
        }

    def require(self) -> None:
        """Raises what the findings amount to: IntegrityError, else Unverifiable, else nothing."""
        more = len(self.findings or self.unverifiable) - 1
        tail = f"; and {more} more, listed by --json" if more > 0 else ""
        if self.findings:
            raise IntegrityError(f"{self.findings[0]}{tail}")
        if self.unverifiable:
            raise Unverifiable(f"{self.unverifiable[0]}{tail}")


def verify(
    lake: Lake,
    settings: LedgerSettings,
    *,
    trusted_keys: Sequence[PublicKey] = (),
    trusted_checkpoint: Path | None = None,
    incremental: bool = False,
    progress: Progress | None = None,
) -> Verified:
    """Checks the whole lake against its ledger; reads only.

    Args:
        trusted_keys: the auditor's own copies of the log's public keys; without them the key of this machine,
            and failing that the one in the ledger's folder, which proves nothing about who signed.
        trusted_checkpoint: a checkpoint kept outside the lake.

    Raises:
        IntegrityError: the ledger is lost or its checkpoint unreadable, so that nothing can be checked.
        ConfigError: a file that was named cannot be read.
    """
    if not ledger.exists(lake):
        raise Unverifiable(
            f"{ledger.folder(lake)}: this lake has no ledger yet; `claimledger audit` makes one"
        )
    opened = Log.open(ledger.folder(lake))
    notices = _go_on(opened)
    found = Verified(opened.origin, opened.head.size, opened.head.root.hex(), notices=notices)
    collected = Findings(found.findings, found.unverifiable, found.notices)
    known, own = _trusted(lake, settings, opened, trusted_keys, found)
    start = _remembered(lake, opened, collected) if incremental else 0
    found.incremental_from = start if incremental else None

    walk = _Walk(lake, opened, start, collected, progress)
    checkpoints = _checkpoints(opened, collected)
    try:
        walk.run({c.size: c for c in checkpoints}, found)
    except IntegrityError as error:
        collected.failed(str(error))
    _signatures(opened, checkpoints, known, walk.rotations, own=own, collected=collected)
    found.checkpoints = len(checkpoints)
    _loose_ends(lake, opened, collected)
    if not incremental:
        with collected.catching():
            waiting = _waiting(lake)
            for sentence in lake.verify_files():
                if sentence.split(":")[0] in waiting:
                    collected.noticed(f"{sentence}; it is prepared, and the next run publishes it")
                else:
                    collected.failed(sentence)
    _outside(opened, settings, trusted_checkpoint, known=known, found=found, collected=collected)
    if not found.findings and not found.unverifiable:
        _remember(lake, opened)
    return found


def _go_on(opened: Log) -> list[str]:
    """What was signed is in the log although a crash left it unpublished; the next run publishes it."""
    newest = max(opened.sizes(), default=0)
    held = sum(s.rows for s in segments.listed(opened.folder / "segments"))
    if newest <= opened.head.size or held < newest:
        return []
    opened.head = opened.checkpoint(newest)
    opened.forget()
    return [f"the checkpoint of {newest} events was signed and not published; the next run publishes it"]


def _trusted(
    lake: Lake, settings: LedgerSettings, opened: Log, given: Sequence[PublicKey], found: Verified
) -> tuple[list[PublicKey], bool]:
    """Keys to begin with, and whether they come from outside the ledger's folder."""
    if given:
        return list(given), True
    if settings.signer_key:
        return [PublicKey.parse(settings.signer_key)], True
    path = ledger.key_path(settings, opened.origin)
    if path.exists():
        return [keys.read_key(path).public], True
    vkey = ledger.folder(lake) / "vkey"
    found.notices.append(
        f"the public key was taken from {vkey}, in the ledger's own folder, which proves nothing about who "
        "signed; give --key"
    )
    if not vkey.exists():
        raise Unverifiable(f"{vkey}: no public key there and none given; give --key")
    return keys.parse_keys([str(vkey)]), False


def _checkpoints(opened: Log, collected: Findings) -> list[Checkpoint]:
    found = []
    for size in opened.sizes():
        with collected.catching():
            checkpoint = opened.checkpoint(size)
            found.append(checkpoint)
            if size > opened.head.size:
                collected.failed(
                    f"{opened.folder / 'checkpoint'}: signed for {opened.head.size} events although a "
                    f"checkpoint of {size} was signed before: the ledger was rolled back"
                )
    last = opened.folder / "checkpoints" / str(opened.head.size)
    if not last.exists():
        collected.failed(f"{last}: the newest checkpoint's copy is missing")
    elif last.read_bytes() != str(opened.head.note).encode():
        collected.failed(f"{last}: differs from {opened.folder / 'checkpoint'}")
    return found


def _signatures(
    opened: Log,
    checkpoints: Sequence[Checkpoint],
    known: list[PublicKey],
    rotations: Sequence[tuple[int, PublicKey, PublicKey]],
    *,
    own: bool,
    collected: Findings,
) -> None:
    """Step 1. A hand-over counts where old and new key both signed the first checkpoint that covers it."""
    for _ in rotations:
        for index, before, after in rotations:
            covering = next((c for c in checkpoints if c.size > index), None)
            if covering is None or (before in known) == (after in known):
                continue
            try:
                covering.note.signers([before], keys.verify)
                covering.note.signers([after], keys.verify)
            except NoteError as error:
                collected.failed(
                    f"checkpoint {covering.size}: the hand-over of the key at {index} fails: {error}"
                )
                continue
            known += [key for key in (before, after) if key not in known]
    for checkpoint in checkpoints:
        place = f"{opened.folder / 'checkpoints' / str(checkpoint.size)}"
        try:
            checkpoint.note.signers(known, keys.verify)
        except UnknownKey:
            whose = "a trusted key" if own else "the key in LAKE/ledger/vkey"
            collected.unknown(f"{place}: not signed by {whose}; give the log's public key with --key")
        except NoteError as error:
            collected.failed(f"{place}: {error}")


class _Walk:
    """Steps 2 to 6: one pass over the log in order, holding one segment at a time."""

    def __init__(
        self, lake: Lake, opened: Log, start: int, collected: Findings, progress: Progress | None
    ) -> None:
        self.lake, self.log, self.start, self.collected = lake, opened, start, collected
        self.progress = progress
        self.tree = Tree.load(start, opened.read_tile) if start else Tree()
        self.rotations: list[tuple[int, PublicKey, PublicKey]] = []
        self.erased: set[str] = set()
        self.last_good = start
        self.rewritten = False
        self.carry: list[bytes] = []
        self.tiles_seen: set[str] = set()
        self._salts: pl.DataFrame | None = None

    def run(self, signed: dict[int, Checkpoint], found: Verified) -> None:
        waiting = [s for s in self.log.segments if s.end > self.start]
        if self.start % tiles.WIDTH:
            tile = Tile(tiles.ENTRIES, self.start // tiles.WIDTH, self.start % tiles.WIDTH)
            self.carry = tiles.unbundle(self.log.read_tile(tile))[: tile.width]
        self._salts = self._load_salts()
        self._find_erasures()
        with (
            tempfile.TemporaryFile() as file,
            tempfile.TemporaryFile() as other,
            ThreadPoolExecutor(1) as reader,
        ):
            shape = (max(self.log.head.size, 1),)
            leaves = np.memmap(file, "V32", "w+", shape=shape)
            self.event_ids = np.memmap(other, "V32", "w+", shape=shape)
            # Reading the next segment overlaps with hashing this one.
            upcoming = reader.submit(self._read, waiting[0]) if waiting else None
            for number, segment in enumerate(waiting):
                assert upcoming is not None  # noqa: S101 - submitted above or below
                frame = upcoming.result()
                if number + 1 < len(waiting):
                    upcoming = reader.submit(self._read, waiting[number + 1])
                self._segment(segment, frame, signed, leaves)
                found.events += segment.rows
                if frame is not None:
                    with self.collected.catching():
                        counts, erased = check_rows(
                            self.lake, frame, self._salts, self.erased, self.collected
                        )
                        for table, count in counts.items():
                            found.rows[table] = found.rows.get(table, 0) + count
                        found.erased += erased
                if self.progress:
                    self.progress(segment.end, self.log.head.size)
            for size, checkpoint in signed.items():
                if size == 0 and checkpoint.root != merkle.EMPTY_ROOT:
                    self.collected.failed("checkpoint 0: not the root of an empty tree")
            self._last_tiles()
            self._table(leaves)
        if not self.start:
            with self.collected.catching():
                unrecorded(self.lake, self.log, self.collected)

    def _load_salts(self) -> pl.DataFrame:
        vault = ledger.vault_of(self.lake, LedgerSettings(), self.log.origin)
        with self.collected.catching():
            return vault.salts()
        return pl.DataFrame(schema={"output_id": pl.String, "salt": pl.Binary})

    def _find_erasures(self) -> None:
        """Erasures come after what they erase, so they are known before rows are looked at."""
        for segment in self.log.segments:
            with self.collected.catching(silently=True):
                self.erased |= set(segment.subjects("erasure"))

    def _read(self, segment: Segment) -> pl.DataFrame | None:
        try:
            return segment.read()
        except IntegrityError as error:
            self.collected.failed(str(error))
            return None

    def _segment(
        self, segment: Segment, frame: pl.DataFrame | None, signed: dict[int, Checkpoint], leaves: np.memmap
    ) -> None:
        if frame is None:
            # The bundles may still say what the segment said; the tree decides whether they do.
            entries = [self.log.entry(i) for i in range(segment.first, segment.end)]
        else:
            entries = frame["event"].to_list()
            with self.collected.catching():
                index = segments.build_index(frame)
                if segment.index_path.exists() and not _same_index(segment, index):
                    self.collected.failed(f"{segment.index_path}: damaged; delete it, it is only a cache")
        hashes = merkle.leaf_hashes(entries)
        leaves[segment.first : segment.end] = np.frombuffer(hashes, "V32")
        if frame is not None:
            self._columns(segment.path, frame, hashes, segment.first)
            self._find_rotations(frame)
        inside = [s for s in sorted(signed) if segment.first < s <= segment.end and s > self.start]
        at = segment.first
        for stop in [*inside, segment.end]:
            if stop <= at:
                continue
            part = slice(at - segment.first, stop - segment.first)
            self._bundles(at, entries[part])
            for tile, data in self.tree.extend(hashes[part.start * 32 : part.stop * 32]):
                self._tile(tile, data)
            at = stop
            if stop in signed:
                self._root(signed[stop])

    def _root(self, checkpoint: Checkpoint) -> None:
        if self.tree.root() == checkpoint.root:
            self.last_good = checkpoint.size
        elif not self.rewritten:
            self.rewritten = True
            self.collected.failed(
                f"history was rewritten between checkpoint {self.last_good} and {checkpoint.size}: the "
                "events have another root than was signed"
            )

    def _columns(self, path: Path, frame: pl.DataFrame, hashes: bytes, first: int) -> None:
        """The typed columns say what the bytes say."""
        sha256 = hashlib.sha256
        bodies = frame["event"].cast(pl.String, strict=False)
        if bodies.null_count():
            self.collected.failed(f"{path}: an event's bytes are not text")
            return
        entries = frame["event"].to_list()
        digests = b"".join([sha256(entry).digest() for entry in entries])
        self.event_ids[first : first + frame.height] = np.frombuffer(digests, "V32")
        wrong = _differing(frame, bodies)
        wrong["sequence"] = frame["sequence"] != pl.int_range(first, first + frame.height, eager=True)
        wrong["event_id"] = ~frame["event_id"].eq_missing(_hex32(digests))
        wrong["leaf_hash"] = ~frame["leaf_hash"].eq_missing(_hex32(hashes))
        for column, differs in wrong.items():
            if differs.any():
                self.collected.failed(
                    f"{path}: column {column} of {differs.sum()} events differs from their bytes, first at "
                    f"index {first + int(differs.arg_true()[0])}"
                )
        schemas = bodies.str.slice(len(_OPENING), 64)
        strange = schemas.is_in(list(events.known_schemas())).not_()
        if strange.any():
            at = strange.arg_true()[0]
            self.collected.unknown(
                f"{path}: {strange.sum()} events are of a schema this release does not know, first at index "
                f"{first + at}; check them with the release that wrote them"
            )

    def _find_rotations(self, frame: pl.DataFrame) -> None:
        changes = frame.filter(pl.col("kind") == "configuration")
        for sequence, data in changes.select("sequence", "event").iter_rows():
            body = events.read(data)
            if body.get("change") == "key":
                with self.collected.catching():
                    pair = PublicKey.parse(str(body["before"])), PublicKey.parse(str(body["after"]))
                    self.rotations.append((sequence, *pair))

    # Tiles --------------------------------------------------------------------------------------------

    def _bundles(self, first: int, entries: Sequence[bytes]) -> None:
        index = (first - len(self.carry)) // tiles.WIDTH
        self.carry += entries
        while len(self.carry) >= tiles.WIDTH:
            self._tile(Tile(tiles.ENTRIES, index), tiles.bundle(self.carry[: tiles.WIDTH]))
            self.carry = self.carry[tiles.WIDTH :]
            index += 1

    def _last_tiles(self) -> None:
        for tile, data in self.tree.partial():
            self._tile(tile, data)
        if self.carry:
            tile = Tile(tiles.ENTRIES, self.tree.size // tiles.WIDTH, len(self.carry))
            self._tile(tile, tiles.bundle(self.carry))
        if self.start:
            return
        for path in sorted(self.log.folder.glob("tile/**/*")):
            relative = path.relative_to(self.log.folder).as_posix()
            if not path.is_file() or relative in self.tiles_seen:
                continue
            stray = tiles.parse_path(relative)
            if stray is not None and stray.end > self.log.head.size:
                self.collected.noticed(f"{path}: beyond the checkpoint, left by an interrupted append")
            else:
                self.collected.failed(f"{path}: no tile of the tree; remove it")

    def _tile(self, tile: Tile, data: bytes) -> None:
        """The tile's file, and the narrower ones of earlier checkpoints."""
        path = self.log.folder / tile.path
        self.tiles_seen.add(tile.path)
        narrower = path.parent if tile.width < tiles.WIDTH else path.with_name(f"{path.name}.p")
        if not path.exists():
            self.collected.failed(f"{path}: the tile is missing; it can be rebuilt from the segments")
        elif path.read_bytes() != data:
            self.collected.failed(f"{path}: not the tile of the tree; it can be rebuilt from the segments")
        if not narrower.is_dir():
            return
        for other in narrower.iterdir():
            if other == path or not other.name.isdigit():
                continue
            relative = other.relative_to(self.log.folder).as_posix()
            front = _front(tile, data, int(other.name))
            if front is not None:
                self.tiles_seen.add(relative)
                if other.read_bytes() != front:
                    self.collected.failed(f"{other}: not a tile of the tree; it can be removed")

    # The events table -----------------------------------------------------------------------------------

    def _table(self, leaves: np.memmap) -> None:
        """Step 5: each row has its leaf, each leaf one row."""
        seen = np.zeros(self.log.head.size, dtype=np.uint8)
        for path in self.lake.files("events"):
            with self.collected.catching():
                try:
                    frame = parquet.decode(EVENTS, path.read_bytes())
                except Exception as error:  # noqa: BLE001 - a reader of hostile bytes may raise anything
                    self.collected.failed(f"{path}: cannot be read as the events table ({error})")
                    continue
                frame = frame.filter(pl.col("sequence") >= self.start)
                if frame.height:
                    self._table_file(path, frame, leaves, seen)
        missing = np.flatnonzero(seen[self.start :] == 0)
        done = int(self.lake.read_state(ledger.STATE).get("rendered", 0))
        if missing.size and self.start + int(missing[0]) >= done:
            self.collected.noticed(f"events: {missing.size} events wait to be rendered; the next run does it")
        elif missing.size:
            self.collected.failed(
                f"events: {missing.size} rows are missing, first sequence {self.start + int(missing[0])}"
            )

    def _table_file(self, path: Path, frame: pl.DataFrame, leaves: np.memmap, seen: np.ndarray) -> None:
        sequence = frame["sequence"].to_numpy()
        if sequence.min() < 0 or sequence.max() >= len(seen):
            self.collected.failed(f"{path}: has events that the log does not have")
            return
        bodies = [body.encode() for body in frame["body"].to_list()]
        hashes = merkle.leaf_hashes(bodies)
        wrong = np.flatnonzero(leaves[sequence] != np.frombuffer(hashes, "V32"))
        if wrong.size:
            self.collected.failed(
                f"{path}: column body of {wrong.size} rows differs from the log, first sequence "
                f"{sequence[wrong[0]]}"
            )
            return
        twice = np.flatnonzero(seen[sequence])
        if twice.size or len(np.unique(sequence)) != len(sequence):
            self.collected.failed(f"{path}: has events twice, for example {sequence[twice[:1]].tolist()}")
        seen[sequence] = 1
        wrong_by = _differing(frame, frame["body"])
        for column, kept in (("event_id", self.event_ids), ("leaf_hash", leaves)):
            stored = frame[column].str.decode("hex", strict=False).to_list()
            wrong_by[column] = pl.Series(
                [v != k.tobytes() for v, k in zip(stored, kept[sequence], strict=True)]
            )
        for column, differs in wrong_by.items():
            if differs.any():
                at = int(sequence[int(differs.arg_true()[0])])
                self.collected.failed(
                    f"{path}: column {column} of {differs.sum()} rows differs from the event's bytes, first "
                    f"sequence {at}"
                )


def _front(tile: Tile, data: bytes, width: int) -> bytes | None:
    if not 0 < width < tile.width:
        return None
    if tile.level == tiles.ENTRIES:
        return tiles.bundle(tiles.unbundle(data)[:width])
    return data[: width * merkle.HASH_BYTES]


def _differing(frame: pl.DataFrame, bodies: pl.Series) -> dict[str, pl.Series]:
    """Per typed column, the rows where the bytes do not say the same.

    In canonical JSON a field stands as `"name":value`; inside a string the quotes would be escaped, and no
    nested record has a field of these names, so looking for the words is exact and much cheaper than parsing.
    """
    body, quote = pl.col("body"), pl.lit('"')

    def says(name: str, value: pl.Expr) -> pl.Expr:
        return body.str.contains(pl.concat_str([pl.lit(f'"{name}":'), value]), literal=True).not_()

    def text(name: str) -> pl.Expr:
        return pl.concat_str([quote, pl.col(name), quote])

    time = pl.col("occurred_at").dt.epoch("us").cast(pl.String) + ","
    checks = {name: says(name, text(name)) for name in ("kind", "subject_id", "run_id")}
    checks["occurred_at"] = says("occurred_at_us", time)
    if "claim_id" in frame.columns:
        missing = pl.col("claim_id").is_null()
        planted = missing & body.str.contains('"claim_id":"', literal=True)
        checks["claim_id"] = planted | (~missing & says("claim_id", text("claim_id")).fill_null(value=False))
    found = frame.with_columns(body=bodies).select(
        check.fill_null(value=True).alias(name) for name, check in checks.items()
    )
    return {name: found[name] for name in checks}


def _hex32(hashes: bytes) -> pl.Series:
    digits = hashes.hex()
    return pl.Series([digits[i : i + 64] for i in range(0, len(digits), 64)], dtype=pl.String)


def _same_index(segment: Segment, index: np.ndarray) -> bool:
    return segment.index_path.read_bytes() == index.tobytes()


def _loose_ends(lake: Lake, opened: Log, collected: Findings) -> None:
    """Small files that people read, and files that nobody should have put there."""
    folder = opened.folder
    origin = folder / "origin"
    if not origin.exists() or origin.read_bytes() != f"{opened.origin}\n".encode():
        collected.failed(f"{origin}: does not name the log that the checkpoint is of")
    vkey = folder / "vkey"
    with collected.catching():
        listed = keys.parse_keys([str(vkey)])
        if vkey.read_bytes() != "".join(f"{k}\n" for k in listed).encode():
            collected.failed(f"{vkey}: not a list of public keys as it was written")
        try:
            opened.head.note.signers(listed, keys.verify)
        except NoteError:
            collected.failed(f"{vkey}: names a key that did not sign this log")
    places = {"origin", "vkey", "checkpoint", "segments", "checkpoints", "tile", "index"}
    for path in sorted(folder.iterdir()):
        if path.name not in places and not _is_temporary(path):
            collected.failed(f"{path}: not a file of a ledger")
    _strangers(opened, collected)
    with collected.catching():
        state = lake.read_state(ledger.STATE)
        if state.get("origin", opened.origin) != opened.origin or not (
            0 <= int(state.get("rendered", 0)) <= opened.head.size
        ):
            collected.failed("LAKE/state/ledger.json: is about another ledger than LAKE/ledger")


def _strangers(opened: Log, collected: Findings) -> None:
    """Files that no append wrote, or that one was interrupted over."""
    folder = opened.folder
    with collected.catching():
        numbers = {s.number for s in opened.segments}
        for path in sorted((folder / "segments").iterdir()):
            if _is_temporary(path):
                collected.noticed(f"{path}: left by an interrupted write; the next run removes it")
            elif path.suffix not in (".parquet", ".json") or not path.stem.isdigit():
                collected.failed(f"{path}: not a file of a ledger")
            elif int(path.stem) not in numbers:
                collected.noticed(f"{path}: beyond the checkpoint, left by an interrupted append")
    for path in sorted((folder / "checkpoints").iterdir()):
        if _is_temporary(path):
            continue
        if not path.name.isdigit() or (path.name != "0" and path.name.startswith("0")):
            collected.failed(f"{path}: not a checkpoint's name")


def _waiting(lake: Lake) -> set[str]:
    """Files of commits that a crash left prepared: still to be published from their staging folders."""
    places = set()
    for staging in commits.pending(lake.root):
        for path in staging.iterdir():
            table, _, rest = path.name.partition("-")
            places.add(f"tables/{table}/date={rest[:10]}/{rest[11:]}")
    return places


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.suffix == ".tmp"


def _outside(
    opened: Log,
    settings: LedgerSettings,
    trusted: Path | None,
    *,
    known: Sequence[PublicKey],
    found: Verified,
    collected: Findings,
) -> None:
    """Step 8."""
    kept: list[tuple[str, Checkpoint]] = []
    if trusted is not None:
        try:
            kept.append((f"the trusted checkpoint {trusted}", Checkpoint.parse(trusted.read_bytes())))
        except OSError as error:
            raise Unverifiable(f"{trusted}: cannot be read ({error.strerror})") from None
        except NoteError as error:
            raise Unverifiable(f"{trusted}: {error}; it is no checkpoint") from None
    for each in settings.witnesses:
        if each.kind == "http":
            continue
        try:
            kept += [(f"witness {each.name}", c) for c in witness.copies(each, opened.origin)]
        except ClaimledgerError as error:
            collected.unknown(f"witness {each.name}: {error}")
    agreed: dict[str, int] = {}
    for name, checkpoint in kept:
        try:
            checkpoint.note.signers(known, keys.verify)
        except UnknownKey:
            collected.unknown(f"{name}: its checkpoint of {checkpoint.size} is signed by no trusted key")
            continue
        except NoteError as error:
            collected.failed(f"{name}: its checkpoint of {checkpoint.size}: {error}")
            continue
        with collected.catching():
            sentence = witness.contradiction(opened, checkpoint)
            if sentence:
                collected.failed(f"{name}: {sentence}")
                agreed.pop(name, None)
                break
            agreed[name] = max(checkpoint.size, agreed.get(name, 0))
    found.outside += [f"{name} (at {size} events)" for name, size in agreed.items()]


def _remembered(lake: Lake, opened: Log, collected: Findings) -> int:
    """Where the last full check ended, if the tree still has the root it had then."""
    state = lake.read_state(STATE)
    try:
        size, root = int(state["size"]), bytes.fromhex(state["root"])
        same = size <= opened.head.size and Tree.load(size, opened.read_tile).root() == root
    except (KeyError, ValueError, IntegrityError):
        return 0
    if not same:
        collected.failed(
            f"history was rewritten: the first {size} events are not those that the last check saw"
        )
        return 0
    return size


def _remember(lake: Lake, opened: Log) -> None:
    """Kept in the lake and so worth what the lake is worth: it saves time, it proves nothing."""
    path = lake.root / "state" / f"{STATE}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        durable.replace_json(path, {"size": opened.head.size, "root": opened.head.root.hex()})
    except OSError:
        return


def checkpoints_of(opened: Log) -> Iterator[Checkpoint]:
    """Every signed checkpoint, oldest first: what a console lists."""
    for size in opened.sizes():
        yield opened.checkpoint(size)
