"""The DuckDB query behind each number of a report, so that anyone can recompute it from the Parquet files.

Every query is complete by itself and is run inside the lake's folder. Tests run each one and compare.
"""

# ruff: noqa: S608 - only our own table names, days and hex ids go into these texts

from __future__ import annotations

from collections.abc import Sequence
from string import Template

from tasks.decide.verdicts import ADDRESSED
from tasks.drift import slices
from tasks.report import trend
from tasks.report.summary import NOT_RECORDED, SLICES, Window

_CURRENT_VERDICTS = """\
WITH verdicts AS (
  SELECT * FROM $verdicts$window
  QUALIFY row_number() OVER (PARTITION BY claim_id ORDER BY verified_at DESC, verdict_id DESC) = 1
)"""
_LAST_ACTIONS = """\
WITH actions AS (
  SELECT * FROM $actions$window
  QUALIFY row_number() OVER (PARTITION BY output_id ORDER BY decided_at DESC, action_id DESC) = 1
)"""
_COUNTS = """\
count(*) FILTER (verdict = 'supported') AS supported,
       count(*) FILTER (verdict = 'contradicted') AS contradicted,
       count(*) FILTER (verdict = 'insufficient') AS insufficient"""
_ENCODED = ",\n         ".join(
    f"replace(replace(replace(coalesce({c}, '{slices.NONE}'), '%', '%25'), '&', '%26'), '=', '%3D') AS {c}"
    for c in trend.COLUMNS
)
_NAMED = ",\n           ".join(f"CASE WHEN grouping({c}) = 0 THEN '{c}=' || {c} END" for c in trend.COLUMNS)
_SETS = ", ".join(f"({', '.join(('date', *kind))})" for kind in slices.kinds(trend.COLUMNS))
_TREND = f"""\
-- Only like is compared with like: the newest verifier, and the newest version of each policy.
WITH outputs AS (
  SELECT date, output_id, supersedes,
         {_ENCODED}
  FROM $outputs$trend_window
), verdicts AS (
  SELECT * FROM $verdicts$trend_window
  QUALIFY row_number() OVER (
    PARTITION BY claim_id, verifier, policy ORDER BY verified_at DESC, verdict_id DESC) = 1
), judged AS (
  SELECT outputs.*, verdicts.verdict, verdicts.verifier, verdicts.policy, verdicts.verified_at
  FROM verdicts JOIN outputs USING (output_id, date)
  WHERE NOT EXISTS (SELECT 1 FROM outputs AS newer
                    WHERE newer.supersedes = outputs.output_id AND newer.date = outputs.date)
), comparable AS (
  SELECT * FROM judged
  WHERE verifier = (SELECT verifier FROM judged ORDER BY verified_at DESC, verifier DESC LIMIT 1)
    AND policy IN (SELECT policy FROM judged QUALIFY row_number() OVER (
      PARTITION BY split_part(policy, '@', 1) ORDER BY verified_at DESC, policy DESC) = 1)
), answers AS (
  SELECT date, output_id, policy, {", ".join(f"any_value({c}) AS {c}" for c in trend.COLUMNS)},
         count(*) FILTER (verdict = 'supported')::DOUBLE AS y, count(*)::DOUBLE AS x
  FROM comparable GROUP BY 1, 2, 3
), cells AS (
  SELECT date,
         coalesce(nullif(concat_ws('&',
           {_NAMED}), ''), '{slices.ALL}') AS slice,
         sum(y) AS y, sum(x) AS x, sum(y * y) AS yy, sum(x * y) AS xy, sum(x * x) AS xx, count(*) AS m
  FROM answers GROUP BY GROUPING SETS ({_SETS})
), shares AS (
  SELECT date, slice, x, y / x AS p,
         greatest(yy - 2 * y / x * xy + y / x * y / x * xx, 0)
           * CASE WHEN m > 1 THEN m / (m - 1) ELSE 1 END / (x * x) AS variance
  FROM cells
), sizes AS (
  SELECT *, x / CASE WHEN p * (1 - p) > 0 THEN greatest(variance * x / (p * (1 - p)), 1) ELSE 1 END AS n,
         1.959963984540054 AS z
  FROM shares
)
SELECT date, slice, p AS value,
       greatest((p + z*z / (2*n) - z * sqrt(p * (1-p) / n + z*z / (4*n*n))) / (1 + z*z / n), 0) AS ci_low,
       least((p + z*z / (2*n) + z * sqrt(p * (1-p) / n + z*z / (4*n*n))) / (1 + z*z / n), 1) AS ci_high,
       x AS count
FROM sizes ORDER BY slice, date"""

