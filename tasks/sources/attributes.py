"""Attributes of OpenTelemetry spans: three generations of GenAI names, OpenInference, OpenLLMetry.

Real files mix them, so every meaning is looked up under all of its names, the newest first. The lists follow
opentelemetry-semantic-conventions 0.66b2, openinference-semantic-conventions 0.1.42 and traceloop-sdk's span
attributes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tasks.sources.messages import decoded
from tasks.sources.paths import at as at_path
from tasks.sources.paths import locate, parse
from tasks.sources.spans import Document, Role, Span

Attributes = Mapping[str, Any]

PREFIXES = ("gen_ai.", "openinference.", "llm.", "traceloop.", "retrieval.", "input.", "output.")
"""Of names that make a span one of an agent and not of a web server or a database."""

CONTENT_EVENTS = frozenset(
    (
        "gen_ai.client.inference.operation.details",
        *("gen_ai.content.prompt", "gen_ai.content.completion", "gen_ai.choice", "gen_ai.user.message"),
        *("gen_ai.system.message", "gen_ai.assistant.message", "gen_ai.tool.message"),
    )
)
"""Events of a span, or logs with its id, that hold what went in and out, where its attributes do not."""

_KINDS: dict[str, Role] = {
    "llm": "llm", "agent": "agent", "chain": "chain", "workflow": "chain", "task": "chain", "tool": "tool",
    "retriever": "retriever", "reranker": "retriever", "guardrail": "judge", "evaluator": "judge",
}  # fmt: skip
"""openinference.span.kind and traceloop.span.kind, in small letters."""
_OPERATIONS: dict[str, Role] = {
    "chat": "llm", "generate_content": "llm", "text_completion": "llm", "fetch_response": "llm",
    "invoke_agent": "agent", "invoke_workflow": "chain", "execute_tool": "tool", "retrieval": "retriever",
    "apply_guardrail": "judge",
}  # fmt: skip
_MODELS = ("gen_ai.response.model", "llm.model_name", "gen_ai.request.model", "llm.request.model")
_AGENTS = ("gen_ai.agent.name", "agent.name", "graph.node.id")
_SESSIONS = (
    "session.id", "gen_ai.conversation.id", "traceloop.association.properties.session_id",
    "traceloop.association.properties.conversation_id", "langsmith.trace.session_id",
)  # fmt: skip
_TOOLS = ("gen_ai.tool.name", "tool.name", "tool_call.function.name", "traceloop.entity.name")
_CALLS = ("gen_ai.tool.call.id", "tool_call.id", "tool.id")
_INPUTS = ("gen_ai.input.messages", "input.value", "gen_ai.prompt", "traceloop.entity.input")
_OUTPUTS = ("gen_ai.output.messages", "output.value", "gen_ai.completion", "traceloop.entity.output")
_TOOL_RESULTS = ("gen_ai.tool.call.result", "output.value", "traceloop.entity.output")
_KEPT = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    "output_tokens": (
        "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"
    ),
    "response_id": ("gen_ai.response.id",),
    "finish_reasons": ("gen_ai.response.finish_reasons", "llm.finish_reason"),
    "provider": ("gen_ai.provider.name", "llm.provider", "gen_ai.system", "llm.system"),
    "user_id": ("user.id", "enduser.id", "traceloop.association.properties.user_id"),
    "tags": ("tag.tags",),
    "prompt_version": ("llm.prompt_template.version", "gen_ai.prompt.version"),
}  # fmt: skip
"""What is kept beside the answer, by the name that it has in `outputs.metadata`."""
_TEXTS = ("content", "page_content", "text", "body")
_ADDRESSES = ("uri", "url", "source", "document_uri", "doc_uri", "file_path", "id", "title")
"""Of a document, under the names that conventions and frameworks use."""
_QUERIES = ("gen_ai.retrieval.query.text", "input.value", "traceloop.entity.input")
_ORDERED: dict[str, tuple[str, ...]] = {
    "model": _MODELS,
    "agent": _AGENTS,
    "session": _SESSIONS,
    "tool": _TOOLS,
    "call": _CALLS,
    "input": _INPUTS,
    "output": _OUTPUTS,
    "tool_result": _TOOL_RESULTS,
    "query": _QUERIES,
    **_KEPT,
}
_NAMES: dict[str, list[tuple[str, int]]] = {}
"""What each name means, and how new it is: several systems write the same under several names."""
for _meaning, _names in _ORDERED.items():
    for _rank, _name in enumerate(_names):
        _NAMES.setdefault(_name, []).append((_meaning, _rank))
_USUAL = 20_000
"""Characters of the names of a span's attributes, of which the meaning is kept for the next span."""
_INDEX = re.compile(r"(0|[1-9][0-9]{0,4})(?:\.(.+))?")


