"""What the values of a sample can be, and what its texts say of each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tasks.files.refusal import Refusal
from tasks.sources import clocks, messages
from tasks.sources.column_names import plain
from tasks.sources.delivered import action_of
from tasks.sources.joining import TEXTS
from tasks.sources.parameters import RecordParameters
from tasks.sources.paths import locate, opened, parse
from tasks.sources.times import Clock, instant

SHARE = 0.5
"""Share of the sample that must carry a path for it to be proposed; rarer ones are exceptions."""
_UNDIVIDED = 6
"""Characters of a text without blanks that is more than a name."""


def is_conversation(values: Sequence[object]) -> bool:
    """Lists of messages in which users speak as well as the assistant."""
    return bool(values) and all(isinstance(opened(v), list | dict) and _has_two_sides(v) for v in values)


def _has_two_sides(value: object) -> bool:
    asked, said = _text_of(messages.question(value)), _text_of(messages.answer(value))
    return bool(asked) and asked != said


def _text_of(speech: messages.Speech | None) -> str:
    return speech.text.strip() if speech else ""


def fits(field: str, value: object) -> bool:
    """Whether a value can be of a field."""
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


_EVER = datetime(9000, 1, 1, tzinfo=UTC)
"""A sample may be old or made: any time will do, today's clock has no say."""


def _is_time(value: object) -> bool:
    return is_iso(value) or (isinstance(value, str) and bool(clocks.formats_of([value])))


def is_iso(value: object) -> bool:
    """A time in ISO 8601, or a number since 1970."""
    try:
        instant(value, clock=Clock("UTC"), now=_EVER, parameters=RecordParameters())
    except Refusal:
        return False
    return True


def has_no_zone(value: object) -> bool:
    """No time unless somebody names its zone."""
    try:
        instant(value, clock=Clock(), now=_EVER, parameters=RecordParameters())
    except Refusal:
        return True
    return False


def holds_texts(value: object) -> bool:
    """A list of texts, of records with a text, or a list as tables without nesting carry it."""
    value = opened(value)
    if isinstance(value, str):
        return _is_prose(value)
    if not isinstance(value, list):
        return False
    if value and all(isinstance(item, str) for item in value):
        return any(map(_is_prose, value))  # a list of ids or addresses is no evidence
    return all(isinstance(item, str) or _text_key(item) is not None for item in value)


def _text_key(item: object) -> str | None:
    """Where a context keeps its text."""
    return next((c for c in TEXTS if locate(item, parse(c)) is not None), None)


def is_prose_value(value: object) -> bool:
    """Running text."""
    return isinstance(value, str) and _is_prose(value)


def _is_prose(text: str) -> bool:
    """Neither an id nor JSON in a string; some scripts write no blanks."""
    bare = text.strip()
    return bare[:1] not in ("{", "[") and (
        " " in bare or (len(bare) >= _UNDIVIDED and any(ord(c) > 0x2E7F for c in bare))
    )


def asks(text: str) -> bool:
    """Whether a text ends as a question does."""
    return text.rstrip(" \"'”»)").endswith(("?", "？", "؟"))


def is_preview(texts: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether most texts are only the beginning of the one beside them."""
    begins = [b.startswith(a.rstrip(" .…")) for a, b in zip(texts, whole, strict=False)]
    return sum(begins) >= SHARE * len(begins)


def is_retold(answers: Sequence[str], evidence: Sequence[str]) -> bool:
    """Whether most words of most answers stand in the text beside them."""
    pairs = [
        (set(plain(answer).split()), set(plain(text).split()))
        for answer, text in zip(answers, evidence, strict=False)
    ]
    return sum(len(said & given) >= SHARE * len(said) for said, given in pairs) >= SHARE * len(pairs)


_CHECKS: dict[str, Callable[[object], bool]] = {
    "contexts": holds_texts,
    "tools": lambda value: isinstance(value, list | str),
    "metadata": lambda value: isinstance(value, dict | str),
    "produced_at": _is_time,
    "delivered_at": _is_time,
    "delivered": lambda value: str(value).casefold() in ("true", "false", "yes", "no", "1", "0"),
    "action_taken": lambda value: isinstance(value, str) and action_of(value) is not None,
    "response": _is_answer,
    "prompt": _is_question,
}
"""Whether a value can be of a field; other fields are short names."""
