"""A small lake for the report's tests: four agents, three days, every standing, and hostile text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tasks import ids, tables
from tasks.decide.policies import Policy
from tasks.drift.slices import ALL
from tasks.lake import runs
from tasks.lake.store import Lake
from tasks.report import report
from tasks.report.queries import SLICES
from tasks.tables import TABLES

NOW = datetime(2026, 3, 20, 3, 0, tzinfo=UTC)
FIRST_DAY = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
RUN_ID = ids.digest("run", "report test")
VERIFIER = ids.digest("verifier")
SNAPSHOT = ids.digest("snapshot")

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<svg onload=alert(1)></svg>{{ 7 * 7 }}{% raw %} \x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link "
    "\u202egnp.exe\u202c zero\u200bwidth ![x](http://evil.example/pixel.png) "
    "</textarea></style></script><!-- '\" onmouseover='alert(2)' ]]>"
)
HOSTILE_URI = "javascript:alert(document.domain)//<b>"

Row = dict[str, Any]


@dataclass
class Rows:
    """Rows per table, added claim by claim."""

    of: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in TABLES})

    def answer(
        self,
        name: str,
        day: int,
        agent: str,
        verdicts: Sequence[tuple[str, str, float, float, bool]],
        *,
        model: str | None = "model-1",
        use_case: str = "support",
        prompt: str = "What does the handbook say?",
        passages: Sequence[tuple[str, str, float, float]] = (),
        action: str = "delivered",
    ) -> str:
        """One output. A verdict is (claim, verdict, p_supported, p_contradicted, is_conflict); a passage is
        (uri, text, p_supported, p_contradicted) and bears on every claim."""
        output_id = ids.digest("output", name)
        common = {"produced_at": FIRST_DAY + timedelta(days=day), "run_id": RUN_ID, "output_id": output_id}
        response = " ".join(claim for claim, *_ in verdicts) or "Hello."
        self.of["outputs"].append(
            common
            | {"source": "desk", "source_id": name, "agent": agent, "model": model, "use_case": use_case}
            | {"session_id": None, "prompt": prompt, "response": response, "contexts": [], "tools": []}
            | {"metadata": "{}", "content_sha256": ids.digest("content", name), "supersedes": None}
            | {"ingested_at": NOW}
        )
        passage_ids = []
        for ordinal, (uri, text, *_) in enumerate(passages):
            passage_ids.append(ids.digest("passage", output_id, ordinal))
            self.of["passages"].append(
                common
                | {"passage_id": passage_ids[-1], "corpus": "context", "document_uri": uri, "text": text}
                | {"ordinal": ordinal, "start": 0, "end": len(text)}
                | {"snapshot_first_seen": None, "snapshot_last_seen": None}
            )
        verdict_ids = []
        for ordinal, (claim, verdict, supported, contradicted, is_conflict) in enumerate(verdicts):
            claim_id = ids.digest("claim", output_id, ordinal)
            start = response.index(claim)
            self.of["claims"].append(
                common
                | {"claim_id": claim_id, "ordinal": ordinal, "start": start, "end": start + len(claim)}
                | {"text": claim, "kind": "factual"}
            )
            for rank, (_, _, p_supported, p_contradicted) in enumerate(passages):
                self.of["evidence"].append(
                    common
                    | {"claim_id": claim_id, "verifier": VERIFIER, "snapshot": SNAPSHOT, "rank": rank}
                    | {"passage_id": passage_ids[rank], "origin": "context", "retrieval_score": 0.1}
                    | {"p_supported": p_supported, "p_contradicted": p_contradicted}
                    | {"p_insufficient": round(1 - p_supported - p_contradicted, 6)}
                    | {"tokens_offered": 40, "tokens_seen": 40, "windows": 1}
                )
            decisive = (0, len(passages[0][1])) if passages else (None, None)
            verdict_ids.append(
                self.verdict(
                    common,
                    claim_id,
                    verdict,
                    supported,
                    contradicted,
                    is_conflict,
                    agent,
                    model,
                    use_case,
                    NOW,
                )
            )
            self.of["verdicts"][-1] |= {
                "evidence_ids": passage_ids, "decisive_start": decisive[0], "decisive_end": decisive[1]
            }  # fmt: skip
        self.of["actions"].append(
            common
            | {"action_id": ids.digest("action", output_id), "decided_at": NOW, "action": action}
            | {"policy": "default@1", "reason": f"because of {name}", "verdict_ids": verdict_ids}
            | {"outcome": min((verdict for _, verdict, *_ in verdicts), default="no_claims")}
            | {"abstention_count": int(name == "ada-wrong")}
        )
        return output_id

    def verdict(
        self,
        common: Row,
        claim_id: str,
        verdict: str,
        supported: float,
        contradicted: float,
        is_conflict: bool,
        agent: str,
        model: str | None,
        use_case: str,
        verified_at: datetime,
    ) -> str:
        verdict_id = ids.digest("verdict", claim_id, verified_at.isoformat())
        self.of["verdicts"].append(
            common
            | {"verdict_id": verdict_id, "claim_id": claim_id, "verified_at": verified_at, "verdict": verdict}
            | {"p_supported": supported, "p_contradicted": contradicted}
            | {"p_insufficient": round(1 - supported - contradicted, 6), "verifier": VERIFIER}
            | {"policy": "default@1", "threshold_supported": 0.5, "threshold_contradicted": 0.5}
            | {"snapshot": SNAPSHOT, "evidence_ids": [], "decisive_start": None, "decisive_end": None}
            | {"is_conflict": is_conflict, "source": "desk"}
            | {"reason": f"the evidence says {verdict}", "agent": agent, "model": model, "use_case": use_case}
        )
        return verdict_id

    def frames(self) -> dict[str, pl.DataFrame]:
        return {
            name: pl.DataFrame(rows, schema=TABLES[name].schema) for name, rows in self.of.items() if rows
        }


def rows() -> Rows:
    """The rows. Current verdicts: 6 supported, 2 contradicted, 4 insufficient: one conflict, one not settled
    and two without evidence."""
    built = Rows()
    ok = ("The refund takes 5 days.", "supported", 0.9, 0.02, False)
    for number in range(4):
        built.answer(f"ada-{number}", number % 3, "ada", [ok], model=None)
    built.answer(
        "ada-wrong",
        2,
        "ada",
        [("The warranty lasts 24 months.", "contradicted", 0.03, 0.95, False)],
        use_case="sales",
        passages=[
            ("https://handbook.example/warranty", "The warranty lasts 12 months from delivery.", 0.02, 0.95),
            ("https://handbook.example/other", "Delivery takes two weeks.", 0.05, 0.1),
        ],
        action="escalated",
    )
    built.answer(
        "bob-conflict",
        1,
        "bob",
        [("Returns are free of charge.", "insufficient", 0.45, 0.44, True), ok],
        passages=[
            ("handbook/returns.md", "Returns are free of charge.", 0.97, 0.01),
            ("handbook/old.md", "Returns cost 4 euros.", 0.02, 0.93),
        ],
        action="rephrased",
    )
    built.answer(
        "bob-open",
        2,
        "bob",
        [("Our office is in Ghent.", "insufficient", 0.2, 0.1, False)],
        action="rephrased",
    )
    built.answer("bob-silent", 0, "bob", [])
    built.answer(
        "hostile",
        2,
        f"agent {HOSTILE}",
        [
            (f"A claim with {HOSTILE}", "contradicted", 0.05, 0.9, False),
            ("Half of it is unsettled.", "insufficient", 0.3, 0.2, False),
        ],
        model=f"model {HOSTILE}",
        use_case=f"case {HOSTILE}",
        prompt=f"A question with {HOSTILE}",
        passages=[(HOSTILE_URI, f"A passage with {HOSTILE}", 0.01, 0.9)],
        action="escalated",
    )
    # Judged twice: only the later verdict counts.
    again = built.answer("cleo", 0, "cleo", [("The shop opens at 9.", "insufficient", 0.4, 0.1, False)])
    first = built.of["verdicts"][-1]
    built.verdict(
        {key: first[key] for key in ("produced_at", "run_id", "output_id")},
        first["claim_id"], "supported", 0.8, 0.05, False, "cleo", "model-1", "support",
        NOW + timedelta(hours=1),
    )  # fmt: skip
    built.answer("cleo-open", 0, "cleo", [("The shop closes at 6.", "insufficient", 0.1, 0.1, False)])
    built.of["findings"].append(
        {"finding_id": ids.digest("finding"), "output_id": again, "run_id": RUN_ID, "produced_at": FIRST_DAY}
        | {"kind": "email", "start": 0, "end": 9, "masked": "j***@e***.org", "detector": "email@1"}
        | {"confidence": 0.9, "found_at": NOW}
    )
    built.of["findings"].append(
        built.of["findings"][-1]
        | {"finding_id": ids.digest("address"), "kind": "judge_address", "detector": "judge_address@1"}
        | {"masked": "an order what to decide"}
    )
    for number, (output, outcome) in enumerate((("ada-wrong", "confirmed"), ("ada-0", "overturned"))):
        judged = next(v for v in built.of["verdicts"] if v["output_id"] == ids.digest("output", output))
        built.of["reviews"].append(
            {"review_id": ids.digest("review", number), "verdict_id": judged["verdict_id"]}
            | {"claim_id": judged["claim_id"], "reviewer": "m.meier", "outcome": outcome, "comment": None}
            | {"corrected_verdict": None if outcome == "confirmed" else "insufficient", "reviewed_at": NOW}
            | {"produced_at": judged["produced_at"], "run_id": RUN_ID}
        )
    deliveries(built)
    built.of["verdicts"][-1]["reason"] += "; 1 of 1 passages addresses the verifier (rank 0)"
    return built


def deliveries(built: Rows) -> None:
    """One failed answer was delivered nine hours before, one held, of the third nothing is known."""
    acts = {row["output_id"]: row for row in built.of["actions"]}
    states = {"ada-wrong": ("late", "delivered_first", 9.0), "bob-conflict": ("caught", "held", None)}
    for name, (state, because, hours) in states.items():
        act = acts[ids.digest("output", name)]
        kept = {key: act[key] for key in ("output_id", "action_id", "produced_at", "run_id")}
        sent = None if hours is None else NOW - timedelta(hours=hours)
        built.of["caught"].append(
            kept
            | {"caught_id": ids.digest("caught", name), "action": act["action"], "decided_at": NOW}
            | {"recorded_at": NOW, "known_at": NOW, "state": state, "because": because, "hours": hours}
            | {"delivered_at": sent}
        )
        built.of["actions_taken"].append(
            kept
            | {"taken_id": ids.digest("taken", name), "decided": act["action"], "origin": "source"}
            | {"action": "delivered" if sent else act["action"], "is_deviation": sent is not None}
            | {"is_before": sent is not None, "taken_at": sent, "noted_at": NOW}
        )


def health() -> pl.DataFrame:
    row = {"target": "desk", "kind": "source", "checked_at": NOW, "ok": False, "run_id": RUN_ID}
    row |= {"latency_ms": 1.5, "lag_s": 7200.0, "error": f"nothing there {HOSTILE}"}
    return pl.DataFrame([row], schema=tables.HEALTH.schema)


def inventory() -> pl.DataFrame:
    """A model that is declared, a tool of a hostile name that is not, and one of an earlier comparison."""
    row = {"kind": "model", "name": "gpt-4", "version": "2026-05-01", "outputs": 12, "contradicted": 3}
    row |= {"failed": 2, "error_ratio": 2 / 12, "declared": True, "owner": "Platform", "provider": "OpenAI"}
    row |= {"first_seen_at": NOW - timedelta(days=9), "last_seen_at": NOW, "taken_at": NOW, "run_id": RUN_ID}
    tool = row | {"kind": "tool", "name": HOSTILE, "version": "", "declared": False, "owner": None}
    tool |= {"provider": None, "finding": "seen and not declared"}
    old = row | {"name": "gpt-3", "taken_at": NOW - timedelta(days=1), "run_id": "e" * 64}
    return pl.DataFrame([row, tool, old], schema=tables.INVENTORY.schema)


def completeness() -> pl.DataFrame:
    """A day that is whole (now), one that lacks two records, and one that was never pulled."""
    days = [
        (1, 10, 8, "missing", 2, -1), (1, 10, 10, "complete", 0, 0), (2, 12, 10, "missing", 2, 0),
        (3, None, 0, "never_pulled", None, 0),
    ]  # fmt: skip
    return pl.DataFrame(
        [
            {"source": "desk", "day": date(2026, 3, day), "theirs": theirs, "ours": ours, "state": state}
            | {"missing_count": missing, "missing_ids": ["t-7", HOSTILE] if missing else None}
            | {"quarantined": 0, "left_out": 0, "basis": "none" if theirs is None else "source"}
            | {
                "reason": None,
                "checked_at": NOW + timedelta(days=ago),
                "run_id": RUN_ID if not ago else "e" * 64,
            }
            for day, theirs, ours, state, missing, ago in days
        ],
        schema=tables.COMPLETENESS.schema,
    )


def run_row(counts: dict[str, dict[str, Any]], **changes: Any) -> Row:
    row = {
        "run_id": RUN_ID, "flow": "nightly audit", "started_at": NOW,
        "finished_at": NOW + timedelta(seconds=30),
        "status": "completed", "parameters": json.dumps({"since": None, "until": None}),
        "code_version": "0.1.0",
        "verifier": VERIFIER, "policy": "default@1", "snapshot": SNAPSHOT, "rows_in": 12, "rows_out": 11,
        "rows_already_there": 0, "rows_quarantined": 1, "counts": json.dumps(counts),
    }  # fmt: skip
    return row | changes


def drift() -> pl.DataFrame:
    """A report: one agent fell, one use case recovered, one is stable, one too small, one not measured."""
    rows = [
        ("agent=ada", "agent", "supported_share", 0.93, 0.81, (-0.16, -0.08), 0.0004, "worse", 14.2,
         "drifted"),
        ("use_case=sales", "use_case", "contradicted_share", 0.2, 0.1, (-0.15, -0.05), 0.01, "better", None,
         "drifted"),
        (ALL, ALL, "supported_share", 0.9, 0.89, (-0.03, 0.01), 0.4, "worse", None, "stable"),
        ("agent=bob", "agent", "supported_share", None, None, None, None, None, None, "too_few"),
        (ALL, ALL, "overturn_share", None, None, None, None, None, None, "not_measured"),
    ]  # fmt: skip
    fell = (
        "supported share of agent ada fell from 0.93 to 0.81 on 2 March 2026, the day model M2 first appears"
    )
    reasons = [fell, f"better on 3 March 2026; {HOSTILE}", "within", "too few to tell", "no rows in reviews"]
    return pl.DataFrame(
        [
            {"report_id": ids.digest("drift report"), "slice": name, "slice_kind": kind, "metric": metric}
            | {"unit": "share of claims", "window_start": date(2026, 3, 2), "window_end": date(2026, 3, 3)}
            | {
                "baseline_kind": "rolling",
                "baseline_start": date(2026, 2, 2),
                "baseline_end": date(2026, 3, 1),
            }
            | {"baseline_days": 28, "current_days": 2, "baseline_count": 100.0, "current_count": 20.0}
            | {"baseline_pooled": before, "baseline_value": before, "current_value": after}
            | {"difference": None if after is None else round(after - before, 6)}
            | {"ci_low": interval and interval[0], "ci_high": interval and interval[1], "effect_size": None}
            | {"p_value": p, "p_adjusted": p, "threshold": 0.02, "direction": direction, "harm": harm}
            | {"status": status, "reason": why, "run_id": RUN_ID}
            | {"changed_on": date(2026, 3, 2) if direction == "worse" and status == "drifted" else None}
            for (name, kind, metric, before, after, interval, p, direction, harm, status), why in zip(
                rows, reasons, strict=True
            )
        ],
        schema=tables.DRIFT.schema,
    )


def flips(verdicts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """A re-audit: of 40 supported claims two no longer hold, because of the evidence and of the verifier."""
    shares = [
        ("supported", "any", 400, 40, 2, 0.05), ("supported", "evidence", 400, 40, 1, 0.025),
        ("supported", "verifier", 400, 40, 1, 0.025), ("supported", "policy", 400, 40, 0, 0.0),
        ("any", "any", 500, 50, 2, 0.04), ("any", "evidence", 500, 50, 1, 0.02),
        ("any", "verifier", 500, 50, 1, 0.02),
    ]  # fmt: skip
    first, last = verdicts.head(1).row(0, named=True), verdicts.tail(1).row(0, named=True)
    flipped = [
        {name: row[name] for name in ("claim_id", "output_id", "produced_at", "source", *SLICES)}
        | {"flip_id": ids.digest("flip", row["claim_id"]), "verdict_id_before": row["verdict_id"]}
        | {"verdict_id": row["verdict_id"], "verdict_before": "supported", "verdict": "insufficient"}
        | {"cause": cause, "flips_alone": [cause], "attribution": "one_at_a_time", "is_delivered": True}
        | {"evidence_change": "documents" if cause == "evidence" else "none", "reason": HOSTILE}
        | {"weight": 10.0}
        | {"found_at": NOW, "run_id": RUN_ID}
        for row, cause in ((first, "evidence"), (last, "verifier"))
    ]  # fmt: skip
    return {
        "flips": pl.DataFrame(flipped, schema=tables.FLIPS.schema),
        "flip_shares": pl.DataFrame(
            [
                {"run_id": RUN_ID, "slice": ALL, "verdict_before": verdict, "cause": cause}
                | {"population": population, "judged": judged, "flips": count, "share": share}
                | {"ci_low": share / 2, "ci_high": share * 2, "found_at": NOW}
                for verdict, cause, population, judged, count, share in shares
            ],
            schema=tables.FLIP_SHARES.schema,
        ),
    }


def build(folder: Path, *, measured: bool = True) -> tuple[Lake, Row]:
    """The lake on disk, and its run's row; `measured`: with a drift report and a re-audit."""
    lake = Lake.open(str(folder))
    lake.ensure_tables(NOW.date())
    refused = [{"locator": "a.jsonl:3", "check": "json", "reason": f"not JSON {HOSTILE}", "raw": HOSTILE}]
    quarantine = tables.quarantine_rows(
        refused, table="outputs", source="desk", run_id=RUN_ID, quarantined_at=NOW
    )
    frames = {**rows().frames(), "health": health(), "completeness": completeness(), "quarantine": quarantine}
    frames["inventory"] = inventory()
    if measured:
        frames |= {"drift": drift(), **flips(frames["verdicts"])}
    counts = lake.commit(RUN_ID, "unit", frames, run_day=NOW.date())
    taken = {"sample": {"drop user.email": 4, "hash user.id": 11}}
    tables_of_run: dict[str, Any] = {name: count.as_dict() for name, count in counts.items()}
    tables_of_run["outputs"]["minimised"] = taken
    read = {"reviewed": 40, "missed": 2, "low": 0.0061, "high": 0.1692}
    tables_of_run["findings"]["redaction"] = read
    tables_of_run["outputs"]["lacks"] = {"sample": {"documents_without_text": 3, "documents_looked_up": 2}}
    run = run_row(tables_of_run)
    lake.commit(RUN_ID, "run", {"runs": pl.DataFrame([run], schema=tables.RUNS.schema)}, run_day=NOW.date())
    results = json.dumps({"format": 1, "run_id": RUN_ID, "results": VALIDATION})
    (lake.run_folder(RUN_ID) / "validation.json").write_text(results, "utf-8")
    sources = [{"name": "desk", "trace_url": "https://traces.example/t/{source_id}"}]
    (lake.run_folder(RUN_ID) / "settings.json").write_text(
        json.dumps({"sources": json.dumps(sources), "health": json.dumps({"availability_target": 0.95})}),
        "utf-8",
    )
    lake.write_state(runs.VERIFIERS, {VERIFIER: {"name": "small", "measured": MEASURED}})
    policy = Policy(target_supported_ratio=0.9, maximum_contradicted_ratio=0.05)
    lake.write_state(runs.POLICY_VALUES, {policy.label: policy.values()})
    return lake, run


def write(folder: Path) -> tuple[Lake, Path]:
    """The lake, and its page with all that is beside it."""
    lake, _ = build(folder)
    return lake, report.write(lake, report.gather(lake, RUN_ID, checkpoint=None, now=NOW))


MEASURED = {
    "balanced_accuracy": 0.718, "lowest": 0.55, "highest": 0.92, "sources": ["a", "b"], "rows": 700,
    "calibration_error": 0.18,
}  # fmt: skip
VALIDATION = [
    {"table": "outputs", "rows": 6, "evaluated": 12, "quarantined": 0, "gate_failed": False, "failures": []},
    {
        "table": "outputs", "rows": 5, "evaluated": 12, "quarantined": 1, "gate_failed": False,
        "failures": [{"expectation": "expect_column_values_to_match_regex", "column": "output_id",
                      "severity": "critical", "rows": 1}],
    },
]  # fmt: skip
