"""A span as every tracing system tells it: who did what, from when to when, and what went in and out.

How a system writes it is in a module of its own (`attributes.py` for OpenTelemetry); what the spans of a
trace say together is in `traces.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["llm", "agent", "chain", "tool", "retriever", "judge", "other"]
"""What a span is: a call of a model, an agent or chain around such calls, a tool, a retriever, something that
judges or guards (its calls of models answer nobody), or anything else."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a retriever gave: its text, and where it is from. The text may not have been recorded."""

    text: str
    uri: str | None = None


@dataclass(slots=True)
class Span:
    """One span; `input` and `output` are as they were written: text, JSON text, messages or records."""

    trace_id: str
    span_id: str
    parent_id: str | None
    start_ns: int
    end_ns: int
    name: str = ""
    role: Role = "other"
    is_entry: bool = False
    """Whether its parent is of another service, so that it is a root here."""
    is_error: bool = False
    input: object = None
    output: object = None
    model: str | None = None
    agent: str | None = None
    session: str | None = None
    tool: str | None = None
    call_id: str | None = None
    documents: Sequence[Document] = ()
    service: str | None = None
    is_preview: bool = False
    """Whether it holds previews of what went in and out, and not all of it."""
    is_cut: bool = False
    """Whether attributes were dropped when it was recorded, because there were too many."""
    delivery: dict[str, object] = field(default_factory=dict)
    """What it says of the delivery of the answer, by field."""
    more: dict[str, object] = field(default_factory=dict)
    """What else is worth keeping: tokens, cost, tags, who asked."""
