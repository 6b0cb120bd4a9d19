"""The spans of one trace as one answer: what the user saw, what was asked, and what it rests on.

(1) The answer is that of the root; where the root's output is not an answer, it is that of the last call of a
model that says something, but for calls of judges and guardrails. (2) The question is the root's input, else
the last message of a user in that call. (3) Evidence is what retrievers and tools gave before the answer was
complete, in that order of time: documents, and results of tools as `tool:NAME`; results that only the
conversation holds count from the user's last message on, because earlier turns are no evidence of this one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from tasks.files.portions import Record
from tasks.sources import fidelity, messages
from tasks.sources.attributes import document
from tasks.sources.messages import decoded
from tasks.sources.parameters import FieldMapping
from tasks.sources.spans import Document, Span
from tasks.tables import TOOL

FIELDS = FieldMapping(
    id="id",
    produced_at="produced_at",
    prompt="prompt",
    response="response",
    agent="agent",
    model="model",
    session_id="session_id",
    contexts="contexts",
    context_ids="context_ids",
    tools="tools",
    metadata="metadata",
)
"""Where records made here keep each thing."""
_ANSWER_KEYS = ("output", "answer", "result", "response", "text", "output_text", "final_output", "generation")
_QUESTION_KEYS = ("input", "question", "query", "prompt", "text", "user_input", "message")
_LISTS = (
    "documents",
    "docs",
    "results",
    "passages",
    "chunks",
    "matches",
    "hits",
    "contexts",
    "nodes",
    "output",
)
_END = attrgetter("end_ns")
_LISTED = 100
"""Addresses of documents without text that an output's metadata hold; the rest are counted."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=str)
"""One for all: `json.dumps` makes a new one for each call."""


