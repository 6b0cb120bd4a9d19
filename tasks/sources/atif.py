"""Agent trajectories (ATIF): one file or line a trajectory, each question of the user an answer.

The steps of a trajectory are in order: a turn begins with a message of the user, and its answer is the
agent's last message that says something before the next one. What the observations of the turn's steps hold
is evidence, under the name of the tool that was called.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tasks.files.limits import LimitSettings
from tasks.files.portions import Record
from tasks.files.refusal import Refusal
from tasks.sources import exported_rows, trace_files
from tasks.sources.base import Batch, Scope
from tasks.sources.messages import answer
from tasks.sources.parameters import PathSettings
from tasks.sources.raw_spans import Raw, nanoseconds, raw
from tasks.sources.trace_files import TraceSettings


@dataclass(frozen=True, kw_only=True)
class AtifSettings(TraceSettings, PathSettings):
    """Agent trajectories in the format ATIF, 1.0 to 1.7."""

    kind: Literal["atif"]
    """Trajectories as Harbor, NeMo and Phoenix write them."""


def reach(source: AtifSettings) -> str:
    """How many files there are.

    Raises:
        SourceError: none, or they cannot be listed.
    """
    return trace_files.reach(source.path)


def pull(source: AtifSettings, scope: Scope) -> Iterator[Batch]:
    """Answers of the trajectories that are new.

    Raises:
        SourceError: nothing at the source's path, or the store cannot be reached.
    """
    yield from trace_files.pull(source, source.path, scope, exported)


def exported(path: Path, limits: LimitSettings) -> Iterator[tuple[Raw | Refusal, int, str]]:
    """Turns of trajectories, each with its calls of tools, as spans."""
    return exported_rows.read(path, limits, "a trajectory", turns)


def turns(trajectory: Record) -> list[Raw]:
    """Spans of the trajectory's turns: a root each, and what tools returned below it.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not a trajectory.
    """
    steps: Any = trajectory["steps"]
    agent: Any = trajectory.get("agent") or {}
    identity = str(trajectory.get("trajectory_id") or trajectory["session_id"])
    found: list[Raw] = []
    question: dict[str, Any] | None = None
    turn: list[dict[str, Any]] = []
    for step in [*steps, {"source": "user"}]:
        if step["source"] != "user":
            turn.append(step)
            continue
        if any(each["source"] == "agent" for each in turn):
            number = len([span for span in found if span[2] is None])
            found += _turn(f"{identity}:{number}" if number else identity, question, turn, agent, trajectory)
        question, turn = step, []
    if not found:
        raise ValueError("no step of the agent")
    return found


def _turn(
    identity: str,
    question: dict[str, Any] | None,
    steps: list[dict[str, Any]],
    agent: dict[str, Any],
    trajectory: Record,
) -> list[Raw]:
    times = [_moment(step) for step in ([question] if question else []) + steps]
    known = [moment for moment in times if moment is not None]
    if not known:
        raise ValueError("no step has a timestamp")
    spoken = [step for step in steps if step["source"] == "agent" and _text(step.get("message")).strip()]
    attributes = {
        "openinference.span.kind": "AGENT",
        "input.value": _text(question.get("message")) if question else None,
        "output.value": _text(spoken[-1].get("message")) if spoken else None,
        "agent.name": agent.get("name"),
        "llm.model_name": (spoken[-1].get("model_name") if spoken else None) or agent.get("model_name"),
        "session.id": trajectory.get("session_id"),
        "metadata": _extra(trajectory, *spoken[-1:]),
    }
    root = raw(identity, "turn", None, start_ns=known[0], end_ns=known[-1], attributes=_set(attributes))
    tools = [
        raw(
            identity,
            f"{step.get('step_id', at)}.{number}",
            "turn",
            start_ns=known[0],
            end_ns=known[-1],
            attributes={"openinference.span.kind": "TOOL", "tool.name": name, "output.value": result},
            name=name,
        )
        for at, step in enumerate(steps)
        for number, (name, result) in enumerate(_results(step))
    ]
    return [root, *tools]


def _extra(*records: dict[str, Any]) -> dict[str, Any] | None:
    """What trajectory and step hold beside what every one does; the later has the last word."""
    found: dict[str, Any] = {}
    for record in records:
        inner = record.get("extra")
        found |= inner if isinstance(inner, dict) else {}
    return found or None


def _set(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if value not in (None, "")}


def _results(step: dict[str, Any]) -> Iterator[tuple[str, str]]:
    names = {call["tool_call_id"]: str(call["function_name"]) for call in step.get("tool_calls") or ()}
    for result in (step.get("observation") or {}).get("results") or ():
        text = _text(result.get("content"))
        if text.strip():
            yield names.get(result.get("source_call_id"), "unnamed"), text


def _text(message: object) -> str:
    """A message's text; of content parts those of text."""
    if message is None:
        return ""
    if isinstance(message, str):
        return message
    speech = answer(message)
    return speech.text if speech is not None else json.dumps(message, ensure_ascii=False)


def _moment(step: dict[str, Any]) -> int | None:
    stamp = step.get("timestamp")
    if stamp is None:
        return None
    if isinstance(stamp, int | float):
        return nanoseconds(datetime.fromtimestamp(stamp, UTC).isoformat())
    return nanoseconds(str(stamp))
