"""A proposed field mapping from a sample of records: a start to correct, never a silent guess."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.files.encodings import Encoding
from tasks.files.portions import Piece, Portion, Record
from tasks.sources import clocks, likeness, platform_names
from tasks.sources.column_names import is_called, numbered, plain, speaks_of
from tasks.sources.joining import ADDRESSES, QUESTION, TEXTS, Joiner
from tasks.sources.parameters import FieldMapping, JoinSettings
from tasks.sources.paths import Step, at, locate, opened, parse

SAMPLE = 200
"""Records looked at: enough to see which fields are usual, read in a blink."""
SHOWN = 5
"""Records that a person is shown."""
_DISTINCT = 0.9
"""Share of different records whose id differs too; the rest may be a record that changed."""
_DEEPEST = 6
"""Levels looked into; exports that are nested deeper repeat themselves."""

_SPOKEN = ("response", "prompt", "contexts")
"""Fields of running text: a name that merely speaks of one is enough where its values are prose."""
_KIND_OF_MESSAGES = re.compile("role$")


_SPREAD = re.compile(r"(^|\.)(trace_?id|conversation_?id|session_?id|thread_?id|chat_?id)$")
"""What rows of one answer have in common."""
_KIND = re.compile(r"(^|\.)(type|run_type|span_kind|kind|role|observation_type)$")
_HELD = re.compile(r"(^|\.)(outputs?|content|text|message)$")
_START = re.compile(r"(^|\.)(start_?time|created_?at|timestamp|started_?at|time|ts)$")


@dataclass(frozen=True)
class Proposal:
    """Proposed settings of a source, a few sample records (joined, where rows are to be joined), and a
    sentence for everything a person has to look at.
    """

    fields: FieldMapping
    sample: tuple[Record, ...]
    sentences: tuple[str, ...]
    join: JoinSettings | None = None
    encoding: Encoding = "auto"
    time_format: str | None = None
    zoneless: str | None = None
    """The path of times whose zone only a person knows."""


def propose(records: Sequence[Record]) -> Proposal:
    """Proposes paths by name, type and frequency; what is not found stays unset and is said."""
    records = list({repr(record): record for record in records}.values())
    join = _join(records)
    if join is None:
        return _proposed(records, None)
    answers = {kind.casefold() for kind in join.answers}
    kind = parse(join.kind)
    proposal = _proposed([r for r in records if _text_at(r, kind).casefold() in answers], join)
    joiner = Joiner(join, proposal.fields)
    rows = Portion([(record, Piece(b"", number, 0)) for number, record in enumerate(records, 1)])
    whole = [record for portion in joiner.joined(lambda: [rows]) for record, _ in portion.records]
    said = f"rows of one {join.by!r} are joined: {join.kind!r} says which are the answer, which the evidence"
    return replace(proposal, sample=tuple(whole[:SHOWN]), sentences=(said, *proposal.sentences), join=join)


def _proposed(records: Sequence[Record], join: JoinSettings | None) -> Proposal:
    """The proposal for records that each hold an answer."""
    seen: Counter[str] = Counter()
    values: dict[str, list[object]] = {}
    for record in records:
        for path, value in _paths(record):
            seen[path] += 1
            values.setdefault(path, []).append(value)
    usual = {p: values[p] for p, count in seen.items() if count >= likeness.SHARE * len(records)}
    chosen = _chosen(usual, values, join)
    sentences = _missing(chosen, is_joined=join is not None)
    if "response" not in chosen:
        guess, sentence = _guess(_free(usual, chosen, "response"), chosen)
        chosen |= guess
        sentences = [sentence, *(s for s in sentences if "contexts" not in guess or "evidence" not in s)]
    time_format, zoneless = None, None
    if "produced_at" in chosen:
        time_format, zoneless, about = _times(chosen["produced_at"], usual[chosen["produced_at"]])
        sentences += about
    columns = _columns(chosen.get("contexts"), values)
    inner = _inner(_values_at(records, chosen.get("contexts")))
    paths: dict[str, Any] = {**chosen, **inner, **({"contexts": columns} if columns else {})}
    return Proposal(
        FieldMapping(**paths),
        tuple(records[:SHOWN]),
        tuple(sentences),
        time_format=time_format,
        zoneless=zoneless,
    )


def _chosen(
    usual: dict[str, list[object]], values: dict[str, list[object]], join: JoinSettings | None
) -> dict[str, str]:
    """A path for each field that has one; rows that are joined bring their id and their evidence along."""
    chosen = {} if join is None else {"id": join.by}
    for field, patterns in platform_names.NAMES.items():
        if field not in chosen and not (join and field == "contexts"):
            best = _first(field, patterns, _free(usual, chosen, field))
            if best is not None:
                chosen[field] = best
    if "contexts" not in chosen and join is None:
        # Each of several columns may be empty more often than not.
        several = {path: texts for path, texts in values.items() if numbered(path)[1] is not None}
        best = _first("contexts", platform_names.NAMES["contexts"], _free(several, chosen, "contexts"))
        chosen |= {"contexts": best} if best else _retrieved(usual)
    if "prompt" not in chosen and join is not None and _KIND_OF_MESSAGES.search(join.kind):
        chosen["prompt"] = QUESTION
    return chosen


def _retrieved(usual: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """`contexts` within a list of steps of which one retrieved: `steps[type=RETRIEVER].output`."""
    kinds = {kind.casefold() for kind in JoinSettings(by="").evidence}
    for path, lists in usual.items():
        steps = [step for items in map(opened, lists) if isinstance(items, list) for step in items]
        for step in steps:
            for key, kind in step.items() if isinstance(step, dict) else ():
                is_evidence = _KIND.search(key.lower()) and isinstance(kind, str) and kind.casefold() in kinds
                held = next((name for name in step if _HELD.search(name.lower())), None)
                if is_evidence and held and likeness.holds_texts(step[held]):
                    return {"contexts": f"{path}[{key}={kind}].{held}"}
    return {}


def _missing(chosen: Mapping[str, str], *, is_joined: bool) -> list[str]:
    """What a person has to know of fields that were not found."""
    sentences = {
        "contexts": "no field holds evidence, so every claim would be insufficient; set fields.contexts",
        "agent": "no field names the agent; the source's name is used instead",
        "produced_at": "no field holds a time; set fields.produced_at or the source's produced_at",
        "id": "no field holds an id of its own; each record's content will be its id",
    }
    return [
        sentence
        for field, sentence in sentences.items()
        if field not in chosen and not (is_joined and field == "contexts")
    ]


def _times(path: str, values: Sequence[object]) -> tuple[str | None, str | None, list[str]]:
    """The format of times where it is not ISO 8601, their path where they name no zone, and what to say."""
    texts = [value for value in values if isinstance(value, str)]
    forms = [] if all(likeness.is_iso(value) for value in values) else clocks.formats_of(texts)
    sentences, form = [], forms[0] if forms else None
    if len(forms) > 1:
        listed = " and ".join(map(repr, forms[:2]))
        sentences.append(
            f"times in {path!r} fit {listed}; time_format is a guess: is the day or the month first?"
        )
    is_zoned = form is not None and form.endswith("%z")
    if is_zoned or not any(likeness.has_no_zone(value) or form for value in values):
        return form, None, sentences
    sentences.append(
        f'times in {path!r} have no zone; set time_zone to their zone, such as "Europe/Berlin" or "UTC"'
    )
    return form, path, sentences


def _columns(contexts: str | None, values: Mapping[str, Sequence[object]]) -> tuple[str, ...]:
    """The columns that are called like the one with evidence but for a number, if there are several."""
    if contexts is None or numbered(contexts)[1] is None:
        return ()
    name = plain(numbered(contexts)[0])
    columns = {
        path: number
        for path, texts in values.items()
        if (number := numbered(path)[1]) is not None
        and plain(numbered(path)[0]) == name
        and all(likeness.holds_texts(text) for text in texts)
    }
    return tuple(sorted(columns, key=lambda path: (columns[path], path))) if len(columns) > 1 else ()


def _join(records: Sequence[Record]) -> JoinSettings | None:
    """How rows are joined, where several share a trace and a column says which of them is what."""
    defaults = JoinSettings(by="")
    answers = {kind.casefold() for kind in defaults.answers}
    others = {kind.casefold() for kind in (*defaults.questions, *defaults.evidence)}
    paths = list(dict.fromkeys(key for record in records for key in record))
    kinds = {
        path: {_text_at(record, (path,)).casefold() for record in records}
        for path in paths
        if _KIND.search(path.lower())
    }
    kind = next((path for path, names in kinds.items() if names & answers and names & others), None)
    shared = [path for path in paths if _SPREAD.search(path.lower())]
    by = next((path for path in shared if _is_shared([_text_at(r, (path,)) for r in records])), None)
    text = next((path for path in paths if _HELD.search(path.lower())), None)
    if kind is None or by is None or text is None:
        return None
    order = next((path for path in paths if _START.search(path.lower())), None)
    return JoinSettings(by=by, kind=kind, text=text, order=order)


def _is_shared(names: Sequence[str]) -> bool:
    named = [name for name in names if name]
    return len(set(named)) < len(named)


def _values_at(records: Sequence[Record], path: str | None) -> list[object]:
    steps = parse(path) if path else ()
    places = [(record, locate(record, steps)) for record in records] if steps else []
    return [at(record, keys) for record, keys in places if keys is not None]


def _text_at(record: Record, steps: tuple[Step, ...]) -> str:
    keys = locate(record, steps)
    value = None if keys is None else at(record, keys)
    return value if isinstance(value, str) else ""


def _free(usual: dict[str, list[object]], chosen: dict[str, str], field: str) -> dict[str, list[object]]:
    """Paths that a field may still have: not within the evidence, the question or a system's text.

    A list of messages holds the question and the answer.
    """
    taken = {
        path
        for name, path in chosen.items()
        if not likeness.is_conversation(usual.get(path, [])) or name == field
    }
    within = tuple(f"{chosen[name]}." for name in ("contexts", "prompt") if chosen.get(name) in taken)
    return {
        path: texts
        for path, texts in usual.items()
        if path not in taken
        and not path.startswith(within or ("\0",))
        and not platform_names.SYSTEM.search(path.lower())
        and not (field == "response" and (platform_names.GOLD.search(path.lower()) or _is_one_of_many(path)))
    }


def _is_one_of_many(path: str) -> bool:
    """Whether a path leads to the first item of a list not of alternatives: a document, a turn."""
    return len(platform_names.ITEM.findall(path)) > len(platform_names.ALTERNATIVE.findall(path))


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


def _first(field: str, patterns: Sequence[str], usual: dict[str, list[object]]) -> str | None:
    """The best path for a field: by a platform's name, a word for it in any language, a part of a name."""
    fitting = [path for path, values in usual.items() if all(likeness.fits(field, value) for value in values)]
    if field == "id":
        fitting = [path for path in fitting if len(set(usual[path])) >= _DISTINCT * len(usual[path])]
    texts = [
        path
        for path in fitting
        if sum(map(likeness.is_prose_value, usual[path])) >= likeness.SHARE * len(usual[path])
    ]
    stages = [[path for path in texts if field == "response" and platform_names.MADE.search(path.lower())]]
    stages += [[path for path in fitting if re.search(pattern, path.lower())] for pattern in patterns]
    stages.append([path for path in fitting if is_called(path.rsplit(".", 1)[-1] or path, field)])
    stages.append(
        [
            p
            for p in texts
            if field in platform_names.PROSE_NAMES and re.search(platform_names.PROSE_NAMES[field], p.lower())
        ]
    )
    stages.append([path for path in texts if field in _SPOKEN and speaks_of(path, field)])
    talks = [
        path for path in fitting if field in ("response", "prompt") and likeness.is_conversation(usual[path])
    ]
    stages.append(talks)
    for matches in stages:
        if matches:
            # Plain text before a message that holds the same.
            return min(
                matches,
                key=lambda p: (not all(isinstance(v, str) for v in usual[p]), p.count("."), len(p), p),
            )
    return None


