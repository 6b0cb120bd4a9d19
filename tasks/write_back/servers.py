"""Verdicts to servers: annotations of Phoenix, scores of Langfuse, assessments of MLflow.

Each verdict goes under its own id, so one that is sent again, because the answer to the first was lost, is
the same annotation and not a second one. A trace that the server no longer has is left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from tasks.errors import SourceError
from tasks.files.refusal import shown
from tasks.files.web import MissingError, Web
from tasks.sources.trace_server import ServerSettings, credentials, odd, web

NAME = "claimledger"
AT_ONCE = {"phoenix": 200, "langfuse": 50, "mlflow": 25}
"""Verdicts of one request, or of MLflow, whose requests take one each, between two marks."""

Row = Mapping[str, Any]
Send = Callable[[ServerSettings, Web, Sequence[Row]], int]
"""Sends some rows of `pending`; gives how many traces the server no longer has."""


def send(source: ServerSettings, rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """How many rows are sent so far, and how many of them name a trace that is gone, after each request.

    Raises:
        SourceError: the server cannot be reached, or refuses.
    """
    at_once, gone = AT_ONCE[source.kind], 0
    with web(source, **credentials(source)) as door:
        for first in range(0, len(rows), at_once):
            part = rows[first : first + at_once]
            gone += SENDERS[source.kind](source, door, part)
            yield first + len(part), gone


def _phoenix(source: ServerSettings, door: Web, rows: Sequence[Row]) -> int:
    """Trace annotations; those of one name, trace and identifier replace each other."""
    try:
        door.json("v1/trace_annotations", {"sync": "true"}, body={"data": [_annotation(row) for row in rows]})
    except MissingError:
        if len(rows) == 1:
            return 1
        # One trace that is gone has the whole request refused.
        return sum(_phoenix(source, door, [row]) for row in rows)
    return 0


def _annotation(row: Row) -> dict[str, Any]:
    result = {"label": row["verdict"], "score": row["p_supported"], "explanation": row["explanation"]}
    return {
        "trace_id": row["trace_id"],
        "name": NAME,
        "annotator_kind": "CODE",
        "identifier": row["verdict_id"],
        "result": result,
        "metadata": _metadata(row),
    }


def _langfuse(source: ServerSettings, door: Web, rows: Sequence[Row]) -> int:
    """Two scores a verdict, the word and the number; scores of one id replace each other."""
    place = "api/public/ingestion"
    answer = door.json(place, body={"batch": [event for row in rows for event in _scores(row)]})
    try:
        errors = answer["errors"]
        reason = str(errors[0].get("message") or errors[0].get("status")) if errors else ""
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise odd(source, place, "what became of each score", error) from None
    if reason:
        raise SourceError(
            f"source {source.name!r}: Langfuse refused {len(errors)} of {2 * len(rows)} scores "
            f"({shown(reason, 200)})"
        )
    return 0


def _scores(row: Row) -> Iterator[dict[str, Any]]:
    values = (("verdict", "CATEGORICAL", row["verdict"]), ("p_supported", "NUMERIC", row["p_supported"]))
    for name, kind, value in values:
        identity = f"{row['verdict_id']}-{name}"
        score = {
            "id": identity,
            "traceId": row["trace_id"],
            "name": f"{NAME}.{name}",
            "value": value,
            "dataType": kind,
            "comment": row["explanation"],
            "metadata": _metadata(row),
        }
        moment = row["verified_at"].isoformat()
        yield {"id": identity, "timestamp": moment, "type": "score-create", "body": score}


def _mlflow(source: ServerSettings, door: Web, rows: Sequence[Row]) -> int:
    """Feedback, which MLflow adds each time; what a trace has already is looked up before."""
    gone = 0
    for trace_id, group in groupby(sorted(rows, key=_trace), key=_trace):
        answer = door.json("api/3.0/mlflow/traces/batchGet", {"trace_ids": [trace_id]})
        try:
            traces = answer.get("traces") or []
            known = {
                str((assessment.get("metadata") or {}).get("verdict_id"))
                for trace in traces
                for assessment in trace["trace_info"].get("assessments") or ()
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise odd(source, "api/3.0/mlflow/traces/batchGet", "traces", error, "MLflow 3.17") from None
        for row in group:
            if not traces:
                gone += 1
            elif row["verdict_id"] not in known:
                body = {"assessment": _assessment(row)}
                door.json(f"api/3.0/mlflow/traces/{trace_id}/assessments", body=body)
    return gone


def _trace(row: Row) -> str:
    return str(row["trace_id"])


def _assessment(row: Row) -> dict[str, Any]:
    moment = row["verified_at"].isoformat().replace("+00:00", "Z")
    return {
        "assessment_name": NAME,
        "trace_id": row["trace_id"],
        "source": {"source_type": "CODE", "source_id": NAME},
        "create_time": moment,
        "last_update_time": moment,
        "feedback": {"value": row["verdict"]},
        "rationale": row["explanation"],
        "metadata": {**_metadata(row), "p_supported": f"{row['p_supported']:.4f}"},
    }


def _metadata(row: Row) -> dict[str, str]:
    kept = ("verdict_id", "claim_id", "policy", "verifier", "action")
    return {name: str(row[name]) for name in kept if row[name] is not None}


SENDERS: dict[str, Send] = {"phoenix": _phoenix, "langfuse": _langfuse, "mlflow": _mlflow}
