"""Is the lake what was signed? Every leaf, tile, checkpoint and bound row, and what exactly is wrong.

1. checkpoints: each is signed by a trusted key, or by one that a trusted key handed over to
   (`verify_checkpoints.py`).
2. segments, in parallel: each file's digest before it is parsed; each event's bytes make its id and leaf
   hash; the typed columns say what the bytes say; bundles hold the same bytes (`verify_segments.py`).
3. rows, with their segment: every row that an event binds says what the event says (`verify_rows.py`).
4. the tree: the root over the leaves at every checkpoint's size is the signed root; so each checkpoint
   extends the one before, and a difference lies between two of them. Its tiles are those on disk
   (`verify_tree.py`).
5. the `events` table is a rendering of the log (`verify_events_table.py`).
6. files: every table file is the one that a commit named, and the commits are those the run's event names.
7. outside: the trusted checkpoint and the witnesses' copies are of this history. Without any, a lake can only
   be self-consistent: whoever has the signing key could have written all of it anew.

Incremental mode trusts a full check it remembers and begins where that ended; the tree before is known by its
root. It still hashes every table file and holds the manifests of earlier runs against their events, so that a
cell that was changed since is seen. Memory is a few segments per process whatever the size of the log.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from tasks.errors import IntegrityError, Unverifiable
from tasks.files import durable
from tasks.lake import commits, verification
from tasks.lake.store import Lake
from tasks.lake.verification import Published
from tasks.ledger import opening, segments, verify_checkpoints, verify_folder, verify_manifests
from tasks.ledger.erasures import Erasure, erasures
from tasks.ledger.findings import Findings
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint, PublicKey
from tasks.ledger.parameters import LedgerSettings
from tasks.ledger.tiles import Tree
from tasks.ledger.verify_events_table import EventsTable
from tasks.ledger.verify_files import TableFiles
from tasks.ledger.verify_processes import check_all
from tasks.ledger.verify_rows import RowsChecked, unrecorded
from tasks.ledger.verify_salts import Salts
from tasks.ledger.verify_segments import HandOver, Scope, Work
from tasks.ledger.verify_tree import TreeChecks

STATE = "ledger-verified"
Progress = Callable[[int, int], None]
"""(events checked, events in all)."""
_WORTH_PROCESSES = 50_000
"""Events below which starting processes costs more than it saves."""


@dataclass(kw_only=True)
class Verified(Findings):
    """What was checked, and what is wrong; no `findings` means that all of it holds."""

    origin: str
    size: int
    root: str
    checkpoints: int = 0
    events: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    """Rows that the bound tables hold."""
    references: dict[str, int] = field(default_factory=dict)
    """Digests in the events checked: several may bind one row, and one binds all evidence of a verdict."""
    erased: int = 0
    """Events whose rows were erased."""
    erasures: list[Erasure] = field(default_factory=list)
    """Every erasure that the log holds."""
    outside: list[str] = field(default_factory=list)
    incremental_from: int | None = None

    @property
    def is_whole(self) -> bool:
        """Every event was checked, from the first on."""
        return not self.incremental_from

    @property
    def statement(self) -> str:
        """One sentence that claims no more than was proven."""
        if self.findings:
            return f"{len(self.findings)} checks failed; first: {self.findings[0]}"
        if self.unverifiable:
            return f"{len(self.unverifiable)} things could not be checked; first: {self.unverifiable[0]}"
        checked = f"{self.size} events and the rows they bind"
        if self.incremental_from:
            checked = (
                f"{self.events} events since {self.incremental_from}, the rows they bind and every table file"
            )
        if self.outside:
            return f"{checked} agree with {', '.join(self.outside)}{self._gone}"
        return (
            f"{checked} are self-consistent only: nothing outside the lake was compared, so a holder of the "
            "signing key could have rewritten all of it; a witness or --trusted-checkpoint finds that"
            f"{self._gone}"
        )

    @property
    def _gone(self) -> str:
        outputs, verdicts = len(self.erasures), sum(sum(e.verdicts.values()) for e in self.erasures)
        what = "1 output was" if outputs == 1 else f"{outputs} outputs were"
        return f"; {what} erased, with {verdicts} verdicts" if outputs else ""

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {**asdict(self), "statement": self.statement}

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
    now: datetime | None = None,
) -> Verified:
    """Checks the whole lake against its ledger; reads only.

    Args:
        workers: processes that check segments; None takes one per core for a large log and none for a small.
        trusted_keys: the auditor's own copies of the log's public keys; without them the key of this machine,
            and failing that the one in the ledger's folder, which proves nothing about who signed.
        trusted_checkpoint: a checkpoint kept outside the lake.
        now: when; kept beside what was checked.

    Raises:
        IntegrityError: the ledger is lost or its checkpoint unreadable, so that nothing can be checked.
        ConfigError: a file that was named cannot be read.
    """
    log, notices = _opened(lake)
    verified = Verified(origin=log.origin, size=log.head.size, root=log.head.root.hex(), notices=notices)
    trusted = verify_checkpoints.trusted_keys(settings, log, trusted_keys, verified)
    start = _remembered(lake, log, verified) if incremental else 0
    verified.incremental_from = start if incremental else None

    checkpoints = verify_checkpoints.checkpoints(log, verified)
    verified.checkpoints = len(checkpoints)
    walk = _Walk(lake, log, start, verified)
    walk.run(checkpoints, progress, workers)  # (2) to (5)
    verify_checkpoints.signatures(log, checkpoints, trusted, walk.hand_overs, verified)  # (1)
    verify_folder.check(lake, log, verified)
    committed = verification.published(lake.root)
    _files(lake, walk.files.digests, committed, verified)  # (6)
    verify_manifests.removals(committed.removals, log, verified)
    if start:
        verify_manifests.earlier(lake, log, start, verified)
    with verified.catching():
        verified.erasures = erasures(log)
    verified.rows = {table: committed.rows.get(table, 0) for table in verified.references}
    verified.outside = verify_checkpoints.outside(log, settings, trusted_checkpoint, trusted, verified)  # (7)
    if not verified.findings and not verified.unverifiable:
        _remember(lake, log, now if verified.is_whole else whole_at(lake))
    return verified


def whole_at(lake: Lake) -> datetime | None:
    """When all of the ledger was last checked and held, as the lake itself remembers it."""
    with suppress(ValueError):
        return datetime.fromisoformat(str(lake.read_state(STATE).get("whole_at")))
    return None


def _opened(lake: Lake) -> tuple[Log, list[str]]:
    """The log at its newest signed checkpoint, also where a crash left that one unpublished; and a notice.

    A crash leaves one checkpoint unpublished. Where several are newer, somebody put an old one back.
    """
    if not opening.exists(lake):
        raise Unverifiable(f"{opening.folder(lake)}: {opening.NONE_YET}")
    log = Log.open(opening.folder(lake))
    newer = [size for size in log.sizes() if size > log.head.size]
    held = sum(segment.rows for segment in segments.listed(log.folder / "segments"))
    if len(newer) != 1 or held < newer[0]:
        return log, []
    log.head = log.checkpoint(newer[0])
    log.forget()
    return log, [
        f"the checkpoint of {newer[0]} events was signed and not published; the next run publishes it"
    ]


class _Walk:
    """Steps 2 to 5: the segments' checks in order, and what grows over them."""

    def __init__(self, lake: Lake, log: Log, start: int, verified: Verified) -> None:
        self.lake, self.log, self.start, self.verified = lake, log, start, verified
        self.files = TableFiles(lake, verified)
        self.hand_overs: list[HandOver] = []
        self.bound: dict[str, np.ndarray] = {}
        """Per table file, which of its rows have an event."""

    def run(self, checkpoints: Sequence[Checkpoint], progress: Progress | None, workers: int | None) -> None:
        """Checks all segments since the start; a log that cannot be walked is a finding."""
        try:
            self._run(checkpoints, progress, workers)
        except IntegrityError as error:
            self.verified.fail(str(error))

    def _run(self, checkpoints: Sequence[Checkpoint], progress: Progress | None, workers: int | None) -> None:
        left = [segment for segment in self.log.segments if segment.end > self.start]
        if workers is None:
            is_large = sum(segment.rows for segment in left) >= _WORTH_PROCESSES
            workers = len(os.sched_getaffinity(0)) if is_large else 1
        tree = TreeChecks(self.log, self.start, {c.size: c for c in checkpoints}, self.verified)
        table = EventsTable(self.lake, self.log, self.start)
        for segment in self.log.segments:
            if segment.end <= self.start:
                table.of(segment)
        works = [Work(segment, table.of(segment)) for segment in left]
        with tempfile.TemporaryDirectory() as name:
            scope = Scope(self.lake.root, self.log, self._salts(Path(name)), self._erasures())
            leaves = Path(name) / "leaves"
            with leaves.open("wb") as file:
                for done in check_all(scope, works, workers):
                    self.verified.add(done.findings)
                    self.verified.events += done.segment.rows
                    self.hand_overs += done.hand_overs
                    self.files.digests |= done.digests
                    self._rows(done.rows)
                    file.write(done.hashes or bytes(32 * done.segment.rows))
                    table.add(done.segment, done.rendered, done.loose)
                    tree.add(done)
                    if progress:
                        progress(done.segment.end, self.log.head.size)
            tree.finish()
            with self.verified.catching():
                table.finish(leaves, self.files)
        if not self.start:
            with self.verified.catching():
                unrecorded(self.lake, self.log, self.files, self.bound)

    def _rows(self, rows: RowsChecked) -> None:
        self.verified.erased += rows.erased
        for table, count in rows.counts.items():
            self.verified.references[table] = self.verified.references.get(table, 0) + count
        for place, packed in rows.bound.items():
            flags = np.unpackbits(np.frombuffer(packed, np.uint8))
            self.bound[place] = self.bound[place] | flags if place in self.bound else flags

    def _salts(self, folder: Path) -> Salts:
        vault = opening.vault_of(self.lake, LedgerSettings(), self.log.origin)
        with self.verified.catching():
            return Salts.write(folder / "salts", vault.salt_files())
        return Salts.write(folder / "salts", [])

    def _erasures(self) -> frozenset[str]:
        """Erasures come after what they erase, so they are known before rows are looked at."""
        erased: set[str] = set()
        for segment in self.log.segments:
            with self.verified.catching(silently=True):
                erased |= set(segment.subjects("erasure"))
        return frozenset(erased)