@dataclass
class Trace:
    """What the spans of a trace are: of how many answers, and which of the spans were of no agent."""

    records: list[Record] = field(default_factory=list)
    joined: int = 0
    """Spans that became part of a record."""
    filtered: int = 0
    """Spans of traces in which no model, agent or tool took part."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """(locator, reason) of an answer that could not be put together."""
    lacks: Counter[str] = field(default_factory=Counter)
    """What the spans could not tell, as counts: `fidelity.LACKS`."""


def read(spans: Sequence[Span]) -> Trace:
    """What the spans of one trace id say; a trace id with several roots is several answers."""
    spans = list({span.span_id: span for span in sorted(spans, key=_order)}.values())
    if all(span.role == "other" for span in spans):
        return Trace(filtered=len(spans))
    trace = Trace()
    for number, (root, members) in enumerate(_families(spans)):
        if all(span.role == "other" for span in members):
            trace.filtered += len(members)
            continue
        identity = root.trace_id if number == 0 else f"{root.trace_id}:{root.span_id}"
        record = _record(identity, root, members)
        trace.joined += len(members) - 1
        if record is None:
            trace.refused.append((identity, _silence(members)))
            trace.lacks[fidelity.SWITCHED_OFF] += all(span.output is None for span in members)
        else:
            trace.records.append(record)
            trace.lacks[fidelity.PREVIEWS] += any(span.is_preview for span in members)
            trace.lacks[fidelity.CUT] += any(span.is_cut for span in members)
    return trace


def _order(span: Span) -> tuple[int, int, str]:
    return (span.start_ns, -span.end_ns, span.span_id)


def _families(spans: Sequence[Span]) -> Iterator[tuple[Span, list[Span]]]:
    """Each root with all spans below it, by time.

    Spans whose parent is missing belong to the root that was at work when they started, or are one family
    where there is no root.
    """
    known = {span.span_id: span for span in spans}
    roots = [span for span in spans if span.parent_id is None or span.is_entry]
    if len(roots) > 1:
        # An entry below another entry's span is the same request in a further service.
        roots = [span for span in roots if span.parent_id not in known] or roots[:1]
    if len(roots) <= 1:
        yield (roots[0] if roots else spans[0]), list(spans)
        return
    members: dict[str, list[Span]] = {root.span_id: [] for root in roots}
    for span in spans:
        members[_root_of(span, known, roots).span_id].append(span)
    for root in roots:
        yield root, members[root.span_id]


def _root_of(span: Span, known: dict[str, Span], roots: Sequence[Span]) -> Span:
    own = {root.span_id for root in roots}
    met: set[str] = set()
    above: Span | None = span
    while above is not None and above.span_id not in own and above.span_id not in met:
        met.add(above.span_id)  # parents of hostile traces go round in circles
        above = known.get(above.parent_id or "")
    if above is not None and above.span_id in own:
        return above
    return next((root for root in reversed(roots) if root.start_ns <= span.start_ns), roots[0])


def _record(identity: str, root: Span, members: Sequence[Span]) -> Record | None:
    speakers = _outside_judges(members)
    answering, answer = _answer(root, speakers)
    if answering is None:
        return None
    calls = [span for span in speakers if span.role == "llm"]
    last = answering if answering.role == "llm" else (calls[-1] if calls else answering)
    contexts, tools, blank = _evidence(answering, last, speakers)
    failed = sorted({span.tool or span.name for span in speakers if span.role == "tool" and span.is_error})
    metadata = {
        "trace_id": root.trace_id,
        "span_id": answering.span_id,
        "spans": len(members),
        **({"service": root.service} if root.service else {}),
        **({"status": "error"} if root.is_error else {}),
        **({"failed_tools": failed} if failed else {}),
        **({"documents_without_text": blank[:_LISTED]} if blank else {}),
        **root.more,
        **last.more,
    }
    return {
        "id": identity,
        "produced_at": _EPOCH + timedelta(microseconds=answering.end_ns // 1000),
        "prompt": _question(root, last),
        "response": answer,
        "agent": _named(span.agent for span in (root, answering, *members)) or root.service,
        "model": last.model or _named(span.model for span in reversed(calls)),
        "session_id": _named(span.session for span in (root, answering, *members)),
        "contexts": contexts,
        "context_ids": list(dict.fromkeys(blank)),
        "tools": tools,
        "metadata": _JSON.encode(metadata),
        # The root has the last word, then the span that answered, then what came last.
        **{field: value for span in (*members, answering, root) for field, value in span.delivery.items()},
    }


def _named(names: Iterator[str | None]) -> str | None:
    return next((name for name in names if name), None)


def _outside_judges(members: Sequence[Span]) -> list[Span]:
    """Spans that are not judges, and not below one."""
    judges = {span.span_id for span in members if span.role == "judge"}
    if not judges:
        return list(members)
    kept = []
    for span in members:  # by time, so that a parent comes before its children
        if span.parent_id in judges:
            judges.add(span.span_id)
        if span.span_id not in judges:
            kept.append(span)
    return kept


def _answer(root: Span, speakers: Sequence[Span]) -> tuple[Span | None, object]:
    """(1) Whose answer it is, and the answer as it was written."""
    calls = sorted((span for span in speakers if span.role == "llm"), key=_END)
    around = [root] if root.role in ("agent", "chain", "other") else []
    for span in (*around, *reversed(calls), *(span for span in speakers if span.role in ("agent", "chain"))):
        value = said(span.output, _ANSWER_KEYS)
        if value is not None:
            return span, value
    return None, None


def said(value: object, keys: Sequence[str]) -> object:
    """The value where it says something: text, messages, or a record with them under one of the keys."""
    value = decoded(value)
    if isinstance(value, str):
        return value if value.strip() else None
    speech = messages.answer(value)
    if speech is not None:
        return value if speech.text.strip() else None
    if isinstance(value, dict):
        for key in keys:
            inner = said(value[key], keys) if key in value else None
            if inner is not None:
                return inner
    return None


def _question(root: Span, last: Span) -> object:
    """(2) What the user asked."""
    for span in (root, last):
        value = decoded(span.input)
        speech = messages.question(value)
        if speech is not None and speech.text.strip():
            return speech.text
        if isinstance(value, dict):
            text = next((value[key] for key in _QUESTION_KEYS if isinstance(value.get(key), str)), None)
            alone = next(iter(value.values())) if len(value) == 1 else None
            text = text or (alone if isinstance(alone, str) else None)
            if text:
                return text
    return None


def _evidence(
    answering: Span, last: Span, speakers: Sequence[Span]
) -> tuple[list[dict[str, str | None]], list[str], list[str]]:
    """(3) Contexts, names of the tools called, and addresses of documents whose text was not recorded."""
    contexts: dict[tuple[str | None, str], None] = {}
    blank: list[str] = []
    tools: list[str] = []
    texts: set[str] = set()
    for span in speakers:
        if span.role == "tool":
            tools.append(span.tool or span.name)
        if span is answering or span.start_ns > answering.end_ns:
            continue
        if span.role == "retriever":
            for item in span.documents or _listed_documents(span.output):
                if item.text.strip():
                    if item.text not in texts:
                        contexts[(item.uri, item.text)] = None
                        texts.add(item.text)
                elif item.uri:
                    blank.append(item.uri)
        elif span.role == "tool" and (text := _written(span.output)):
            contexts[(f"{TOOL}{span.tool or span.name}", text)] = None
            texts.add(text)
    for name, text in _told_in_conversation(last.input):
        if text not in texts:
            contexts[(f"{TOOL}{name}", text)] = None
            texts.add(text)
    return (
        [{"uri": uri, "text": text} for uri, text in contexts],
        list(dict.fromkeys(tools)),
        list(dict.fromkeys(blank)),
    )


def _listed_documents(output: object) -> list[Document]:
    """Documents that a retriever gave as its output: a list of records, or a record around one."""
    value = decoded(output)
    if isinstance(value, dict):
        value = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), [value])
    if isinstance(value, str):
        return [Document(value)] if value.strip() else []
    return [document(decoded(item)) for item in value] if isinstance(value, list) else []


def _written(value: object) -> str:
    """What a tool returned, as text; records as JSON."""
    value = decoded(value)
    if isinstance(value, dict) and set(value) <= {"content", "type", "name", "tool_call_id", "status"}:
        value = decoded(value.get("content"))  # a message around the result
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    return _JSON.encode(value)


def _told_in_conversation(value: object) -> Iterator[tuple[str, str]]:
    """(tool, result) of messages after the user's last one."""
    turns = decoded(value)
    if isinstance(turns, dict):
        turns = decoded(turns.get("messages"))
    if not isinstance(turns, list):
        return
    roles = [_role(turn) for turn in turns]
    first = max((at for at, role in enumerate(roles) if role in messages.USER), default=-1) + 1
    names: dict[str, str] = {}
    for turn in turns[first:]:
        if not isinstance(turn, dict):
            continue
        for part in (turn, *_parts(turn)):
            names |= _calls(part)
            if _role(part) == "tool" or part.get("type") in ("tool_call_response", "tool_result"):
                given = next((part[k] for k in ("result", "response", "content") if part.get(k)), None)
                identity = part.get("id") or part.get("tool_call_id") or part.get("tool_use_id")
                text = _written(given) if not _parts(part) or part is not turn else ""
                if text:
                    yield str(part.get("name") or names.get(str(identity)) or "unnamed"), text


