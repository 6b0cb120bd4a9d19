"""The log on disk: an append-only Merkle tree with signed checkpoints.

Which events there are is up to `recording.py`, whether all of it is true to `verify.py`.

    LAKE/ledger/origin, vkey             the log's name and public keys, for people: never trusted
    LAKE/ledger/segments/N.parquet,.json the events: the one truth everything else is made from
    LAKE/ledger/tile/L/N, tile/entries/N C2SP tlog-tiles
    LAKE/ledger/checkpoints/SIZE         every signed checkpoint;  checkpoint: the newest, written last

Order of an append, and what a crash after each step means:

1. segments: written, synced, described. Crash: no checkpoint covers them, the next open removes them; what
   they said is still in the tables and is recorded again.
2. tiles: written and synced. Crash: as 1; tiles beyond the checkpoint are overwritten by the next append.
3. checkpoints/SIZE: signed and durable. From here on the events are in the log for ever: a log must never
   sign anything inconsistent with it. Crash: the next open goes on with step 4.
4. checkpoint: replaced atomically.

Opening walks the same steps. Tiles are compared with the signed root before anything is appended to them and
rebuilt from the segments when they differ.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from tasks.errors import IntegrityError, LakeError
from tasks.files import durable
from tasks.ledger import joining, keys, merkle, notes, segments, tiles
from tasks.ledger.events import FRAME
from tasks.ledger.keys import Signer
from tasks.ledger.notes import Checkpoint, Note, NoteError, PublicKey, UnknownKey
from tasks.ledger.segments import Segment
from tasks.ledger.tiles import Tile, Tree

log = logging.getLogger("claimledger.ledger")
_MANY_FILES = 64
"""Above this, one sync of the whole disk is cheaper than one per file."""


@dataclass
class Log:
    """A log folder and its newest checkpoint; `open` and `create` make one."""

    folder: Path
    origin: str
    head: Checkpoint

    @classmethod
    def create(cls, folder: Path, origin: str, signers: Sequence[Signer]) -> Log:
        """Makes an empty log with a signed checkpoint of size 0. The caller knows that none was lost.

        Raises:
            LakeError: the folder holds events already, or cannot be written.
        """
        with durable.touching(folder):
            if (folder / "checkpoint").exists() or any(folder.glob("segments/*")):
                raise LakeError(f"{folder}: there is a ledger already")
            for name in ("segments", "checkpoints"):
                durable.make_folder(folder / name)
            durable.replace(folder / "origin", f"{origin}\n".encode())
            durable.replace(folder / "vkey", "".join(f"{s.public}\n" for s in signers).encode())
            note = _signed(origin, Tree(), signers)
            _publish(folder, note)
        return cls(folder, origin, Checkpoint.parse(note))

    @classmethod
    def open(cls, folder: Path) -> Log:
        """Opens a log for reading at its newest published checkpoint; nothing is checked or changed.

        Raises:
            IntegrityError: the folder or its checkpoint is missing or damaged.
        """
        path = folder / "checkpoint"
        try:
            head = Checkpoint.parse(path.read_bytes())
        except FileNotFoundError:
            raise IntegrityError(
                f"{path}: the ledger's checkpoint is missing; restore LAKE/ledger from a copy"
            ) from None
        except NoteError as error:
            raise IntegrityError(f"{path}: {error}; restore it from checkpoints/") from None
        return cls(folder, head.origin, head)

    def recover(self, public: Sequence[PublicKey]) -> list[str]:
        """Finishes or removes what a crash left; one sentence for each. Needs the lake's lock.

        Raises:
            UnknownKey: none of these keys signed the newest checkpoint.
            IntegrityError: the newest signed checkpoint is not this log's, or is ahead of the segments.
        """
        sentences = []
        with durable.touching(self.folder):
            newest = max((size for size in self.sizes()), default=self.head.size)
            if newest > self.head.size:
                head = self.checkpoint(newest)
                _check_signature(self.folder / "checkpoints" / str(newest), head, public)
                durable.replace(self.folder / "checkpoint", str(head.note).encode())
                sentences.append(f"ledger: published the checkpoint of {newest} events that a crash had left")
                self.head = head
            _check_signature(self.folder / "checkpoint", self.head, public)
            for segment in reversed(segments.listed(self.folder / "segments")):
                if segment.end <= self.head.size:
                    break
                if segment.first < self.head.size:
                    raise IntegrityError(f"{segment.path}: the checkpoint ends inside this segment")
                # Tiles first: one that stays behind would contradict the tree that grows past its size.
                self._remove_tiles_beyond_head()
                segments.remove(segment)
                sentences.append(f"ledger: removed {segment.rows} events that no checkpoint ever covered")
            sentences += joining.finish(self.folder / "segments")
            for path in [*self.folder.glob(".*.tmp"), *self.folder.glob("*/.*.tmp")]:
                path.unlink()
            durable.sync_folder(self.folder / "segments")
        self.forget()
        return sentences

    def _remove_tiles_beyond_head(self) -> None:
        """Removes what an append wrote of a tree that was never signed."""
        folders = set()
        for path in self.folder.glob("tile/**/*"):
            tile = tiles.parse_path(path.relative_to(self.folder).as_posix()) if path.is_file() else None
            if tile is not None and tile.end > self.head.size:
                path.unlink()
                folders.add(path.parent)
        for folder in folders:
            durable.sync_folder(folder)

    # Reading ------------------------------------------------------------------------------------------

    @cached_property
    def segments(self) -> list[Segment]:
        """The segments that the head covers.

        Raises:
            IntegrityError: they do not follow each other, or end before the head does.
        """
        covered = [s for s in segments.listed(self.folder / "segments") if s.first < self.head.size]
        at = 0
        for segment in covered:
            if segment.first != at:
                raise IntegrityError(f"{segment.path}: begins at index {segment.first}, expected {at}")
            at = segment.end
        if at != self.head.size:
            raise IntegrityError(
                f"{self.folder / 'checkpoint'}: signed for {self.head.size} events, the segments hold {at}; "
                "restore the missing segments from a copy"
            )
        return covered

    def forget(self) -> None:
        """Drops what was read of the folder, after it changed."""
        self.__dict__.pop("segments", None)

    def sizes(self) -> list[int]:
        """Sizes that a checkpoint was signed for, ascending."""
        folder = self.folder / "checkpoints"
        return sorted(int(p.name) for p in folder.glob("[0-9]*") if p.name.isdecimal())

    def checkpoint(self, size: int) -> Checkpoint:
        """The signed checkpoint of that size.

        Raises:
            IntegrityError: missing, damaged, or not of that size and origin.
        """
        path = self.folder / "checkpoints" / str(size)
        try:
            checkpoint = Checkpoint.parse(path.read_bytes())
        except FileNotFoundError:
            raise IntegrityError(f"{path}: the checkpoint is missing; restore it from a copy") from None
        except NoteError as error:
            raise IntegrityError(f"{path}: {error}; restore it from a copy") from None
        if (checkpoint.size, checkpoint.origin) != (size, self.origin):
            raise IntegrityError(
                f"{path}: is of {checkpoint.size} events of {checkpoint.origin}; restore it from a copy"
            )
        return checkpoint

    def read_tile(self, tile: Tile) -> bytes:
        """Hashes of a tile; where the partial tile is gone, the front of the full one.

        Raises:
            IntegrityError: neither is there.
        """
        full = self.folder / Tile(tile.level, tile.index).path
        for path in (self.folder / tile.path, full):
            try:
                data = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
            return data if tile.level == tiles.ENTRIES else data[: tile.width * merkle.HASH_BYTES]
        raise IntegrityError(
            f"{self.folder / tile.path}: the tile is missing; `ledger verify` names all of them"
        )

    def node(self, size: int | None = None) -> merkle.Node:
        """Reader of complete subtrees for proofs in the tree of that size (default: the head's)."""
        return tiles.node_reader(self.head.size if size is None else size, self.read_tile)

    def entry(self, index: int) -> bytes:
        """The event at an index, out of its bundle; callers prove it against the tree.

        Raises:
            IntegrityError: there is no such bundle or entry.
        """
        width = min(tiles.WIDTH, self.head.size - index // tiles.WIDTH * tiles.WIDTH)
        tile = Tile(tiles.ENTRIES, index // tiles.WIDTH, width)
        try:
            return tiles.unbundle(self.read_tile(tile))[index % tiles.WIDTH]
        except (IndexError, ValueError):
            raise IntegrityError(f"{self.folder / tile.path}: entry {index} is not in its bundle") from None

    def find(self, ids: pl.Series, column: str = "subject_id") -> pl.DataFrame:
        """Rows of the log (without their bytes) whose `event_id`, `subject_id` or `claim_id` is given."""
        return segments.find(self.segments, ids, column)

    # Appending ----------------------------------------------------------------------------------------

    def append(self, events: pl.DataFrame, signers: Sequence[Signer], run_id: str) -> Checkpoint:
        """Appends events (schema `events.FRAME`), signs and publishes a checkpoint. Needs the lake's lock.

        Raises:
            LakeError: the disk refuses; the log has its old size or the new one.
            IntegrityError: what is there is not what was signed.
        """
        if events.is_empty():
            return self.head
        tree = self._tree()
        with durable.touching(self.folder):
            number = max((segment.number for segment in self.segments), default=-1) + 1
            for at, part in enumerate(events.iter_slices(segments.MAX_ROWS)):
                frame = _rows(part, tree.size)
                segments.write(self.folder / "segments", number + at, frame, run_id)
                leaves = bytes.fromhex(frame["leaf_hash"].str.join("").item())
                self._grow(tree, frame["event"].to_list(), leaves)
            _write_tiles(self.folder, tree.partial())
            _publish(self.folder, _signed(self.origin, tree, signers))
            self._remove_overtaken(self.head.size, tree.size)
        self.head = self.checkpoint(tree.size)
        self.forget()
        return self.head

    def add_signatures(self, note: Note) -> Checkpoint:
        """Keeps a head's note that has gained signature lines (a witness's).

        Raises:
            IntegrityError: it is a note about another head.
        """
        if note.text != self.head.note.text:
            raise IntegrityError(f"{self.folder}: signatures for another checkpoint than the newest")
        with durable.touching(self.folder):
            _publish(self.folder, note)
        self.head = Checkpoint.parse(note)
        return self.head

    def _tree(self) -> Tree:
        """The tree at the head, from tiles if they carry the signed root, else from the segments."""
        try:
            tree = Tree.load(self.head.size, self.read_tile)
            if tree.root() == self.head.root:
                return tree
        except IntegrityError:
            pass
        log.warning("ledger: tiles do not carry the signed root; rebuilding them from the segments")
        tree = self.rebuild_tiles()
        if tree.root() != self.head.root:
            raise IntegrityError(
                f"{self.folder}: the segments have another root than was signed for {self.head.size} events; "
                "nothing was appended, run `claimledger ledger verify`"
            )
        return tree

    def rebuild_tiles(self) -> Tree:
        """Writes every tile and bundle anew from the segments; the tree they make."""
        tree = Tree()
        with durable.touching(self.folder):
            for segment in self.segments:
                entries = segment.read()["event"].to_list()
                self._grow(tree, entries, merkle.leaf_hashes(entries))
            _write_tiles(self.folder, tree.partial())
        return tree

    def _grow(self, tree: Tree, entries: Sequence[bytes], leaves: bytes) -> None:
        """Adds entries to the tree and writes their bundles and the tiles that became full.

        The first bundle is completed with the entries of the old partial bundle.
        """
        index, old = divmod(tree.size, tiles.WIDTH)
        if old:
            before = self._partial_bundle(Tile(tiles.ENTRIES, index, old), tree.partials[0])
            entries = [*before, *entries]
        parts = [entries[at : at + tiles.WIDTH] for at in range(0, len(entries), tiles.WIDTH)]
        bundles = [
            (Tile(tiles.ENTRIES, index + at, len(part)), tiles.bundle(part)) for at, part in enumerate(parts)
        ]
        _write_tiles(self.folder, bundles + tree.extend(leaves))

    def _partial_bundle(self, tile: Tile, leaves: bytes) -> list[bytes]:
        try:
            entries = tiles.unbundle(self.read_tile(tile))[: tile.width]
        except (IntegrityError, ValueError):
            entries = []
        if merkle.leaf_hashes(entries) != leaves:
            # Bundles are never trusted: the segments say what the tree holds.
            first = tile.index * tiles.WIDTH
            held = [s for s in segments.listed(self.folder / "segments") if s.end > first]
            events = [e for s in held for e in s.read().filter(pl.col("sequence") >= first)["event"]]
            entries = events[: tile.width]
        return entries

    def _remove_overtaken(self, old: int, new: int) -> None:
        """Partial tiles whose full tile is there now; the specification allows it and folders stay small."""
        overtaken = [t for t in tiles.partial_tiles(old) if new >> (8 * int(t.level)) >> 8 > t.index]
        if old % tiles.WIDTH and new // tiles.WIDTH > old // tiles.WIDTH:
            overtaken.append(Tile(tiles.ENTRIES, old // tiles.WIDTH, old % tiles.WIDTH))
        for tile in overtaken:
            shutil.rmtree((self.folder / tile.path).parent, ignore_errors=True)


def _rows(events: pl.DataFrame, first: int) -> pl.DataFrame:
    """Segment rows of events: their place, digest and leaf hash beside their bytes."""
    if events.schema != FRAME:
        raise TypeError(f"events have the columns {events.columns}, expected {list(FRAME)}")
    event_ids: list[str] = []
    leaves: list[str] = []
    # A few thousand at a time: their copies stay in the processor's cache.
    for part in events.select("event").iter_slices(4096):
        entries = part["event"].to_list()
        event_ids += [hashlib.sha256(entry).hexdigest() for entry in entries]
        leaves += [merkle.leaf_hash(entry).hex() for entry in entries]
    frame = events.with_columns(
        sequence=pl.int_range(first, first + events.height, dtype=pl.Int64),
        event_id=pl.Series(event_ids, dtype=pl.String),
        leaf_hash=pl.Series(leaves, dtype=pl.String),
    )
    return frame.select(segments.SEGMENT.schema.names())


def _signed(origin: str, tree: Tree, signers: Sequence[Signer]) -> Note:
    text = notes.checkpoint_text(origin, tree.size, tree.root())
    return Note(text, tuple(notes.sign(text, s.public, s.sign) for s in signers))


def _publish(folder: Path, note: Note) -> None:
    """Steps 3 and 4."""
    size = Checkpoint.parse(note).size
    data = str(note).encode()
    durable.replace(folder / "checkpoints" / str(size), data)
    durable.replace(folder / "checkpoint", data)


def _write_tiles(folder: Path, written: Sequence[tuple[Tile, bytes]]) -> None:
    """Writes tiles and makes them durable. Torn ones are found by their root and rebuilt."""
    paths = []
    for tile, data in written:
        path = folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        paths.append(path)
    if len(paths) > _MANY_FILES:
        os.sync()
        return
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for parent in {path.parent for path in paths}:
        durable.sync_folder(parent)


def _check_signature(path: Path, head: Checkpoint, public: Sequence[PublicKey]) -> None:
    """A writer goes on only from a checkpoint that its own key signed."""
    try:
        head.note.signers(public, keys.verify)
    except UnknownKey:
        raise
    except NoteError as error:
        raise IntegrityError(f"{path}: {error}; nothing is appended to a history of unknown origin") from None