_QUERIES = {
    "answers": """\
SELECT count(*) AS answers FROM $outputs$window""",
    "verdicts": f"""\
{_CURRENT_VERDICTS}
SELECT count(*) AS claims,
       {_COUNTS},
       count(*) FILTER (is_conflict) AS conflicts
FROM verdicts""",
    "over-time": f"""\
{_CURRENT_VERDICTS}
SELECT date_trunc('$period', date)::DATE AS period,
       count(*) AS claims,
       {_COUNTS}
FROM verdicts GROUP BY 1 ORDER BY 1""",
    **{
        f"by-{column}": f"""\
{_CURRENT_VERDICTS}, answers AS (
  SELECT coalesce({column}, '$unknown') AS value, count(*) AS answers
  FROM $outputs$window GROUP BY 1
), judged AS (
  SELECT coalesce({column}, '$unknown') AS value, count(*) AS claims,
       {_COUNTS}
  FROM verdicts GROUP BY 1
)
SELECT value, coalesce(answers, 0) AS answers, coalesce(claims, 0) AS claims,
       coalesce(supported, 0) AS supported, coalesce(contradicted, 0) AS contradicted,
       coalesce(insufficient, 0) AS insufficient
FROM answers FULL JOIN judged USING (value)
ORDER BY contradicted DESC, insufficient DESC, claims DESC, value"""
        for column in SLICES
    },
    "trend": _TREND,
    "scores": f"""\
{_CURRENT_VERDICTS}
SELECT least(floor(p_supported * 10), 9)::INTEGER AS tenth,
       {_COUNTS}
FROM verdicts GROUP BY 1 ORDER BY 1""",
    "actions": f"""\
{_LAST_ACTIONS}
SELECT action, count(*) AS answers FROM actions GROUP BY 1 ORDER BY 1""",
    "action-reasons": f"""\
{_LAST_ACTIONS}
SELECT action, policy, count(*) AS answers, mode(reason) AS reason
FROM actions GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2""",
    "flow": f"""\
{_CURRENT_VERDICTS}, actions AS (
  SELECT * FROM $actions$window
  QUALIFY row_number() OVER (PARTITION BY output_id ORDER BY decided_at DESC, action_id DESC) = 1
), worst AS (
  SELECT output_id, bool_or(verdict = 'contradicted') AS contradicted, bool_or(is_conflict) AS conflict,
         bool_or(verdict = 'insufficient') AS insufficient
  FROM verdicts GROUP BY 1
)
SELECT CASE WHEN contradicted IS NULL THEN 'no_claims' WHEN contradicted THEN 'contradicted'
            WHEN conflict THEN 'conflict' WHEN insufficient THEN 'insufficient' ELSE 'supported'
       END AS standing,
       coalesce(action, 'undecided') AS action, count(*) AS answers
FROM (SELECT output_id FROM $outputs$window)
LEFT JOIN worst USING (output_id) LEFT JOIN actions USING (output_id)
GROUP BY 1, 2 ORDER BY 1, 2""",
    "worst": f"""\
{_CURRENT_VERDICTS}
SELECT verdict_id, claim_id, agent, use_case, verdict, is_conflict,
       p_supported, p_contradicted, p_insufficient, reason
FROM verdicts
WHERE verdict <> 'supported' OR is_conflict
ORDER BY CASE WHEN verdict = 'contradicted' THEN 0 WHEN is_conflict THEN 1 ELSE 2 END,
         CASE WHEN verdict = 'contradicted' THEN p_contradicted
              WHEN is_conflict THEN least(p_contradicted, p_supported)
              ELSE 1 - p_supported END DESC,
         claim_id""",
    "evidence": """\
SELECT claim_id, verifier, snapshot, rank, passage_id, origin, p_supported, p_contradicted, p_insufficient
FROM $evidence
WHERE claim_id IN ($claims)
ORDER BY claim_id, rank""",
    "findings": """\
SELECT kind, detector, count(*) AS findings, count(DISTINCT output_id) AS answers
FROM $findings$window
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2""",
    "addressed-evidence": f"""\
{_CURRENT_VERDICTS}
SELECT count(*) AS claims FROM verdicts
WHERE regexp_matches(reason, '{ADDRESSED.replace("$", "$$")}')""",
    "quarantine": """\
SELECT "table", source, "check", count(*) AS rows
FROM $quarantine
WHERE run_id = '$run_id'
GROUP BY ALL ORDER BY rows DESC, 1, 2, 3""",
    "reconciliation": """\
SELECT key AS "table", (value->>'in')::BIGINT AS "in", (value->>'published')::BIGINT AS published,
       (value->>'already_there')::BIGINT AS already_there, (value->>'quarantined')::BIGINT AS quarantined
FROM $runs AS runs, json_each(runs.counts)
WHERE run_id = '$run_id'
ORDER BY 1""",
    "validation": """\
SELECT result->>'table' AS "table", sum((result->>'rows')::BIGINT)::BIGINT AS rows,
       sum((result->>'evaluated')::BIGINT)::BIGINT AS evaluated,
       sum((result->>'quarantined')::BIGINT)::BIGINT AS quarantined
FROM (SELECT unnest((content->'results')::JSON[]) AS result
      FROM read_text('runs/$run_id/validation.json'))
GROUP BY 1 ORDER BY 1""",
    "drift": """\
SELECT * FROM $drift
WHERE report_id = '$report_id'
ORDER BY status, harm DESC NULLS LAST, slice, metric""",
    "drift-status": """\
SELECT CASE WHEN status <> 'drifted' THEN status
            WHEN direction IN ('worse', 'better') THEN direction ELSE 'changed' END AS says,
       count(*) AS rows
FROM $drift
WHERE report_id = '$report_id'
GROUP BY 1 ORDER BY 1""",
    "flips": """\
SELECT verdict_before, cause, population, judged, flips, share, ci_low, ci_high
FROM $flip_shares
WHERE run_id = '$reaudit' AND slice = 'all'
ORDER BY verdict_before, cause""",
    "flips-delivered": """\
SELECT count(DISTINCT output_id) AS answers
FROM $flips
WHERE run_id = '$reaudit' AND is_delivered AND verdict <> 'supported'""",
    "health": """\
SELECT * FROM $health
WHERE run_id = '$run_id'
ORDER BY target""",
    "run": """\
SELECT * FROM $runs
WHERE run_id = '$run_id'""",
    "of-run": """\
SELECT verdict, count(*) AS claims FROM $verdicts
WHERE run_id = '$run_id'
GROUP BY 1 ORDER BY 1""",
    "ledger": """\
SELECT count(*) AS size FROM $events
WHERE sequence < $ledger_size""",
    "judged-by": f"""\
{_CURRENT_VERDICTS}
SELECT 'verifier' AS what, verifier AS name, count(*) AS rows FROM verdicts GROUP BY 1, 2
UNION ALL SELECT 'snapshot', snapshot, count(*) FROM verdicts GROUP BY 1, 2
ORDER BY 1, 3 DESC, 2""",
    "decided-by": f"""\
{_LAST_ACTIONS}
SELECT 'policy' AS what, policy AS name, count(*) AS rows FROM actions GROUP BY 1, 2
UNION ALL SELECT 'source', source, count(*) FROM $outputs$window GROUP BY 1, 2
ORDER BY 1, 3 DESC, 2""",
}
KEYS: dict[str, tuple[str, ...]] = {
    "over-time": ("period",),
    "trend": ("slice", "date"),
    **{f"by-{column}": ("value",) for column in SLICES},
    "scores": ("tenth",),
    "actions": ("action",),
    "action-reasons": ("action", "policy"),
    "flow": ("standing", "action"),
    "worst": ("claim_id",),
    "evidence": ("claim_id", "verifier", "snapshot", "rank"),
    "findings": ("kind", "detector"),
    "quarantine": ("table", "source", "check"),
    "reconciliation": ("table",),
    "validation": ("table",),
    "drift": ("slice", "metric"),
    "drift-status": ("says",),
    "flips": ("verdict_before", "cause"),
    "of-run": ("verdict",),
    "health": ("target",),
    "judged-by": ("what", "name"),
    "decided-by": ("what", "name"),
}
"""Columns that tell a query's rows apart; a query that is not here gives one row."""
_TABLES = (
    "outputs", "verdicts", "evidence", "actions", "findings", "quarantine", "drift", "flips", "flip_shares",
    "health", "events", "runs",
)  # fmt: skip
_NONE = "none"