def is_of_an_agent(attributes: Attributes) -> bool:
    """Whether a span says anything of models, agents, tools or documents."""
    # A loop, because a generator costs more than the few names that are looked at.
    for name in attributes:  # noqa: SIM110
        if name.startswith(PREFIXES):
            return True
    return False


def with_events(attributes: Attributes, events: Iterable[tuple[str, Attributes]]) -> dict[str, Any]:
    """Attributes, with what events say of input and output where they themselves say nothing."""
    asked: list[dict[str, Any]] = []
    answered: list[dict[str, Any]] = []
    whole: dict[str, Any] = {}
    for name, given in events:
        inner = decoded(given.get("gen_ai.event.content"))
        said = {**given, **inner} if isinstance(inner, dict) else dict(given)
        if name == "gen_ai.choice":
            message = decoded(said.get("message"))
            answered.append({"role": "assistant", **(message if isinstance(message, dict) else said)})
        elif name.endswith(".message"):
            asked.append({**said, "role": name.split(".")[1]})
        else:
            whole |= said
    if asked:
        whole.setdefault("gen_ai.input.messages", asked)
    if answered:
        whole.setdefault("gen_ai.output.messages", answered)
    return {**whole, **attributes}


def named(attributes: Attributes, names: Mapping[str, str]) -> dict[str, object]:
    """Values of named attributes, by field; what is not there has no entry.

    A dotted name may lead into an attribute that is JSON or a record.
    """
    values: dict[str, object] = {}
    for field, name in names.items():
        cuts = [at for at, character in enumerate(name) if character == "."]
        for head, rest in [(name, ""), *((name[:at], name[at + 1 :]) for at in reversed(cuts))]:
            if head not in attributes:
                continue
            inner = decoded(attributes[head]) if rest else attributes[head]
            keys = locate(inner, parse(rest)) if rest and isinstance(inner, dict) else None
            if not rest or keys is not None:
                values[field] = at_path(inner, keys) if keys is not None else inner
                break
    return values


def describe(span: Span, attributes: Attributes) -> Span:
    """The span with what its attributes say of it."""
    own = tuple(attributes)
    is_usual = len("".join(own)) <= _USUAL
    shape = _shape(own) if is_usual else _shape.__wrapped__(own)
    meanings: dict[str, Any] = {}
    for name, meaning in shape.names:
        if meaning not in meanings:
            value = attributes[name]
            if value is not None and value != "":
                meanings[meaning] = value
    found = meanings.get
    span.role = own_role = role(attributes)
    span.model, span.agent = _text(found("model")), _text(found("agent"))
    span.session = _text(found("session"))
    if own_role == "tool":
        span.tool = _text(found("tool")) or span.name
        span.call_id = _text(found("call"))
        span.output = found("tool_result")
    else:
        span.input = _spoken(attributes, shape, found("input"), "input", "prompt")
        span.output = _spoken(attributes, shape, found("output"), "output", "completion")
    if own_role == "retriever":
        span.input = found("query")
        span.documents = documents(attributes)
    if shape.is_kept:
        span.more.update({name: meanings[name] for name in _KEPT if name in meanings})
    return span


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a span's names mean; the spans of a source have few different sets of names."""

    names: tuple[tuple[str, str], ...]
    """(name, meaning) of those that mean something, the newest name of a meaning first."""
    is_kept: bool
    """Whether one of them is kept beside the answer."""
    has_messages: bool
    """Whether there are messages as attributes of numbers."""


@lru_cache(maxsize=512)
def _shape(names: tuple[str, ...]) -> _Shape:
    meaning = [(rank, name, of) for name in names for of, rank in _NAMES.get(name, ())]
    text = "\n".join(names)
    has_messages = ".0." in text and ("_messages." in text or "gen_ai." in text)
    ordered = tuple((name, of) for _, name, of in sorted(meaning))
    return _Shape(ordered, any(of in _KEPT for _, of in ordered), has_messages)


def _spoken(attributes: Attributes, shape: _Shape, named: object, new: str, old: str) -> object:
    """What went in or out: whole messages, else messages as attributes of numbers, else what is named."""
    whole = attributes.get(f"gen_ai.{new}.messages")
    if whole is not None and whole != "":
        return whole
    flat = _messages(attributes, new, old) if shape.has_messages else None
    return named if flat is None else flat