def _calls(part: Record) -> dict[str, str]:
    """Names of the tools that a message or part calls, by the id of the call."""
    calls = part.get("tool_calls")
    found = {}
    for call in [part, *(calls if isinstance(calls, list) else [])]:
        if isinstance(call, dict) and (call is not part or part.get("type") in ("tool_call", "tool_use")):
            function = call.get("function")
            name = call.get("name") or (function.get("name") if isinstance(function, dict) else None)
            if call.get("id") and name:
                found[str(call["id"])] = str(name)
    return found


def _parts(turn: Record) -> list[Record]:
    for key in ("parts", "content"):
        inner = decoded(turn.get(key))
        if isinstance(inner, list):
            return [part for part in inner if isinstance(part, dict)]
    return []


def _role(turn: object) -> str:
    role = turn.get("role") if isinstance(turn, dict) else None
    return role.lower() if isinstance(role, str) else ""


def _silence(members: Sequence[Span]) -> str:
    """Why a trace has no answer."""
    calls = [span for span in members if span.role == "llm"]
    if not calls:
        return f"none of the {len(members)} spans is a call of a model or has an answer as its output"
    if all(span.output is None for span in members):
        return (
            f"none of the {len(members)} spans has an output: inputs and outputs are not recorded at "
            "the source, and there is nothing to verify"
        )
    return f"none of {len(calls)} calls of a model gave text that a user could see"
