"""What of a source's records never reaches the lake: fields that are dropped, hashed with a key, or masked.

It is done at the door, on the record as the source gives it, before anything of it is written: not into a
table, not into quarantine, a cache or a log. Of spans it is done on their attributes before they are put
together, and then on the record that they became. What cannot be read as a record cannot be minimised, so
quarantine shows nothing of it.

A hash is HMAC with SHA-256 under a key of the team's own: equal values stay equal, so that answers of one
person can still be counted, and nobody without the key can try names until one fits.
"""

from __future__ import annotations

import hmac
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

from annotated_types import Len

from tasks.errors import SourceError
from tasks.files.portions import Portion, Record
from tasks.knobs import Example, Section
from tasks.sources.paths import Selector, Step, opened, parse
from tasks.sources.raw_spans import ATTRIBUTES, EVENTS, Raw

MASK = "[masked]"
SHORTEST_KEY = 16
"""Characters of a key; a shorter one is tried out within hours."""
WITHHELD = "not shown, because this source is minimised"

_NUMBER = re.compile(r"\.[0-9]+(?=\.|$)")
_VALUE = re.compile(r"\(.*\)|'[^']*'|\"[^\"]*\"|[0-9]{6,}")
"""What may be a value in the reason for a refusal."""

How = Literal["drop", "hash", "mask"]
Path = Annotated[str, Len(1, 500)]
Change = Callable[[object], object] | None
"""What becomes of a value; None takes it out."""
Taken = dict[str, int]
"""How many values were taken, by what was done: `drop user.email`; also those of which there were none."""


@dataclass(frozen=True, kw_only=True)
class MinimiseSettings(Section):
    """Fields of a source's records that must not be stored unchanged. Dotted paths as in `fields`; of a list
    all items are meant where none is named. Of traces, names of a span's attributes, or fields of the answer:
    prompt, contexts, session_id, metadata."""

    drop: Annotated[tuple[Path, ...], Example(["user.email"])] = ()
    """Removed."""
    hash: Annotated[tuple[Path, ...], Example(["user.id"])] = ()
    """Replaced by a keyed hash, equal for equal values; the key is in CLAIMLEDGER_SOURCE_NAME_HASH_KEY."""
    mask: Annotated[tuple[Path, ...], Example(["user.name"])] = ()
    """Replaced by `[masked]`, which shows that there was a value."""

    def __post_init__(self) -> None:
        paths = [path for path, _ in self.rules()]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise ValueError(f"minimise names {twice!r} twice; choose one of drop, hash and mask")

    def rules(self) -> list[tuple[str, How]]:
        """(path, what is done with it), in the order in which it is done."""
        ways: tuple[How, ...] = ("hash", "mask", "drop")
        return [(path, how) for how in ways for path in getattr(self, how)]


@dataclass(frozen=True)
class _Rule:
    name: str
    path: str
    steps: tuple[Step, ...]
    how: How


class Minimiser:
    """Minimises the records of one pull of one source, and counts.

    Raises:
        SourceError: on construction, where values are to be hashed and there is no key.
    """

    def __init__(self, source: str, settings: MinimiseSettings | None, key: str, variable: str) -> None:
        rules = settings.rules() if settings else []
        if settings and settings.hash and len(key) < SHORTEST_KEY:
            lack = f"has only {len(key)} characters" if key else "is not set"
            raise SourceError(
                f"source {source!r}: minimise.hash needs a key, and {variable} {lack}; set it to at least "
                f"{SHORTEST_KEY} characters that nobody can guess, and keep it: with another, hashes differ"
            )
        self._source, self._key = source, key.encode()
        self._rules = [_Rule(f"{how} {path}", path, parse(path), how) for path, how in rules]
        self._changes: dict[How, Change] = {"drop": None, "hash": self._hash, "mask": lambda _: MASK}
        self._taken = Counter(dict.fromkeys((rule.name for rule in self._rules), 0))
        self._all: Counter[str] = Counter()
        self.records = 0
        """That were minimised so far."""

    def __bool__(self) -> bool:
        return bool(self._rules)

    def record(self, record: Record) -> Record:
        """The record without what it must not hold; itself where that is nothing. It is never changed."""
        if not self._rules:
            return record
        self.records += 1
        minimised: Any = record
        for rule in self._rules:
            minimised, count = _changed(minimised, rule.steps, self._changes[rule.how])
            self._taken[rule.name] += count
        return minimised if isinstance(minimised, dict) else {}

    def answer(self, record: Record) -> Record:
        """What the spans of a trace became, minimised; its metadata are meant as well."""
        if not self._rules:
            return record
        before = Counter(self._taken)
        minimised = self.record(record)
        for rule in self._rules:
            if self._taken[rule.name] == before[rule.name]:
                metadata, count = _changed(minimised.get("metadata"), rule.steps, self._changes[rule.how])
                minimised = {**minimised, "metadata": metadata}
                self._taken[rule.name] += count
        return minimised

    def span(self, span: Raw) -> Raw:
        """A span with its attributes minimised, and those of its events."""
        if not self._rules:
            return span
        minimised = list(span)
        if span[ATTRIBUTES]:
            minimised[ATTRIBUTES] = self._attributes(span[ATTRIBUTES])
        minimised[EVENTS] = [[name, self._attributes(given)] for name, given in span[EVENTS]]
        return minimised

    def portion(self, portion: Portion) -> Portion:
        """The records of a file, minimised."""
        if self._rules:
            portion.records = [(self.record(record), piece) for record, piece in portion.records]
        return portion

    def reason(self, reason: str) -> str:
        """Why something could not be read as a record, without any of its values."""
        return _VALUE.sub("…", reason) if self._rules else reason

    def taken(self) -> Taken:
        """How many values were taken since it was asked last."""
        taken = dict(self._taken)
        self._all.update(taken)
        self._taken = Counter(dict.fromkeys(taken, 0))
        return taken

    def add(self, taken: Taken) -> None:
        """What another process took, which is still to be told."""
        self._taken.update(taken)

    def note(self, taken: Taken, records: int) -> None:
        """What another process took and told, of so many records."""
        self._all.update(taken)
        self.records += records

    def doubts(self) -> list[str]:
        """Sentences on paths that no record had, once all have passed."""
        if not self.records:
            return []
        return [
            f"source {self._source!r}: minimise.{rule.how} = {rule.path!r} led to nothing in any of "
            f"{self.records} records; is the path right?"
            for rule in self._rules
            if not self._all[rule.name] + self._taken[rule.name]
        ]

    def _attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        minimised = dict(attributes)
        for rule in self._rules:
            change = self._changes[rule.how]
            for key in attributes:
                rest = _rest(rule.path, key)
                if rest is None or key not in minimised:
                    continue
                self._taken[rule.name] += _change_at(minimised, key, rest, change)
        return minimised

    def _hash(self, value: object) -> str:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()