def role(attributes: Attributes) -> Role:
    """What the span is; one that names a model and no operation is a call of it."""
    kind = attributes.get("openinference.span.kind") or attributes.get("traceloop.span.kind")
    if isinstance(kind, str):
        return _KINDS.get(kind.lower(), "other")
    operation = attributes.get("gen_ai.operation.name")
    if isinstance(operation, str):
        return _OPERATIONS.get(operation, "other")
    if any(name in attributes for name in _MODELS) or "gen_ai.completion.0.content" in attributes:
        return "llm"
    return "other"


def documents(attributes: Attributes) -> list[Document]:
    """Documents that a retriever gave, in their order; those without text have an empty one."""
    given = decoded(attributes.get("gen_ai.retrieval.documents"))
    if isinstance(given, list):
        return [document(item) for item in given]
    for prefix in ("reranker.output_documents", "retrieval.documents"):
        items = unflattened(attributes, prefix)
        if items:
            return [document(item.get("document", item)) for item in items]
    return []


def document(item: object) -> Document:
    """One document of any shape: its text under the names that conventions and frameworks use."""
    if isinstance(item, str):
        return Document(item)
    if not isinstance(item, Mapping):
        return Document("")
    inner = decoded(item.get("metadata"))
    places = [item, inner] if isinstance(inner, Mapping) else [item]
    text = ""
    for key in _TEXTS:
        if key in item and _is_text(item[key]):
            text = item[key]
            break
    for key in _ADDRESSES:
        for place in places:
            value = place.get(key)
            if value is not None and value != "" and not isinstance(value, dict | list):
                return Document(text, str(value))
    return Document(text)


def unflattened(attributes: Attributes, prefix: str) -> list[dict[str, Any]]:
    """Records of a flattened list: `PREFIX.0.message.role`, `PREFIX.0.message.content` and so on."""
    items: dict[int, dict[str, Any]] = {}
    own = tuple(attributes)
    is_usual = len("".join(own)) <= _USUAL
    for name, index, path, last in (_below if is_usual else _below.__wrapped__)(own, prefix + "."):
        place: dict[str, Any] = items.setdefault(index, {})
        for step in path:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place[last] = attributes[name]
    return [items[index] for index in sorted(items)]


@lru_cache(maxsize=512)
def _below(names: tuple[str, ...], start: str) -> list[tuple[str, int, tuple[str, ...], str]]:
    """Names that begin so, each with its number and what follows."""
    numbered = [(name, _numbered(name[len(start) :])) for name in names if name.startswith(start)]
    return [(name, *at) for name, at in numbered if at is not None]


@lru_cache(maxsize=10_000)
def _numbered(name: str) -> tuple[int, tuple[str, ...], str] | None:
    """(number, names above the last, last name) of `0.message.role`; spans of a source repeat them."""
    match = _INDEX.fullmatch(name)
    if match is None:
        return None
    *path, last = (match[2] or "value").split(".")
    return int(match[1]), tuple(path), last


def _messages(attributes: Attributes, openinference: str, older: str) -> object:
    """Messages where the span has them as attributes of numbers; None where it has none."""
    flat = unflattened(attributes, f"llm.{openinference}_messages")
    if flat:
        return [_openinference(item.get("message", item)) for item in flat]
    flat = unflattened(attributes, f"gen_ai.{older}")
    role = "assistant" if older == "completion" else "user"
    return [{"role": role, **item} for item in flat] or None


def _openinference(message: Any) -> dict[str, Any]:
    """An OpenInference message as a plain one: contents and calls are records with numbers as keys."""
    if not isinstance(message, dict):
        return {"role": "", "content": message}
    plain = {
        key: value for key, value in message.items() if key in ("role", "content", "name", "tool_call_id")
    }
    contents = _listed(message.get("contents"))
    if contents and "content" not in plain:
        plain["content"] = [item.get("message_content", item) for item in contents if isinstance(item, dict)]
    calls = [
        item.get("tool_call", item) for item in _listed(message.get("tool_calls")) if isinstance(item, dict)
    ]
    if calls:
        plain["tool_calls"] = calls
    return plain


def _listed(value: object) -> list[Any]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value, key=lambda key: (len(key), key))]
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    """Attributes of the wrong type are kept as what they say."""
    if value is None:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
