"""A proposed field mapping from a sample of records: a start to correct, never a silent guess."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.files.portions import Record
from tasks.files.refusal import Refusal
from tasks.sources import messages
from tasks.sources.joining import ADDRESSES, TEXTS
from tasks.sources.parameters import FieldMapping, RecordParameters
from tasks.sources.paths import locate, opened, parse
from tasks.sources.times import Clock, instant

SAMPLE = 200
"""Records looked at: enough to see which fields are usual, read in a blink."""
_SHARE = 0.5
"""Share of the sample that must carry a path for it to be proposed; rarer ones are exceptions."""
_DISTINCT = 0.9
"""Share of different records whose id differs too; the rest may be a record that changed."""
_DEEPEST = 6
"""Levels looked into; exports that are nested deeper repeat themselves."""

# Names as agent platforms spell them, best first, matched against the whole dotted path in lower case.
# Evidence comes first: nothing within it can be the answer. The conversation comes before the id: taken for
# one, its answers would supersede one another.
_NAMES: dict[str, tuple[str, ...]] = {
    "contexts": (
        r"(^|\.)(contexts?|documents|docs|passages|sources|retrieved|retrieved_\w+|retrieval|evidence|chunks"
        r"|snippets|search_results|references)$",
        r"(^|\.)(textauszug|kontexte?|quellen?|belege?|dokumente?|auszug|extraits?|documentos?|fuentes?|fontes?"
        r"|contextos?|contesto|fonti|bronnen|źródła|источники|контекст|根拠|资料)$",
    ),
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
        r"(^|\.)(antwort|réponse|reponse|respuesta|resposta|risposta|antwoord|odpowiedź|ответ|回答|答案|답변|जवाब)$",
        r"(^|\.)(messages|conversation|chat|transcript)$",
    ),
    "prompt": (
        r"(^|\.)(prompt|question|query|user_input)(\.(text|content|value))?$",
        r"(^|\.)inputs?(\.(text|content|value|question|query|prompt))?$",
        r"(^|\.)(frage|pregunta|pergunta|domanda|vraag|pytanie|вопрос|質問|问题|질문|प्रश्न)$",
        r"(^|\.)(messages|conversation|chat|transcript)$",
    ),
    "produced_at": (
        r"(^|\.)(produced_at|timestamp|created_at|created|start_time|time|date|ts)$",
        r"(^|\.)(end_time|request_time|ended_at|updated_at)$",
        r"(^|\.)(zeitpunkt|zeit|datum|horodatage|fecha|data|tijdstip|дата|日時|时间|시간|समय)$",
    ),
    "agent": (r"(^|\.)((agent|bot|assistant|app)([_.]name)?|service\.name)$",),
    "model": (r"(^|\.)(model|model_name|provided_model_name|llm\.model_name|modell|modèle|modelo|modello)$",),
    "use_case": (r"(^|\.)(use_case|usecase|task|topic|category|domain|project)$",),
    "tools": (r"(^|\.)(tools|tool_names|tool_call_names|tools_used)$",),
    "metadata": (r"^(metadata|meta|attributes|extra)$",),
}  # fmt: skip
_SYSTEM = re.compile(r"(^|[._])(system|instructions?|developer)([._]|$)")


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
        best = _first(field, patterns, _free(usual, chosen, field))
        if best is not None:
            chosen[field] = best
    sentences = []
    if "response" not in chosen:
        longest = _longest_text(_free(usual, chosen, "response"))
        if longest is None:
            sentences.append("no field holds text that could be the answer; set fields.response")
        else:
            chosen["response"] = longest
            sentences.append(f"fields.response is a guess: {longest!r} holds the longest texts")
    if "contexts" not in chosen:
        sentences.append("no field holds evidence, so every claim would be insufficient; set fields.contexts")
    if "agent" not in chosen:
        sentences.append("no field names the agent; the source's name stands for it")
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


def _free(usual: dict[str, list[object]], chosen: dict[str, str], field: str) -> dict[str, list[object]]:
    """Paths that a field may still have: not within the evidence, the question or a system's text.

    A list of messages holds the question and the answer.
    """
    taken = {path for name, path in chosen.items() if not _is_conversation(usual[path]) or name == field}
    within = tuple(f"{chosen[name]}." for name in ("contexts", "prompt") if chosen.get(name) in taken)
    return {
        path: texts
        for path, texts in usual.items()
        if path not in taken and not path.startswith(within or ("\0",)) and not _SYSTEM.search(path.lower())
    }


def _is_conversation(values: Sequence[object]) -> bool:
    """Lists of messages in which users speak as well as the assistant."""
    return all(isinstance(opened(v), list | dict) and bool(_text_of(messages.question(v))) for v in values)


def _text_of(speech: messages.Speech | None) -> str:
    return speech.text.strip() if speech else ""


def _paths(value: object, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    value = opened(value)
    if depth > _DEEPEST or not isinstance(value, dict):
        return
    for key, item in value.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        # A dotted path cannot name a key that is empty.
        if not key or item is None or item in ("", [], {}):
            continue
        yield path, item
        yield from _paths(item, path, depth + 1)
        items = opened(item)
        if isinstance(items, list) and items and isinstance(items[0], dict):
            yield from _paths(items[0], f"{path}.0", depth + 2)


def _fits(field: str, value: object) -> bool:
    if field in _CHECKS:
        return _CHECKS[field](value)
    return isinstance(value, (str, int)) and not isinstance(value, bool) and len(str(value)) <= 200


def _is_answer(value: object) -> bool:
    return bool(_text_of(messages.answer(value))) and not _is_bare_json(value)


def _is_question(value: object) -> bool:
    return bool(_text_of(messages.question(value))) and not _is_bare_json(value)


def _is_bare_json(value: object) -> bool:
    """JSON text that is neither a message nor a text: some other record."""
    return isinstance(value, str) and isinstance(opened(value), dict | list) and not messages.is_spoken(value)


def _is_time(value: object) -> bool:
    try:
        # A sample may be old or made: any time will do, today's clock has no say.
        instant(
            value, clock=Clock("UTC"), now=datetime(9000, 1, 1, tzinfo=UTC), parameters=RecordParameters()
        )
    except Refusal:
        return False
    return True


def _has_no_zone(value: object) -> bool:
    try:
        instant(value, clock=Clock(), now=datetime(9000, 1, 1, tzinfo=UTC), parameters=RecordParameters())
    except Refusal:
        return True
    return False


def _holds_texts(value: object) -> bool:
    """A list of texts, of records with a text, or a list as tables without nesting carry it."""
    value = opened(value)
    if isinstance(value, str):
        return _is_prose(value)
    return isinstance(value, list) and all(isinstance(v, str) or _text_key(v) is not None for v in value)


def _text_key(item: object) -> str | None:
    """Where a context keeps its text."""
    return next((c for c in TEXTS if locate(item, parse(c)) is not None), None)


def _first(field: str, patterns: Sequence[str], usual: dict[str, list[object]]) -> str | None:
    for pattern in patterns:
        matches = [
            p for p in usual if re.search(pattern, p.lower()) and all(_fits(field, v) for v in usual[p])
        ]
        if field == "id":
            matches = [p for p in matches if len(set(usual[p])) >= _DISTINCT * len(usual[p])]
        if matches:
            # Plain text before a message that holds the same.
            return min(
                matches,
                key=lambda p: (not all(isinstance(v, str) for v in usual[p]), p.count("."), len(p), p),
            )
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
    opened_lists = [items for items in map(opened, lists) if isinstance(items, list)]
    items = [item for items in opened_lists for item in items if isinstance(item, dict)]
    if not items:
        return {}
    paths = {}
    for name, candidates in (("context_text", TEXTS), ("context_uri", ADDRESSES)):
        for candidate in candidates:
            if all(locate(item, parse(candidate)) is not None for item in items):
                paths[name] = candidate
                break
    return paths


_CHECKS: dict[str, Callable[[object], bool]] = {
    "contexts": _holds_texts,
    "tools": lambda value: isinstance(value, list | str),
    "metadata": lambda value: isinstance(value, dict | str),
    "produced_at": _is_time,
    "response": _is_answer,
    "prompt": _is_question,
}
"""Whether a value can be of a field; other fields are short names."""
