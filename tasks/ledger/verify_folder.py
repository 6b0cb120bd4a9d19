"""The ledger's folder: small files that people read, and files that nobody should have put there."""

from __future__ import annotations

from pathlib import Path

from tasks.lake.store import Lake
from tasks.ledger import events_table, keys, segments
from tasks.ledger.findings import Findings
from tasks.ledger.log import Log
from tasks.ledger.notes import NoteError

_NAMES = {"origin", "vkey", "checkpoint", "segments", "checkpoints", "tile", "index"}


def check(lake: Lake, log: Log, findings: Findings) -> None:
    """Names, public keys and state are those of the log, and no file is a stranger's."""
    origin = log.folder / "origin"
    if not origin.exists() or origin.read_bytes() != f"{log.origin}\n".encode():
        findings.fail(f"{origin}: does not name the log that the checkpoint is of")
    with findings.catching():
        _vkey(log, findings)
    for path in sorted(log.folder.iterdir()):
        if path.name not in _NAMES and not _is_temporary(path):
            findings.fail(f"{path}: not a file of a ledger")
    with findings.catching():
        _segments(log, findings)
    for path in sorted((log.folder / "checkpoints").iterdir()):
        if not _is_temporary(path) and (not path.name.isdigit() or str(int(path.name)) != path.name):
            findings.fail(f"{path}: not a checkpoint's name")
    with findings.catching():
        state = lake.read_state(events_table.STATE)
        is_within = 0 <= int(state.get("rendered", 0)) <= log.head.size
        if state.get("origin", log.origin) != log.origin or not is_within:
            findings.fail("LAKE/state/ledger.json: is about another ledger than LAKE/ledger")


def _vkey(log: Log, findings: Findings) -> None:
    vkey = log.folder / "vkey"
    public = keys.parse_keys([str(vkey)])
    if vkey.read_bytes() != "".join(f"{key}\n" for key in public).encode():
        findings.fail(f"{vkey}: not a list of public keys as it was written")
    try:
        log.head.note.signers(public, keys.verify)
    except NoteError:
        findings.fail(f"{vkey}: names a key that did not sign this log")


def _segments(log: Log, findings: Findings) -> None:
    """Files that no append wrote, or in the writing of which one was interrupted."""
    numbers = {segment.number for segment in log.segments}
    retired = {segment.number for segment in segments.retired(log.folder / "segments")}
    for path in sorted((log.folder / "segments").iterdir()):
        if _is_temporary(path):
            findings.note(f"{path}: left by an interrupted write; the next run removes it")
        elif path.suffix not in (".parquet", ".json") or not path.stem.isdigit():
            findings.fail(f"{path}: not a file of a ledger")
        elif int(path.stem) in retired:
            findings.note(f"{path}: joined into a bigger segment; the next run removes it")
        elif int(path.stem) not in numbers:
            findings.note(f"{path}: beyond the checkpoint, left by an interrupted append")


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.suffix == ".tmp"
