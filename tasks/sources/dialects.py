"""Which system wrote an export, by the names that its first records have."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.files.portions import Record
from tasks.sources.messages import decoded

PLAIN = "files"
"""What no tracing system wrote: its fields are mapped."""
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def dialect(records: Sequence[Record]) -> str:
    """The kind of source that reads such records; `files` where no system is recognised in all of them."""
    kinds = {_of(record) for record in records}
    return kinds.pop() if len(kinds) == 1 else PLAIN


def _of(record: Record) -> str:
    names = {_CAMEL.sub(lambda match: f"_{match[1].lower()}", key) for key in record}
    inner = decoded(record.get("trace"))
    runs = record.get("runs")
    context, steps = record.get("context"), record.get("steps")
    marks = {
        "otlp": bool(names & {"resource_spans", "resource_logs"}),
        "atif": isinstance(steps, list) and bool(names & {"schema_version", "trajectory_id", "agent"}),
        "langsmith": "run_type" in names or _holds_runs(runs),
        "langfuse": {"trace_id", "start_time", "type", "parent_observation_id"} <= names,
        "phoenix": isinstance(context, dict) and bool(names & {"span_kind", "status_code"}),
        "mlflow": _is_of_mlflow(record) or (isinstance(inner, dict) and _is_of_mlflow(inner)),
    }
    return next((kind for kind, is_marked in marks.items() if is_marked), PLAIN)


def _holds_runs(runs: object) -> bool:
    return isinstance(runs, list) and bool(runs) and isinstance(runs[0], dict) and "run_type" in runs[0]


def _is_of_mlflow(trace: Record) -> bool:
    return ("trace_info" in trace or "info" in trace) and ("spans" in trace or "data" in trace)
