"""Small segments become one: every decision on the review page appends a segment of its own.

Order of a join, and what a crash after each step means:

1. the joined segment: its file is written, synced and read back. Crash: a file without a description, which
   `finish` removes.
2. its description: from here on it counts, and the segments that it covers are retired. Crash: `finish`
   goes on with step 3.
3. the retired segments go, descriptions first. Crash: as 2, with fewer left.

Rows, their order and their bytes stay the same, so the tree, its tiles, checkpoints and proofs do too. Which
appends there were is kept in the description, because each signed a checkpoint that must not be missing, and
because the commits of the `events` table are named after them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from tasks.errors import IntegrityError
from tasks.files import durable
from tasks.ledger import segments
from tasks.ledger.segments import Segment


def groups(every: Sequence[Segment], most_rows: int, until: int) -> list[list[Segment]]:
    """Neighbours that fit into one segment, two at least, in the log's order.

    Args:
        most_rows: of a joined segment.
        until: no segment that ends after this index is touched.
    """
    found: list[list[Segment]] = []
    run: list[Segment] = []
    for segment in every:
        if segment.end > until:
            break
        if run and sum(each.rows for each in run) + segment.rows > most_rows:
            found.append(run)
            run = []
        run.append(segment)
    return [group for group in [*found, run] if len(group) > 1]


def join(folder: Path, joinable: Iterable[Sequence[Segment]]) -> int:
    """Joins each group of segments; how many files fewer there are. Needs the lake's lock.

    Raises:
        IntegrityError: a segment is not what was appended, or the joined one does not read back equal.
        LakeError: the disk refuses; the log is whole, and running again finishes.
    """
    fewer = 0
    with durable.touching(folder):
        for group in joinable:
            number = max(segment.number for segment in segments.described(folder)) + 1
            frame = pl.concat([segment.read() for segment in group])
            parts = tuple(part for segment in group for part in segment.parts_written)
            joined = segments.write(folder, number, frame, group[-1].run_id, parts)  # (1) and (2)
            _retire(joined, frame, group)  # (3)
            fewer += len(group) - 1
    return fewer


def finish(folder: Path) -> list[str]:
    """Finishes a join that was interrupted; one sentence for each. Needs the lake's lock."""
    sentences = []
    retired = segments.retired(folder)
    if retired:
        for joined in segments.listed(folder):
            covered = [s for s in retired if joined.first <= s.first and s.end <= joined.end]
            if covered:
                _retire(joined, joined.read(), covered)
        sentences.append(f"ledger: removed {len(retired)} segments that had been joined into bigger ones")
    for path, what in left(folder).items():
        path.unlink()
        sentences.append(f"ledger: removed {path.name}, {what}")
    return sentences


def left(folder: Path) -> dict[Path, str]:
    """What an interrupted join or append left among the segments, and what it is."""
    every = segments.described(folder)
    found = {each.path: "a segment that was joined into a bigger one" for each in segments.retired(folder)}
    names = {segment.path.name for segment in every}
    for path in sorted(folder.glob("[0-9]*.parquet")):
        if path.name not in names:
            found[path] = "the file of a segment that was never finished"
    return found


def _retire(joined: Segment, frame: pl.DataFrame, covered: Iterable[Segment]) -> None:
    """Removes the segments that a joined one covers, once that one reads back as what it was made of."""
    if not joined.read().equals(frame):
        raise IntegrityError(
            f"{joined.path}: does not read back as the rows that it was joined from; check the disk, "
            "nothing was removed"
        )
    for segment in covered:
        segments.remove(segment)
    durable.sync_folder(joined.folder)
