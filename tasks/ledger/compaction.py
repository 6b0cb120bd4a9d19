"""The log's small segments joined, where that is worth it; see `joining.py` for how."""

from __future__ import annotations

from tasks.lake.store import Lake
from tasks.ledger import events_table, joining, opening, segments, verify
from tasks.ledger.parameters import LedgerSettings


def join_segments(lake: Lake, settings: LedgerSettings, *, least: int = 2) -> int:
    """Joins neighbouring small segments; how many there are fewer. The log keeps its root and every proof.

    Only what the last check has seen is joined, so that the next one begins where that ended.

    Args:
        least: small segments below which nothing is done.

    Raises:
        ConfigError, IntegrityError, LakeError: as `open_ledger` and `joining.join`.
    """
    if not opening.exists(lake):
        return 0
    with lake.lock("joining the ledger's segments"):
        log = opening.open_ledger(lake, settings).log
        until = min(
            int(lake.read_state(events_table.STATE).get("rendered", 0)),
            int(lake.read_state(verify.STATE).get("size", log.head.size)),
        )
        groups = joining.groups(log.segments, segments.MAX_ROWS, until)
        if sum(map(len, groups)) < least:
            return 0
        fewer = joining.join(log.folder / "segments", groups)
        log.forget()
        return fewer
