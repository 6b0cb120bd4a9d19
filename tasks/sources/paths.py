"""Dotted paths into nested records: where they lead, what is there, and what is left without it."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.files.portions import Record

Keys = tuple[str | int, ...]
"""Keys of records and positions in lists that lead to a value."""

_NAMES = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a record"}


def locate(value: object, parts: Sequence[str]) -> Keys | None:
    """Keys that lead to a dotted path's value, or None.

    A key may itself contain dots (`attributes` → `gen_ai.output.messages`): the longest key that exists is
    tried first. A part of digits indexes a list.
    """
    if not parts:
        return ()
    if isinstance(value, dict):
        for length in range(len(parts), 0, -1):
            key = parts[0] if length == 1 else ".".join(parts[:length])
            if key in value:
                rest = locate(value[key], parts[length:])
                if rest is not None:
                    return (key, *rest)
    elif isinstance(value, list) and parts[0].isascii() and parts[0].isdigit():
        index = int(parts[0][:9])
        if index < len(value):
            rest = locate(value[index], parts[1:])
            if rest is not None:
                return (index, *rest)
    return None


def at(value: object, keys: Keys) -> object:
    """The value that `locate` found."""
    for key in keys:
        assert isinstance(value, dict | list)  # noqa: S101 - `locate` went this way
        value = value[key]  # type: ignore[index]
    return value


def without(record: Record, keys: Sequence[Keys]) -> Record:
    """A copy without the values at `keys`; what becomes empty by that disappears, lists keep their length."""
    touched = {k[0] for k in keys}
    rest: Record = {}
    for key, value in record.items():
        if key not in touched:
            rest[key] = value
            continue
        inner = [k[1:] for k in keys if k[0] == key]
        if () not in inner and (left := _left(value, inner)) not in ({}, []):
            rest[key] = left
    return rest


def _left(value: object, keys: Sequence[Keys]) -> object:
    if isinstance(value, dict):
        return without(value, keys)
    assert isinstance(value, list)  # noqa: S101 - `locate` went this way
    items: list[object] = []
    for position, item in enumerate(value):
        inner = [k[1:] for k in keys if k[0] == position]
        items.append(item if not inner else None if () in inner else _left(item, inner))
    return items


def kind(value: object) -> str:
    """What a value is, in the words of a sentence."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return next((name for of, name in _NAMES.items() if isinstance(value, of)), type(value).__name__)
