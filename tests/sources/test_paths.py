"""A path leads to one value of a record, through nested records, lists, JSON text and selected messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.sources import paths

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "assistant", "content": "Fourteen?"},
    {"role": "user", "content": "How many?"},
    {
        "role": "Assistant",
        "content": [{"type": "thinking", "text": "40"}, {"type": "text", "text": "Fourteen."}],
    },
]


def at(record: Any, path: str) -> Any:
    keys = paths.locate(record, paths.parse(path))
    return "nothing" if keys is None else paths.at(record, keys)


@pytest.mark.parametrize(
    ("record", "path", "value"),
    [
        ({"a": {"b": 1}}, "a.b", 1),
        ({"a.b": {"c": 1}, "a": {"b": {"c": 2}}}, "a.b.c", 1),
        ({"a": {"b": 2}, "a.b": 1}, "a.b", 1),
        ({"a": [{"b": 1}, {"b": 2}]}, "a.1.b", 2),
        ({"a": [1, 2, 3]}, "a[-1]", 3),
        ({"a": [1, 2, 3]}, "a[0]", 1),
        ({"a": [1]}, "a.5", "nothing"),
        ({"a": "text"}, "a.b", "nothing"),
        ({"a": json.dumps({"b": {"c": 1}})}, "a.b.c", 1),
        ({"a": json.dumps(json.dumps({"b": 1}))}, "a.b", 1),
        ({"a": json.dumps({"b": json.dumps([{"c": 7}])})}, "a.b.0.c", 7),
        ({"messages": TALK}, "messages[role=assistant].content[type=text].text", "Fourteen."),
        ({"messages": json.dumps(TALK)}, "messages[role=user].content", "How many?"),
        ({"messages": TALK[:3]}, "messages[role=assistant].content", "Fourteen?"),
        ({"messages": TALK}, "messages[role=tool].content", "nothing"),
        ({"x y": {"é": 1}}, "x y.é", 1),
    ],
    ids=str,
)
def test_a_path_leads_to_its_value(record: Any, path: str, value: Any) -> None:
    assert at(record, path) == value


@pytest.mark.parametrize("name", ["Antwort [de]", "Nr.", "a[", "a]", "a[]", "x [1.5] y", "a.b."])
def test_a_column_may_be_named_with_dots_and_brackets(name: str) -> None:
    assert at({name: 1}, name) == 1


def test_what_is_taken_out_of_json_text_leaves_the_rest_parsed() -> None:
    record = {"a": json.dumps({"b": 1, "c": 2}), "d": [1, 2], "e": {"f": 1}}
    found = [paths.locate(record, paths.parse(path)) for path in ("a.b", "d.0", "e.f")]
    left = paths.without(record, [keys for keys in found if keys is not None])
    assert left == {"a": {"c": 2}, "d": [None, 2]}
    assert isinstance(record["a"], str)


def test_json_text_nested_a_hundred_times_leads_nowhere() -> None:
    nested: Any = {"b": 1}
    for _ in range(14):
        nested = json.dumps(nested)
    assert at({"a": nested}, "a.b") == "nothing"
