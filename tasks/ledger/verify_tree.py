"""The tree that grows over the segments: its roots against the checkpoints, its tiles against the disk."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.ledger import merkle, tiles
from tasks.ledger.findings import Findings
from tasks.ledger.log import Log
from tasks.ledger.notes import Checkpoint
from tasks.ledger.tiles import Tile, Tree
from tasks.ledger.verify_segments import SegmentChecked
from tasks.ledger.verify_tiles import TileFiles


class TreeChecks:
    """Adds segments in order; a history that was rewritten is placed between two checkpoints."""

    def __init__(self, log: Log, start: int, signed: Mapping[int, Checkpoint], findings: Findings) -> None:
        """Begins at the tree of size `start`, which the caller trusts, with the checkpoints by size."""
        self.log, self.start, self.signed, self.findings = log, start, signed, findings
        self.tiles = TileFiles(log, findings)
        self.tree = Tree.load(start, log.read_tile) if start else Tree()
        self.last_good = start
        self.is_rewritten = self.is_lost = False
        self.carry: list[bytes] = []
        """Events of the bundle that the last segment left unfinished."""
        if start % tiles.WIDTH:
            tile = Tile(tiles.ENTRIES, start // tiles.WIDTH, start % tiles.WIDTH)
            self.carry = tiles.unbundle(log.read_tile(tile))[: tile.width]
        if 0 in signed and signed[0].root != merkle.EMPTY_ROOT:
            findings.fail("checkpoint 0: not the root of an empty tree")

    def add(self, done: SegmentChecked) -> None:
        """Adds the leaves of the next segment."""
        self.tiles.narrow |= done.narrow_tiles
        segment, hashes = done.segment, done.hashes
        if hashes is None or self.is_lost:
            self.is_lost = True
            return
        inside = [size for size in sorted(self.signed) if max(segment.first, self.start) < size < segment.end]
        at = segment.first
        for stop in [*inside, segment.end]:
            part = slice(32 * (at - segment.first), 32 * (stop - segment.first))
            for tile, data in self.tree.extend(hashes[part]):
                self.tiles.check(tile, data)
            at = stop
            if stop in self.signed:
                self._root(self.signed[stop])
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
        elif not self.is_rewritten:
            self.is_rewritten = True
            self.findings.fail(
                f"history was rewritten between checkpoint {self.last_good} and {checkpoint.size}: the "
                "events have another root than was signed"
            )

    def finish(self) -> None:
        """The partial tiles at the end, and files among the tiles that are none."""
        if self.is_lost:
            self.findings.fail(
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
