"""Validation results and reconciliation as rows a person reads.

Belongs here: adding up what the validator said of each unit, per table. Does not belong here: running an
expectation (`tasks/gate/validate.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SHOWN_FAILURES = 20
"""Failed expectations listed per table; the rest are counted, and all are in the run's folder."""


def reconciliation(counts: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """One row per table of a run's `counts`: table, in, published, already_there, quarantined, adds_up."""
    rows = []
    for table, count in sorted(counts.items()):
        row = {name: int(count.get(name, 0)) for name in ("in", "published", "already_there", "quarantined")}
        adds_up = row["in"] == row["published"] + row["already_there"] + row["quarantined"]
        rows.append({"table": table, **row, "adds_up": adds_up})
    return rows


def by_table(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Results of many units added up per table.

    Reads of each result: `table`; `rows`; `evaluated` (expectations checked); `failures` (mappings with
    `expectation`, `column`, `severity`, `rows`); `quarantined`; `gate_failed`. A key that is absent counts
    as nothing and shows as nothing, never as passed: `is_checked` says whether anything was evaluated.
    """
    tables: dict[str, dict[str, Any]] = {}
    for result in results:
        name = str(result.get("table", "unknown"))
        row = tables.setdefault(
            name,
            {
                "table": name,
                "units": 0,
                "rows": 0,
                "evaluated": 0,
                "quarantined": 0,
                "gate_failed": False,
                "_": {},
            },
        )
        row["units"] += 1
        row["rows"] += _size(result.get("rows"))
        row["evaluated"] += _size(result.get("evaluated"))
        row["quarantined"] += _size(result.get("quarantined"))
        row["gate_failed"] |= bool(result.get("gate_failed", False))
        for failure in result.get("failures") or ():
            key = tuple(str(failure.get(k) or "") for k in ("expectation", "column", "severity"))
            row["_"][key] = row["_"].get(key, 0) + _size(failure.get("rows"))
    return [_finished(tables[name]) for name in sorted(tables)]


def _finished(row: dict[str, Any]) -> dict[str, Any]:
    failed = row.pop("_")
    listed = sorted(failed.items(), key=lambda item: (-item[1], item[0]))
    return {
        **row,
        "is_checked": row["evaluated"] > 0,
        "failed": len(listed),
        "failures": [
            {"expectation": e, "column": c, "severity": s, "rows": rows}
            for (e, c, s), rows in listed[:_SHOWN_FAILURES]
        ],
    }


def _size(value: Any) -> int:
    """A count, whether it came as a number or as the list of what was counted."""
    if isinstance(value, (list, tuple)):
        return len(value)
    return int(value or 0)
