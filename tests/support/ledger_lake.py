"""A small lake of made-up rows, committed as an audit would commit them; for the ledger's tests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from tasks import ids, tables
from tasks.decide.policies import Policy
from tasks.lake.store import Lake
from tasks.ledger.parameters import LedgerSettings

DAY = date(2026, 11, 1)
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
NIGHT = datetime(2026, 11, 2, 3, tzinfo=UTC)
POLICIES = (Policy(),)
ACTOR = "os:tester@bench"
VERIFIER, SNAPSHOT = ids.digest("verifier"), ids.digest("snapshot")


def frames(
    run_id: str, *, outputs: int = 3, claims: int = 2, passages: int = 2, start: int = 0
) -> dict[str, pl.DataFrame]:
    """Rows of every judging table: `outputs` answers of `claims` claims with `passages` passages each."""
    made: dict[str, list[dict[str, object]]] = {
        t: [] for t in ("outputs", "claims", "passages", "evidence", "verdicts", "actions", "findings")
    }
    for number in range(start, start + outputs):
        output = ids.digest("output", number)
        produced = NOON + timedelta(seconds=number)
        texts = [f"Claim {c} of answer {number}." for c in range(claims)]
        made["outputs"].append(
            {
                "output_id": output,
                "produced_at": produced,
                "source": "bot",
                "source_id": str(number),
                "agent": "support-bot",
                "use_case": "support",
                "response": " ".join(texts),
                "contexts": [{"uri": f"doc-{p}", "text": f"Passage {p}"} for p in range(passages)],
                "tools": [],
                "metadata": "{}",
                "content_sha256": ids.digest("content", number),
                "ingested_at": NIGHT,
                "run_id": run_id,
            }
        )
        shown = [ids.digest("passage", number, p) for p in range(passages)]
        made["passages"] += [
            {
                "passage_id": shown[p],
                "corpus": "context",
                "output_id": output,
                "document_uri": f"doc-{p}",
                "ordinal": p,
                "start": 0,
                "end": 9,
                "text": f"Passage {p}",
                "produced_at": produced,
                "run_id": run_id,
            }
            for p in range(passages)
        ]
        verdicts = []
        for c, text in enumerate(texts):
            claim, at = ids.digest("claim", number, c), c * (len(texts[0]) + 1)
            verdicts.append(ids.digest("verdict", number, c))
            common = {"claim_id": claim, "output_id": output, "produced_at": produced, "run_id": run_id}
            scores = {"p_supported": 0.7, "p_contradicted": 0.1, "p_insufficient": 0.2}
            judge = {"verifier": VERIFIER, "snapshot": SNAPSHOT}
            made["claims"].append(
                common | {"ordinal": c, "start": at, "end": at + len(text), "text": text, "kind": "factual"}
            )
            made["evidence"] += [
                common
                | scores
                | judge
                | {
                    "rank": p,
                    "passage_id": shown[p],
                    "origin": "context",
                    "retrieval_score": 0.5,
                    "tokens_offered": 20,
                    "tokens_seen": 20,
                    "windows": 1,
                }
                for p in range(passages)
            ]
            made["verdicts"].append(
                common
                | scores
                | judge
                | {
                    "verdict_id": verdicts[-1],
                    "verified_at": NIGHT,
                    "verdict": "supported",
                    "policy": POLICIES[0].label,
                    "threshold_supported": 0.5,
                    "threshold_contradicted": 0.5,
                    "evidence_ids": shown,
                    "is_conflict": False,
                    "reason": "A passage says the same.",
                    "source": "bot",
                    "agent": "support-bot",
                    "use_case": "support",
                }
            )
        made["actions"].append(
            {
                "action_id": ids.digest("action", number),
                "output_id": output,
                "run_id": run_id,
                "decided_at": NIGHT,
                "produced_at": produced,
                "action": "delivered",
                "outcome": "supported",
                "abstention_count": 0,
                "policy": POLICIES[0].label,
                "reason": "Every claim is supported.",
                "verdict_ids": verdicts,
            }
        )
        made["findings"].append(
            {
                "finding_id": ids.digest("finding", number),
                "output_id": output,
                "run_id": run_id,
                "produced_at": produced,
                "kind": "email",
                "start": 0,
                "end": 5,
                "masked": "c****",
                "detector": "email@1",
                "confidence": 0.9,
                "found_at": NIGHT,
            }
        )
    return {name: pl.DataFrame(rows, schema=tables.TABLES[name].schema) for name, rows in made.items()}


def run_row(run_id: str, **values: object) -> dict[str, object]:
    """One row of `runs`."""
    return {
        "run_id": run_id,
        "flow": "nightly audit",
        "started_at": NIGHT,
        "finished_at": NIGHT + timedelta(minutes=1),
        "status": "completed",
        "parameters": "{}",
        "code_version": "0",
        "verifier": VERIFIER,
        "policy": POLICIES[0].label,
        "snapshot": SNAPSHOT,
        "rows_in": 3,
        "rows_out": 3,
        "rows_quarantined": 0,
        "counts": "{}",
    } | values


def settings(folder: Path, **values: object) -> LedgerSettings:
    """Ledger settings whose keys stand in a folder beside the lake."""
    return LedgerSettings(origin="example.com/test", key_folder=str(folder / "keys"), **values)


def night(lake: Lake, wanted: LedgerSettings, number: int, **size: int) -> str:
    """One whole run: start, tables, end, recorded. Returns the run's id."""
    from tasks.ledger import recording

    run_id = ids.digest("run", number)
    recording.record_start(lake, wanted, POLICIES, run_row(run_id, status="running"), actor=ACTOR)
    rows = frames(run_id, start=number * 100, **size)
    lake.commit(run_id, "unit", rows, run_day=NIGHT.date())
    row = pl.DataFrame([run_row(run_id)], schema=tables.RUNS.schema)
    lake.commit(run_id, "run", {"runs": row}, run_day=NIGHT.date())
    recording.record(lake, wanted, POLICIES, run_id=run_id, now=NIGHT, actor=ACTOR)
    return run_id
