"""A proposed field mapping from a sample of records: a start to correct, never a silent guess."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.files.portions import Record
from tasks.files.refusal import Refusal
from tasks.sources.parameters import FieldMapping, RecordParameters
from tasks.sources.paths import locate
from tasks.sources.times import instant

SAMPLE = 200
"""Records looked at: enough to see which fields are usual, read in a blink."""
_SHARE = 0.5
"""Share of the sample that must carry a path for it to be proposed; rarer ones are exceptions."""
_DISTINCT = 0.9
"""Share of different records whose id differs too; the rest may be a record that changed."""
_DEEPEST = 6
"""Levels looked into; exports that are nested deeper repeat themselves."""

# Names as agent platforms spell them, best first, matched against the whole dotted path in lower case.
# The conversation comes before the id: taken for one, its answers would supersede one another.
_NAMES: dict[str, tuple[str, ...]] = {
    "session_id": (r"(^|\.)(session|conversation|thread|chat)[_.]id$",),
    "id": (
        r"^(trace\.id|trace_id|run_id|id|uuid)$",
        r"(^|\.)(trace_id|span_id|request_id|message_id|id|uuid)$",
    ),
    "response": (
        r"(^|\.)(response|answer|completion|output_text|final_answer)(\.(text|content|value))?$",
        r"(^|\.)outputs?(\.(text|content|value|answer|response))?$",
        r"choices\.0\.message\.content$",
        r"(^|\.)(generation|reply)(\.(text|content))?$",
    ),
    "prompt": (
        r"(^|\.)(prompt|question|query|user_input)(\.(text|content|value))?$",
        r"(^|\.)inputs?(\.(text|content|value|question|query|prompt))?$",
    ),
    "produced_at": (
        r"(^|\.)(produced_at|timestamp|created_at|created|start_time|time|date|ts)$",
        r"(^|\.)(end_time|request_time|ended_at|updated_at)$",
    ),
    "agent": (r"(^|\.)((agent|bot|assistant|app)([_.]name)?|service\.name)$",),
    "model": (r"(^|\.)(model|model_name|provided_model_name|llm\.model_name)$",),
    "use_case": (r"(^|\.)(use_case|usecase|task|topic|category|domain|project)$",),
    "contexts": (
        r"(^|\.)(contexts?|documents|docs|passages|sources|retrieved|retrieved_\w+|retrieval|evidence|chunks"
        r"|snippets|search_results|references)$",
    ),
    "tools": (r"(^|\.)(tools|tool_names|tool_call_names|tools_used)$",),
    "metadata": (r"^(metadata|meta|attributes|extra)$",),
}  # fmt: skip
_TEXT = ("text", "content", "page_content", "passage", "body", "chunk", "document.content")
_URI = (
    "uri", "url", "source", "link", "href", "document_uri", "metadata.source", "metadata.url", "metadata.uri",
    "document.id", "title", "id",
)  # fmt: skip


@dataclass(frozen=True)
class Proposal:
    """Proposed paths, a few sample records, and a sentence for everything a person has to look at."""

    fields: FieldMapping
    sample: tuple[Record, ...]
    sentences: tuple[str, ...]


def propose(records: Sequence[Record]) -> Proposal:
    """Proposes paths by name, type and frequency; what is not found stays unset and is said."""
    records = list({repr(record): record for record in records}.values())
    seen: Counter[str] = Counter()
    values: dict[str, list[object]] = {}
    for record in records:
        for path, value in _paths(record):
            seen[path] += 1
            values.setdefault(path, []).append(value)
    usual = {p: values[p] for p, count in seen.items() if count >= _SHARE * len(records)}
    chosen: dict[str, str] = {}
    for field, patterns in _NAMES.items():
        best = _first(field, patterns, {p: v for p, v in usual.items() if p not in chosen.values()})
        if best is not None:
            chosen[field] = best
    sentences = []
    if "response" not in chosen:
        longest = _longest_text({p: v for p, v in usual.items() if p not in chosen.values()})
        if longest is None:
            sentences.append("no field holds text that could be the answer; set fields.response")
        else:
            chosen["response"] = longest
            sentences.append(f"fields.response is a guess: {longest!r} holds the longest texts")
    inner = _inner(usual.get(chosen.get("contexts", ""), []))
    if "produced_at" not in chosen:
        sentences.append("no field holds a time; set fields.produced_at or the source's produced_at")
    elif any(_has_no_zone(v) for v in usual[chosen["produced_at"]]):
        sentences.append(
            f'times in {chosen["produced_at"]!r} have no zone; set time_zone = "UTC" if they are UTC'
        )
    if "id" not in chosen:
        sentences.append("no field holds an id of its own; each record's content will be its id")
    return Proposal(FieldMapping(**{**chosen, **inner}), tuple(records[:3]), tuple(sentences))


def _paths(value: object, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    if depth > _DEEPEST or not isinstance(value, dict):
        return
    for key, item in value.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        # A dotted path cannot name a key that is empty.
        if not key or item is None or item in ("", [], {}):
            continue
        yield path, item
        yield from _paths(item, path, depth + 1)
        if isinstance(item, list) and isinstance(item[0], dict):
            yield from _paths(item[0], f"{path}.0", depth + 2)


def _fits(field: str, value: object) -> bool:
    if field == "contexts":
        return _holds_texts(value)
    if field == "tools":
        return isinstance(value, (list, str))
    if field == "metadata":
        return isinstance(value, (dict, str))
    if field == "produced_at":
        return _is_time(value)
    if field in ("response", "prompt"):
        return isinstance(value, str)
    return isinstance(value, (str, int)) and not isinstance(value, bool) and len(str(value)) <= 200


def _is_time(value: object) -> bool:
    try:
        # A sample may be old or made: any time will do, today's clock has no say.
        instant(value, assume_utc=True, now=datetime(9000, 1, 1, tzinfo=UTC), parameters=RecordParameters())
    except Refusal:
        return False
    return True


def _has_no_zone(value: object) -> bool:
    try:
        instant(value, assume_utc=False, now=datetime(9000, 1, 1, tzinfo=UTC), parameters=RecordParameters())
    except Refusal:
        return True
    return False


def _holds_texts(value: object) -> bool:
    """A list of texts, of records with a text, or a list as tables without nesting carry it."""
    if isinstance(value, str):
        return value.lstrip()[:1] == "["
    return isinstance(value, list) and all(isinstance(v, str) or _text_key(v) is not None for v in value)


def _text_key(item: object) -> str | None:
    """Where a context keeps its text."""
    return next((c for c in _TEXT if locate(item, c.split(".")) is not None), None)


def _first(field: str, patterns: Sequence[str], usual: dict[str, list[object]]) -> str | None:
    for pattern in patterns:
        matches = [
            p for p in usual if re.search(pattern, p.lower()) and all(_fits(field, v) for v in usual[p])
        ]
        if field == "id":
            matches = [p for p in matches if len(set(usual[p])) >= _DISTINCT * len(usual[p])]
        if matches:
            return min(matches, key=lambda p: (p.count("."), len(p), p))
    return None


def _is_prose(text: str) -> bool:
    """Neither an id nor JSON in a string."""
    return " " in text.strip() and text.lstrip()[:1] not in ("{", "[")


def _longest_text(usual: dict[str, list[object]]) -> str | None:
    lengths = {}
    for path, values in usual.items():
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) == len(values) and sum(map(_is_prose, texts)) >= _SHARE * len(texts):
            lengths[path] = sum(map(len, texts)) / len(texts)
    return max(lengths, key=lambda p: (lengths[p], p)) if lengths else None


def _inner(lists: Sequence[object]) -> dict[str, str]:
    """Keys of text and address in contexts that are records."""
    items = [item for value in lists if isinstance(value, list) for item in value if isinstance(item, dict)]
    if not items:
        return {}
    paths = {}
    for name, candidates in (("context_text", _TEXT), ("context_uri", _URI)):
        for candidate in candidates:
            if all(locate(item, candidate.split(".")) is not None for item in items):
                paths[name] = candidate
                break
    return paths