def queries(
    window: Window,
    run_id: str,
    period: str = "day",
    *,
    claims: Sequence[str] = (),
    drift_report: str | None = None,
    reaudit: str | None = None,
    trend_window: Window | None = None,
    ledger_size: int = 0,
) -> dict[str, str]:
    """SQL by name. No text of a trace goes into a query.

    Args:
        run_id: hex; period: day, week or month.
        claims: hex ids of the claims shown one by one.
        drift_report, reaudit: hex ids of the drift report and the re-audit that the page shows, if any.
        trend_window: days of the small charts; None is all of them.
        ledger_size: events under the checkpoint that the page shows.
    """
    names = {
        table: f"read_parquet('tables/{table}/**/*.parquet', hive_partitioning = true, union_by_name = true)"
        for table in _TABLES
    }
    values = {
        **names,
        "window": _days(window),
        "trend_window": _days(trend_window or window),
        "period": period,
        "unknown": NOT_RECORDED,
        "run_id": run_id,
        "claims": ", ".join(f"'{claim}'" for claim in claims) or f"'{_NONE}'",
        "report_id": drift_report or _NONE,
        "reaudit": reaudit or _NONE,
        "ledger_size": str(ledger_size),
    }
    return {name: Template(text).substitute(values) for name, text in _QUERIES.items()}


def _days(window: Window) -> str:
    if not window.first or not window.last:
        return ""
    return f"\n  WHERE date BETWEEN DATE '{window.first}' AND DATE '{window.last}'"
