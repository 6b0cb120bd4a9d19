"""Tiles on disk against those of the tree.

Belongs here: comparing a tile's file, and the narrower files that earlier checkpoints left, with the bytes
that they must have. Does not belong here: the tree itself (`ledger/tiles.py`).
"""

from __future__ import annotations

from tasks.ledger import merkle, tiles
from tasks.ledger.findings import Findings
from tasks.ledger.log import Log
from tasks.ledger.tiles import Tile


class TileFiles:
    """The tiles of a log; `narrow` gathers the paths of partial tiles that were looked at."""

    def __init__(self, log: Log, findings: Findings) -> None:
        self.log, self.findings = log, findings
        self.narrow: set[str] = set()

    def check(self, tile: Tile, data: bytes) -> None:
        """The tile's file, and the narrower ones of earlier checkpoints."""
        path = self.log.folder / tile.path
        if tile.width < tiles.WIDTH:
            self.narrow.add(tile.path)
        narrower = path.parent if tile.width < tiles.WIDTH else path.with_name(f"{path.name}.p")
        try:
            stored = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            self.findings.fail(f"{path}: the tile is missing; it can be rebuilt from the segments")
        else:
            if stored != data:
                self.findings.fail(f"{path}: not the tile of the tree; it can be rebuilt from the segments")
        if not narrower.is_dir():
            return
        for other in narrower.iterdir():
            if other == path or not other.name.isdigit():
                continue
            front = _front(tile, data, int(other.name))
            if front is not None:
                self.narrow.add(other.relative_to(self.log.folder).as_posix())
                if other.read_bytes() != front:
                    self.findings.fail(f"{other}: not a tile of the tree; it can be removed")

    def strays(self) -> None:
        """Files among the tiles that are not tiles of a tree of this size."""
        size = self.log.head.size
        for path in sorted(self.log.folder.glob("tile/**/*")):
            relative = path.relative_to(self.log.folder).as_posix()
            if not path.is_file() or relative in self.narrow:
                continue
            stray = tiles.parse_path(relative)
            if stray is not None and stray.width == tiles.WIDTH and stray.end <= size:
                continue
            if stray is not None and stray.end > size:
                self.findings.note(f"{path}: beyond the checkpoint, left by an interrupted append")
            else:
                self.findings.fail(f"{path}: no tile of the tree; remove it")


def _front(tile: Tile, data: bytes, width: int) -> bytes | None:
    if not 0 < width < tile.width:
        return None
    if tile.level == tiles.ENTRIES:
        return tiles.bundle(tiles.unbundle(data)[:width])
    return data[: width * merkle.HASH_BYTES]
