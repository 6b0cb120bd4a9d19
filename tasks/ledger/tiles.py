"""C2SP tlog-tiles: a Merkle tree as files of 256 hashes, and its entries in bundles of 256.

Level 0 holds leaf hashes; each hash of a higher level is the root of a full tile below. A tree of any size is
known by the partial tile of each level, some kilobytes: that is all an append reads of the past.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tasks.ledger import merkle
from tasks.ledger.merkle import HASH_BYTES

WIDTH = 256
_HEIGHT = 8
_FULL = WIDTH * HASH_BYTES
ENTRIES = "entries"
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")


@dataclass(frozen=True)
class Tile:
    """Where a tile is: level (or `entries`), index within it, and how many hashes it holds."""

    level: int | str
    index: int
    width: int = WIDTH

    @property
    def end(self) -> int:
        """Index one past the last entry below this tile."""
        height = 0 if self.level == ENTRIES else int(self.level)
        return (self.index * WIDTH + self.width) << (8 * height)

    @property
    def path(self) -> str:
        """As tlog-tiles writes it: `tile/0/x001/x234/067`, partial ones with `.p/WIDTH`."""
        rest, last = divmod(self.index, 1000)
        parts = [f"{last:03d}"]
        while rest:
            rest, part = divmod(rest, 1000)
            parts.insert(0, f"x{part:03d}")
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{self.level}/{'/'.join(parts)}{partial}"


def parse_path(path: str) -> Tile | None:
    """The tile that a path names; None where it names none."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    index = int(match[2].replace("x", "").replace("/", ""))
    tile = Tile(match[1] if match[1] == ENTRIES else int(match[1]), index, int(match[3] or WIDTH))
    return tile if tile.path == path else None


def partial_tiles(size: int) -> list[Tile]:
    """The partial tiles of a tree, level by level from 0; a level that ends on a full tile has none."""
    levels = [(level, count) for level, count in enumerate(_counts(size)) if count % WIDTH]
    return [Tile(level, count // WIDTH, count % WIDTH) for level, count in levels]


def _counts(size: int) -> list[int]:
    """How many hashes each level has, from level 0 to the top."""
    counts = []
    while size:
        counts.append(size)
        size //= WIDTH
    return counts


@dataclass
class Tree:
    """A growing tree, known by its size and the hashes of the partial tile of each level."""

    size: int = 0
    partials: list[bytes] = field(default_factory=list)

    @classmethod
    def load(cls, size: int, read: Callable[[Tile], bytes]) -> Tree:
        """The tree of that size out of its partial tiles."""
        tree = cls(size)
        for level, count in enumerate(_counts(size)):
            width = count % WIDTH
            tree.partials.append(read(Tile(level, count // WIDTH, width)) if width else b"")
        return tree

    def extend(self, leaves: bytes) -> list[tuple[Tile, bytes]]:
        """Appends leaf hashes; returns the tiles that became full, in order of level and index."""
        filled: list[tuple[Tile, bytes]] = []
        count, level, new = self.size, 0, leaves
        self.size += len(leaves) // HASH_BYTES
        while new:
            if level == len(self.partials):
                self.partials.append(b"")
            run = self.partials[level] + new
            first = count // WIDTH
            full = len(run) // _FULL
            filled += [(Tile(level, first + i), run[i * _FULL : (i + 1) * _FULL]) for i in range(full)]
            self.partials[level] = run[full * _FULL :]
            new = run[: full * _FULL]
            for _ in range(_HEIGHT):
                new = merkle.parents(new)
            count //= WIDTH
            level += 1
        return filled

    def partial(self) -> list[tuple[Tile, bytes]]:
        """The partial tiles of the present size."""
        return [(tile, self.partials[int(tile.level)]) for tile in partial_tiles(self.size)]

    def root(self) -> bytes:
        """The root of the present size."""
        return merkle.fold(
            [root for level in reversed(self.partials) for root in merkle.complete_subtrees(level)]
        )


def node_reader(size: int, read: Callable[[Tile], bytes]) -> merkle.Node:
    """Any complete subtree's root out of tiles, each read once: what proofs are made of."""
    cache: dict[tuple[int, int], bytes] = {}

    def node(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, _HEIGHT)
        first = index << height
        position, offset = divmod(first, WIDTH)
        hashes = cache.get((tile_level, position))
        if hashes is None:
            count = size >> (_HEIGHT * tile_level)
            width = min(WIDTH, count - position * WIDTH)
            hashes = cache[tile_level, position] = read(Tile(tile_level, position, width))
        run = hashes[offset * HASH_BYTES : (offset + (1 << height)) * HASH_BYTES]
        for _ in range(height):
            run = merkle.parents(run)
        return run

    return node


def bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each after its length as a big-endian unsigned 16-bit number."""
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def unbundle(data: bytes) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        ValueError: the bundle ends inside an entry.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or at + 2 > len(data):
            raise ValueError(f"the bundle ends inside entry {len(entries)}")
        entries.append(data[at + 2 : end])
        at = end
    return entries
