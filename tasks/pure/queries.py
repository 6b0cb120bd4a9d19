"""The DuckDB query behind each number of a report, so that anyone can recompute it from the Parquet files.

Every query is complete by itself and is run inside the lake's folder. Tests run each one and compare.
"""

# ruff: noqa: S608 - only our own table names, days and hex ids go into these texts

from __future__ import annotations

from string import Template

from tasks.pure.summary import NOT_RECORDED, SLICES, Window

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
         claim_id
LIMIT 100""",
    "findings": """\
SELECT kind, detector, count(*) AS findings, count(DISTINCT output_id) AS answers
FROM $findings$window
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2""",
    "quarantine": """\
SELECT "table", source, "check", count(*) AS rows
FROM $quarantine
WHERE run_id = '$run_id'
GROUP BY ALL ORDER BY rows DESC, 1, 2, 3""",
    "drift": """\
SELECT * FROM $drift
WHERE run_id = '$run_id'
ORDER BY status, slice, metric""",
    "health": """\
SELECT * FROM $health
WHERE run_id = '$run_id'
ORDER BY target""",
    "run": """\
SELECT * FROM $runs
WHERE run_id = '$run_id'""",
}
_TABLES = ("outputs", "verdicts", "actions", "findings", "quarantine", "drift", "health", "runs")


def queries(window: Window, run_id: str, period: str = "day") -> dict[str, str]:
    """SQL by name. `run_id` is hex, `period` day, week or month; no text of a trace goes into a query."""
    days = ""
    if window.first and window.last:
        days = f"\n  WHERE date BETWEEN DATE '{window.first}' AND DATE '{window.last}'"
    names = {
        table: f"read_parquet('tables/{table}/**/*.parquet', hive_partitioning = true)" for table in _TABLES
    }
    values = {**names, "window": days, "period": period, "unknown": NOT_RECORDED, "run_id": run_id}
    return {name: Template(text).substitute(values) for name, text in _QUERIES.items()}