@lru_cache(maxsize=10_000)
def _rest(path: str, key: str) -> tuple[Step, ...] | None:
    """What of a path is left within an attribute: nothing where it is meant itself, or what it is part of;
    None where it is not. Attributes of lists are numbered: `llm.input_messages.0.message.content`.
    """
    for name in (key, _NUMBER.sub("", key)):
        if name == path or name.startswith(f"{path}."):
            return ()
        if path.startswith(f"{name}."):
            return parse(path[len(name) + 1 :])
    return None


def _change_at(inside: Any, place: str | int, rest: Sequence[Step], change: Change) -> int:
    """Changes what is at a place of a mapping or a list, and gives how many values that were."""
    if rest:
        inside[place], count = _changed(inside[place], rest, change)
    elif change is None:
        count = _values(inside.pop(place))
    else:
        inside[place], count = _replaced(inside[place], change)
    return count


def _changed(value: object, steps: Sequence[Step], change: Change) -> tuple[object, int]:
    """The value with everything that the steps lead to changed, and how many values that were."""
    inside = opened(value)
    if isinstance(inside, Mapping):
        changed, count = _of_record(inside, steps, change)
    elif isinstance(inside, list):
        changed, count = _of_list(inside, steps, change)
    else:
        return value, 0
    if not count:
        return value, 0
    # JSON text stays JSON text, so that whatever reads it next finds what it expects.
    return (json.dumps(changed, ensure_ascii=False) if isinstance(value, str) else changed), count


def _of_record(record: Mapping[str, object], steps: Sequence[Step], change: Change) -> tuple[object, int]:
    """All spellings of a key are meant: `user.email` itself, and `email` within `user`."""
    result, total = dict(record), 0
    names = next((at for at, step in enumerate(steps) if isinstance(step, Selector)), len(steps))
    for length in range(names, 0, -1):
        key, rest = ".".join(map(str, steps[:length])), steps[length:]
        if key not in result:
            continue
        total += _change_at(result, key, rest, change)
    return result, total


def _of_list(items: Sequence[object], steps: Sequence[Step], change: Change) -> tuple[object, int]:
    first, rest = steps[0], steps[1:]
    if isinstance(first, Selector):
        chosen = [at for at, item in enumerate(items) if first.matches(opened(item))]
    elif first.lstrip("-").isdecimal():
        chosen = [int(first) % len(items)] if -len(items) <= int(first) < len(items) else []
    else:  # a name: that of every item
        chosen, rest = list(range(len(items))), steps
    result, total = list(items), 0
    for at in reversed(chosen):
        total += _change_at(result, at, rest, change)
    return result, total


def _replaced(value: object, change: Callable[[object], object]) -> tuple[object, int]:
    """Each value within lists and records, so that a list stays one; null is no value."""
    if value is None or value == "":
        return value, 0
    if isinstance(value, Mapping):
        inner = {key: _replaced(each, change) for key, each in value.items()}
        return {key: new for key, (new, _) in inner.items()}, sum(count for _, count in inner.values())
    if isinstance(value, list):
        each = [_replaced(item, change) for item in value]
        return [new for new, _ in each], sum(count for _, count in each)
    return change(value), 1


def _values(value: object) -> int:
    """How many values a dropped one holds: a list or a record is one, and nothing is none."""
    return int(value is not None and value not in ("", [], {}))