def _files(lake: Lake, digests: dict[str, str], committed: Published, findings: Findings) -> None:
    """Files are those of commits; those that a crash left prepared are still to be published."""
    with findings.catching():
        prepared = {place.as_posix() for place in commits.prepared(lake.root)}
        for sentence in verification.verify(lake.root, digests, committed):
            if sentence.split(":")[0] in prepared:
                findings.note(f"{sentence}; it is prepared, and the next run publishes it")
            else:
                findings.fail(sentence)


def _remembered(lake: Lake, log: Log, findings: Findings) -> int:
    """Where the last full check ended, if the tree still has the root it had then."""
    state = lake.read_state(STATE)
    try:
        size, root = int(state["size"]), bytes.fromhex(state["root"])
        is_same = size <= log.head.size and Tree.load(size, log.read_tile).root() == root
        # Segments joined since may cover where that check ended; the tree is then built up to it again.
        first = next((s.first for s in log.segments if s.first < size < s.end), size)
    except (KeyError, ValueError, IntegrityError):
        return 0
    if not is_same:
        findings.fail(f"history was rewritten: the first {size} events are not those that the last check saw")
        return 0
    return first


def _remember(lake: Lake, log: Log, whole: datetime | None) -> None:
    """Kept in the lake and so worth what the lake is worth: it saves time, it proves nothing."""
    path = lake.root / "state" / f"{STATE}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        at = whole.isoformat() if whole else None
        durable.replace_json(path, {"size": log.head.size, "root": log.head.root.hex(), "whole_at": at})
    except OSError:
        return
