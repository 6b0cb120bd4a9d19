"""Is the lake what was signed? Every leaf, tile, checkpoint and bound row, and what exactly is wrong.

Belongs here: the order of the checks, and what joins the segments: the tree, its checkpoints, the world
outside. Does not belong here: a segment by itself (`ledger_segments.py`), rows (`ledger_rows.py`), repairing
anything.

1. checkpoints: each is signed by a trusted key, or by one that a trusted key handed over to.
2. segments, in parallel: each file's digest before it is parsed; each event's bytes make its id and leaf
   hash; the typed columns say what the bytes say; bundles hold the same bytes.
3. rows, with their segment: every row that an event binds says what the event says (`ledger_rows.py`).
4. the tree: the root over the leaves at every checkpoint's size is the signed root; so each checkpoint
   extends the one before, and a difference lies between two of them. Its tiles are those on disk.
5. the `events` table is a rendering of the log.
6. files: every table file is the one that a commit named, and the commits are those the run's event names.
7. outside: the trusted checkpoint and the witnesses' copies are of this history. Without any, a lake can only
   be self-consistent: whoever has the signing key could have written all of it anew.

Incremental mode trusts a full check it remembers and begins where that ended; the tree before is known by its
root. Memory is a few segments per process whatever the size of the log.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tasks.errors import ClaimledgerError, IntegrityError, Unverifiable
from tasks.files import durable
from tasks.lake import commits, verification
from tasks.lake.store import Lake
from tasks.ledger import keys, merkle, recording, segments, tiles
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint, NoteError, PublicKey, UnknownKey
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.tiles import Tile, Tree
from tasks.ledger.verify_files import Findings, TableFiles
from tasks.ledger.verify_rows import unrecorded
from tasks.ledger.verify_salts import Salts
from tasks.ledger.verify_segments import Scope, SegmentChecked, Work, check_all, table_file
from tasks.ledger.verify_tiles import TileFiles
from tasks.ledger.witness import witness

STATE = "ledger-verified"
Progress = Callable[[int, int], None]
"""(events checked, events in all)."""
_WORTH_PROCESSES = 50_000
"""Events below which starting processes costs more than it saves."""


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
    workers: int | None = None,
) -> Verified:
    """Checks the whole lake against its ledger; reads only.

    Args:
        workers: processes that check segments; None takes one per core for a large log and none for a small.
        trusted_keys: the auditor's own copies of the log's public keys; without them the key of this machine,
            and failing that the one in the ledger's folder, which proves nothing about who signed.
        trusted_checkpoint: a checkpoint kept outside the lake.

    Raises:
        IntegrityError: the ledger is lost or its checkpoint unreadable, so that nothing can be checked.
        ConfigError: a file that was named cannot be read.
    """
    if not recording.exists(lake):
        raise Unverifiable(
            f"{recording.folder(lake)}: this lake has no ledger yet; `claimledger audit` makes one"
        )
    opened = Log.open(recording.folder(lake))
    notices = _go_on(opened)
    found = Verified(opened.origin, opened.head.size, opened.head.root.hex(), notices=notices)
    collected = Findings(found.findings, found.unverifiable, found.notices)
    known, own = _trusted(lake, settings, opened, trusted_keys, found)
    start = _remembered(lake, opened, collected) if incremental else 0
    found.incremental_from = start if incremental else None

    checkpoints = _checkpoints(opened, collected)
    walk = _Walk(lake, opened, start, found, progress)
    try:
        walk.run({c.size: c for c in checkpoints}, workers)
    except IntegrityError as error:
        collected.failed(str(error))
    _signatures(opened, checkpoints, known, walk.rotations, own=own, collected=collected)
    found.checkpoints = len(checkpoints)
    _loose_ends(lake, opened, collected)
    if not incremental:
        with collected.catching():
            waiting = _waiting(lake)
            for sentence in verification.verify(lake.root, walk.digests):
                if sentence.split(":")[0] in waiting:
                    collected.noticed(f"{sentence}; it is prepared, and the next run publishes it")
                else:
                    collected.failed(sentence)
    _outside(opened, settings, trusted_checkpoint, known=known, found=found, collected=collected)
    if not found.findings and not found.unverifiable:
        _remember(lake, opened)
    return found


def _go_on(opened: Log) -> list[str]:
    """What was signed is in the log although a crash left it unpublished; the next run publishes it.

    A crash leaves one checkpoint unpublished. Where several are newer, somebody put an old one back.
    """
    sizes = opened.sizes()
    newest = max(sizes, default=0)
    if any(opened.head.size < size < newest for size in sizes):
        return []
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
    path = recording.key_path(settings, opened.origin)
    if path.exists():
        return [keys.read_key(path).public], True
    vkey = recording.folder(lake) / "vkey"
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
    signed = {0, *(s.end for s in segments.listed(opened.folder / "segments") if s.ends_append)}
    for size in sorted(signed - set(opened.sizes())):
        if size < opened.head.size:
            place = opened.folder / "checkpoints" / str(size)
            collected.failed(f"{place}: the checkpoint that an append signed is missing; restore it")
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
    """Step 1. A hand-over counts where old and new key both signed the first checkpoint that covers it.

    After it the old key signs nothing any more: it may have been handed over because it was stolen.
    """
    handed: dict[int, tuple[int, PublicKey, PublicKey]] = {}
    for _ in rotations:
        for index, before, after in rotations:
            covering = next((c for c in checkpoints if c.size > index), None)
            if covering is not None and before in known and after in known:
                handed[index] = (covering.size, before, after)
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
            handed[index] = (covering.size, before, after)
    for checkpoint in checkpoints:
        place = f"{opened.folder / 'checkpoints' / str(checkpoint.size)}"
        try:
            signed = [key for key, _ in checkpoint.note.signers(known, keys.verify)]
            if all(_is_retired(key, checkpoint.size, handed) for key in signed):
                collected.failed(f"{place}: signed by a key that had been handed over to another before")
        except UnknownKey:
            whose = "a trusted key" if own else "the key in LAKE/ledger/vkey"
            collected.unknown(f"{place}: not signed by {whose}; give the log's public key with --key")
        except NoteError as error:
            collected.failed(f"{place}: {error}")


def _is_retired(key: PublicKey, size: int, handed: Mapping[int, tuple[int, PublicKey, PublicKey]]) -> bool:
    """Whether the last hand-over of this key before a checkpoint of that size gave it away."""
    concerned = [
        (index, before)
        for index, (covered, before, after) in handed.items()
        if covered < size and key in (before, after)
    ]
    return bool(concerned) and max(concerned, key=lambda each: each[0])[1] == key


class _Walk:
    """Steps 2 to 5: the segments' checks in order, and the tree that grows over them."""

    def __init__(
        self, lake: Lake, opened: Log, start: int, found: Verified, progress: Progress | None
    ) -> None:
        self.lake, self.log, self.start, self.found = lake, opened, start, found
        self.collected = Findings(found.findings, found.unverifiable, found.notices)
        self.progress = progress
        self.tiles = TileFiles(opened, self.collected)
        self.tree = Tree.load(start, opened.read_tile) if start else Tree()
        self.rotations: list[tuple[int, PublicKey, PublicKey]] = []
        self.digests: dict[str, str] = {}
        self.last_good = start
        self.rewritten = self.lost = False
        self.carry: list[bytes] = []
        self.rendered = np.zeros(opened.head.size, dtype=bool)
        self.loose: list[Path] = []
        self.bound: dict[str, np.ndarray] = {}

    def run(self, signed: dict[int, Checkpoint], workers: int | None) -> None:
        waiting = [s for s in self.log.segments if s.end > self.start]
        if self.start % tiles.WIDTH:
            tile = Tile(tiles.ENTRIES, self.start // tiles.WIDTH, self.start % tiles.WIDTH)
            self.carry = tiles.unbundle(self.log.read_tile(tile))[: tile.width]
        if 0 in signed and signed[0].root != merkle.EMPTY_ROOT:
            self.collected.failed("checkpoint 0: not the root of an empty tree")
        if workers is None:
            many = sum(s.rows for s in waiting) >= _WORTH_PROCESSES
            workers = len(os.sched_getaffinity(0)) if many else 1
        with tempfile.TemporaryDirectory() as folder:
            scope = Scope(self.lake.root, self.log, self._salts(Path(folder)), self._erasures())
            leaves = Path(folder) / "leaves"
            with leaves.open("wb") as file:
                for done in check_all(scope, self._works(waiting), workers):
                    file.write(done.hashes or bytes(32 * done.segment.rows))
                    self._segment(done, signed)
                    if self.progress:
                        self.progress(done.segment.end, self.log.head.size)
            self._last_tiles()
            with self.collected.catching():
                self._table(leaves)
        if not self.start:
            with self.collected.catching():
                files = TableFiles(self.lake, self.collected)
                unrecorded(self.lake, self.log, files, self.bound)
                self.digests |= files.digests

    def _salts(self, folder: Path) -> Path:
        path = folder / "salts"
        vault = recording.vault_of(self.lake, LedgerSettings(), self.log.origin)
        with self.collected.catching():
            Salts.write(path, vault.salt_files())
        return path

    def _erasures(self) -> frozenset[str]:
        """Erasures come after what they erase, so they are known before rows are looked at."""
        erased: set[str] = set()
        for segment in self.log.segments:
            with self.collected.catching(silently=True):
                erased |= set(segment.subjects("erasure"))
        return frozenset(erased)

    def _works(self, waiting: Sequence[segments.Segment]) -> list[Work]:
        """Each segment with the files that its commit to the `events` table named; the others are loose."""
        there = {path.relative_to(self.lake.root): path for path in self.lake.files("events")}
        works = []
        for segment in waiting:
            named = []
            for place in recording.rendered_places(self.lake, segment):
                path = there.pop(place, None)
                if path is not None:
                    named.append(path)
            works.append(Work(segment, tuple(named)))
        if self.start:
            for segment in self.log.segments:
                for place in (
                    recording.rendered_places(self.lake, segment) if segment.end <= self.start else ()
                ):
                    there.pop(place, None)
        self.loose += there.values()
        return works

    def _segment(self, done: SegmentChecked, signed: dict[int, Checkpoint]) -> None:
        segment, hashes = done.segment, done.hashes
        self.collected.add(done.found)
        self.found.events += segment.rows
        self.rotations += done.rotations
        self.digests |= done.digests
        self.tiles.narrow |= done.narrow_tiles
        self.loose += done.loose
        for table, count in done.rows.counts.items():
            self.found.rows[table] = self.found.rows.get(table, 0) + count
        self.found.erased += done.rows.erased
        for place, bits in done.rows.bound.items():
            flags = np.unpackbits(np.frombuffer(bits, np.uint8))
            before = self.bound.get(place)
            self.bound[place] = flags if before is None else before | flags
        seen = np.unpackbits(np.frombuffer(done.rendered, np.uint8))[: segment.rows]
        self.rendered[segment.first : segment.first + len(seen)] = seen
        if hashes is None or self.lost:
            self.lost = True
            return
        inside = [s for s in sorted(signed) if segment.first < s <= segment.end and s > self.start]
        at = segment.first
        for stop in [*inside, segment.end]:
            if stop > at:
                part = slice(32 * (at - segment.first), 32 * (stop - segment.first))
                for tile, data in self.tree.extend(hashes[part]):
                    self.tiles.check(tile, data)
                at = stop
            if stop in signed:
                self._root(signed[stop])
        self._shared_bundles(done)

    def _shared_bundles(self, done: SegmentChecked) -> None:
        """Bundles that begin in one segment and end in another."""
        self.carry += done.head
        end = done.segment.first + len(done.head)
        if self.carry and end % tiles.WIDTH == 0 and len(self.carry) == tiles.WIDTH:
            self.tiles.check(Tile(tiles.ENTRIES, end // tiles.WIDTH - 1), tiles.bundle(self.carry))
            self.carry = []
        self.carry += done.tail

    def _root(self, checkpoint: Checkpoint) -> None:
        if self.tree.root() == checkpoint.root:
            self.last_good = checkpoint.size
        elif not self.rewritten:
            self.rewritten = True
            self.collected.failed(
                f"history was rewritten between checkpoint {self.last_good} and {checkpoint.size}: the "
                "events have another root than was signed"
            )

    def _last_tiles(self) -> None:
        if self.lost:
            self.collected.failed(
                f"the events after checkpoint {self.last_good} are lost in part, so that the tree over them "
                "cannot be built; restore LAKE/ledger from a copy"
            )
            return
        for tile, data in self.tree.partial():
            self.tiles.check(tile, data)
        if self.carry:
            tile = Tile(tiles.ENTRIES, self.tree.size // tiles.WIDTH, len(self.carry))
            self.tiles.check(tile, tiles.bundle(self.carry))
        if not self.start:
            self.tiles.strays()

    def _table(self, leaves: Path) -> None:
        """Step 5, what no segment's check has seen: files that no commit named, and rows that are missing."""
        stored = np.memmap(leaves, "V32", "r") if leaves.stat().st_size else np.empty(0, "V32")
        first = self.log.head.size - len(stored)
        files = TableFiles(self.lake, self.collected)
        for path in self.loose:
            rows = files.read("events", path)
            rows = None if rows is None else rows.filter(rows["sequence"] >= first)
            if rows is None or rows.is_empty():
                continue
            sequence = rows["sequence"].to_numpy()
            if sequence.min() < 0 or sequence.max() >= self.log.head.size:
                self.collected.failed(f"{path}: has events that the log does not have")
                continue
            if len(np.unique(sequence)) != len(sequence) or self.rendered[sequence].any():
                self.collected.failed(f"{path}: has events twice, for example {sequence[:1].tolist()}")
            self.rendered[sequence] = True
            table_file(path, rows, stored, first, self.collected)
        self.digests |= files.digests
        missing = np.flatnonzero(~self.rendered[self.start :])
        done = int(self.lake.read_state(recording.STATE).get("rendered", 0))
        if missing.size and self.start + int(missing[0]) >= done:
            self.collected.noticed(f"events: {missing.size} events wait to be rendered; the next run does it")
        elif missing.size:
            self.collected.failed(
                f"events: {missing.size} rows are missing, first sequence {self.start + int(missing[0])}"
            )


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
        state = lake.read_state(recording.STATE)
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