def _guess(usual: Mapping[str, list[object]], chosen: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Where no name says which field is the answer: what the texts themselves say, and a sentence about it.

    A question ends in its mark. Of two other texts, the shorter whose words stand in the longer one is the
    answer, the longer its evidence.
    """
    texts = {
        path: [value for value in values if isinstance(value, str)]
        for path, values in usual.items()
        if all(isinstance(value, str) for value in values)
        and sum(map(likeness.is_prose_value, values)) >= likeness.SHARE * len(values)
    }
    asked = {
        path
        for path, values in texts.items()
        if sum(map(likeness.asks, values)) >= likeness.SHARE * len(values)
    }
    lengths = {path: sum(map(len, texts[path])) / len(texts[path]) for path in texts if path not in asked}
    if not lengths:
        return {}, "no field holds text that could be the answer; set fields.response"
    longest, *others = sorted(lengths, key=lambda p: (lengths[p], p), reverse=True)
    guess = {"prompt": min(asked)} if asked and "prompt" not in chosen else {}
    others = [path for path in others if not likeness.is_preview(texts[path], texts[longest])]
    if others and "contexts" not in chosen and likeness.is_retold(texts[others[0]], texts[longest]):
        said = f"{others[0]!r} is the answer and {longest!r} its evidence, which has the same words and more"
        return guess | {"response": others[0], "contexts": longest}, f"fields.response is a guess: {said}"
    return guess | {"response": longest}, f"fields.response is a guess: {longest!r} holds the longest texts"


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
