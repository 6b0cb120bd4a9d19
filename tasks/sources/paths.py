"""Dotted paths into records: `output.content`, `messages[role=assistant].content`, `choices.0.message`.

A part names a key (which may itself contain dots: the longest key that exists is tried first), digits index
a list, `[key=value]` selects items of a list, of which the last one that leads on wins. A path that goes on
inside JSON text enters it, encoded once or twice; so do the columns of a CSV or Parquet file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from tasks.files.portions import Record
from tasks.sources.messages import decoded

Keys: TypeAlias = tuple[str | int, ...]
"""What leads to a value, step by step: keys of records and positions in lists."""

_DOT = re.compile(r"\.(?![^\[\]]*\])")
_PART = re.compile(r"(.*?)((?:\[(?:-?[0-9]+|[^\[\]=]+=[^\[\]]+)\])*)", re.DOTALL)
_SELECTOR = re.compile(r"\[([^\[\]=]+)(?:=([^\[\]]+))?\]")
_KINDS = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a record"}
_OPENED = 64
"""JSON texts kept parsed: every field of a record may lead into the same one."""


@dataclass(frozen=True)
class Selector:
    """`[key=value]`: the last item of a list whose `key` is `value`, in any case of letters."""

    key: str
    value: str

    def matches(self, item: object) -> bool:
        """Whether a list's item is selected."""
        found = item.get(self.key) if isinstance(item, dict) else None
        return isinstance(found, str | int) and str(found).casefold() == self.value.casefold()


Step: TypeAlias = str | Selector


def parse(path: str) -> tuple[Step, ...]:
    """The steps of a path; brackets that select nothing are part of a name."""
    steps: list[Step] = []
    for part in _DOT.split(path):
        match = _PART.fullmatch(part)
        name, selectors = match.groups() if match else (part, "")
        if name or not selectors:
            steps.append(name)
        for key, value in _SELECTOR.findall(selectors):
            steps.append(Selector(key.strip(), value.strip().strip("\"'")) if value else key)
    return tuple(steps)


@lru_cache(maxsize=_OPENED)
def _opened_text(text: str) -> object:
    return decoded(text)


def opened(value: object) -> object:
    """What JSON text stands for, everything else as it is; not to be changed by the caller."""
    return _opened_text(value) if isinstance(value, str) else value


def locate(value: object, steps: Sequence[Step]) -> Keys | None:
    """Keys that lead to a path's value; None where the path ends before it."""
    if not steps:
        return ()
    value = opened(value)
    if isinstance(value, dict):
        return _within_record(value, steps)
    if isinstance(value, list):
        for index in _positions(value, steps[0]):
            rest = locate(value[index], steps[1:])
            if rest is not None:
                return (index, *rest)
    return None


def _within_record(record: Record, steps: Sequence[Step]) -> Keys | None:
    names = 0
    while names < len(steps) and isinstance(steps[names], str):
        names += 1
    for length in range(names, 0, -1):
        key = ".".join(str(step) for step in steps[:length])
        if key in record:
            rest = locate(record[key], steps[length:])
            if rest is not None:
                return (key, *rest)
    return None


def _positions(items: list[object], step: Step) -> list[int]:
    """Positions to try, the preferred one first."""
    if isinstance(step, Selector):
        return [at for at in range(len(items) - 1, -1, -1) if step.matches(opened(items[at]))]
    if not re.fullmatch(r"-?[0-9]{1,9}", step, re.ASCII):
        return []
    index = int(step)
    return [index % len(items)] if -len(items) <= index < len(items) else []


def at(value: object, keys: Keys) -> object:
    """The value that keys of `locate` lead to."""
    for key in keys:
        value = opened(value)[key]  # type: ignore[index]
    return value


def without(record: Record, keys: Sequence[Keys]) -> Record:
    """A copy without the values at `keys`; what becomes empty by that disappears, lists keep their length.

    JSON text of which something is taken out is given back parsed.
    """
    touched = {path[0] for path in keys}
    rest: Record = {}
    for key, value in record.items():
        if key not in touched:
            rest[key] = value
            continue
        inner = [path[1:] for path in keys if path[0] == key]
        if () not in inner and (left := _left(opened(value), inner)) not in ({}, []):
            rest[key] = left
    return rest


def _left(value: object, keys: Sequence[Keys]) -> object:
    if isinstance(value, dict):
        return without(value, keys)
    assert isinstance(value, list)  # noqa: S101 - `locate` went this way
    items: list[object] = []
    for position, item in enumerate(value):
        inner = [path[1:] for path in keys if path[0] == position]
        items.append(item if not inner else None if () in inner else _left(opened(item), inner))
    return items


def kind(value: object) -> str:
    """What a value is, in the words of a sentence."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return next((name for of, name in _KINDS.items() if isinstance(value, of)), type(value).__name__)
