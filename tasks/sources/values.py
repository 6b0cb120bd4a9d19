"""Values of a record as rows of `outputs` have them: names, answers, questions, contexts, tools.

What cannot be used is refused with what was expected. Where a record keeps each is in `records.py`.
"""

from __future__ import annotations

import json
import math
import re
from typing import TypedDict

import orjson

from tasks.files.portions import Record
from tasks.files.refusal import RAW_CHARACTERS, Refusal, shown
from tasks.sources import messages
from tasks.sources.parameters import RecordParameters
from tasks.sources.paths import Keys, Step, at, kind, locate, opened, without
from tasks.tables import CORPUS

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_BROKEN = re.compile(r"\s*(?:\[\s*[\[{\"]|\{\s*\")")
"""How JSON text of a list or a record begins; text that does and cannot be parsed was cut off."""


_SIMPLE = (str, int, bool, type(None))
"""Types that orjson writes as the standard library does; of floats it spells the exponent otherwise."""


class Context(TypedDict):
    """One of an output's own contexts."""

    uri: str | None
    text: str


def name(value: object, field: str, parameters: RecordParameters) -> str | None:
    """A name or id: a value, never a path, so `/` and `..` are fine and controls are not."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Refusal(field, f"{field} is {kind(value)}, expected text")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    text = value if isinstance(value, str) else str(value)
    if len(text) > parameters.maximum_name:
        raise Refusal(
            field, f"{field} has {len(text)} characters, at most {parameters.maximum_name} are allowed"
        )
    if not text.isprintable() and _CONTROL.search(text):
        raise Refusal(field, f"{field} contains control characters: {shown(text, 60)!r}")
    return text


def spoken(text: str, field: str) -> str:
    """The text; refused where an escape within JSON text spelled what the record's bytes did not show."""
    if "\0" in text or not is_encodable(text):
        raise Refusal(field, f"{field} contains a NUL character or half a character (a lone surrogate)")
    return text


def is_encodable(text: str) -> bool:
    """Whether it holds no half of a character, which an escape within JSON text can spell."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def metadata(value: object) -> str:
    """What a record has for its metadata: JSON text as it is, everything else as JSON."""
    return value if isinstance(value, str) and _is_json(value) else as_json(value)


def answer(value: object, path: str) -> messages.Speech:
    """What the user saw, out of text, a message, a list of messages, parts or items."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise Refusal("response", f"the record has no answer at {path!r}")
    speech = messages.answer(value)
    if speech is None and isinstance(value, str):
        speech = messages.Speech(value)
    if speech is None:
        raise Refusal("response", f"the answer is {kind(value)}, expected text or messages")
    if not speech.text.strip():
        calls = ", ".join(shown(name, 60) for name in speech.tool_calls[:5])
        what = f"only calls tools ({calls})" if calls else "holds no text that a user saw"
        raise Refusal("response", f"the answer at {path!r} {what}")
    spoken(speech.text, "response")
    return speech


def bare_answer(record: Record, steps: tuple[Step, ...]) -> Keys | None:
    """Keys of a string in JSON text that a path wants to enter: the answer itself, without a message."""
    for length in range(len(steps) - 1, 0, -1):
        keys = locate(record, steps[:length])
        if keys is not None:
            value = at(record, keys)
            is_encoded = isinstance(value, str) and isinstance(opened(value), str) and opened(value) != value
            return keys if is_encoded else None
    return None


def every_part(record: Record, keys: Keys) -> Keys:
    """Keys of the whole list where a path leads to the text of one of an answer's parts."""
    if len(keys) > 1 and isinstance(keys[-2], int) and messages.are_parts(opened(at(record, keys[:-2]))):
        return keys[:-2]
    return keys


def question(value: object) -> str | None:
    """What the user asked: the text, or the last message of a user; other records as JSON."""
    if value is None:
        return None
    speech = messages.question(value)
    if speech is not None and (speech.text.strip() or isinstance(value, str)):
        return spoken(speech.text, "prompt")
    return value if isinstance(value, str) else as_json(value)


def looked_up(identity: str, address: str) -> Context:
    """The context of a document whose text the corpus has, at an address with `{id}` for its id."""
    return {"uri": CORPUS + address.replace("{id}", identity), "text": ""}


def identities(value: object) -> list[str]:
    """Ids of documents: one, or a list of them or of records with one."""
    value = opened(value)
    given = value if isinstance(value, list) else [value]
    found = [
        item.get("id", item.get("uri")) if isinstance(item, dict) else item for item in map(opened, given)
    ]
    texts = [str(item) for item in found if isinstance(item, str | int) and item not in ("", True, False)]
    if len(texts) < sum(item is not None and item != "" for item in found):
        raise Refusal(
            "context_ids", "context_ids holds something other than an id, expected texts or numbers"
        )
    return list(dict.fromkeys(spoken(text, "context_ids") for text in texts))


def contexts(
    value: object, text_path: tuple[Step, ...], uri_path: tuple[Step, ...], address: str | None = None
) -> tuple[list[Context], list[Record]]:
    """Contexts, and what the record of each carried besides text and address; one alone is a list of one.

    With `address`, one that has its own address and no text is `looked_up` there.
    """
    value = opened(value)
    if value is None or value == "":
        return [], []
    if isinstance(value, str) and _BROKEN.match(value):
        raise Refusal(
            "contexts", "contexts is text that begins as JSON but is not valid; the export cut it off"
        )
    if isinstance(value, str | dict):
        value = [value]
    if not isinstance(value, list):
        raise Refusal("contexts", f"contexts is {kind(value)}, expected a text, a record or a list of them")
    contexts: list[Context] = []
    rests: list[Record] = []
    for position, given in enumerate(value):
        item = opened(given)
        if isinstance(item, str):
            contexts.append({"uri": None, "text": spoken(item, "contexts")})
            rests.append({})
        elif isinstance(item, dict):
            context, rest = _context(item, f"context {position}", text_path, uri_path, address)
            contexts.append(context)
            rests.append(rest)
        else:
            raise Refusal("contexts", f"context {position} is {kind(item)}, expected text or a record")
    return contexts, rests


def _context(
    item: Record, name: str, text_path: tuple[Step, ...], uri_path: tuple[Step, ...], address: str | None
) -> tuple[Context, Record]:
    if len(text_path) == 1 == len(uri_path) and len(item) == 2:
        # By far the commonest form, text and address and nothing else, is spared the general search.
        text, uri = item.get(str(text_path[0])), item.get(str(uri_path[0]))
        if isinstance(text, str) and isinstance(uri, str) and text:
            return {"uri": spoken(uri, "contexts"), "text": spoken(text, "contexts")}, {}
    text_keys, uri_keys = locate(item, text_path), locate(item, uri_path)
    text = None if text_keys is None else at(item, text_keys)
    if address and uri_keys and text in (None, "") and isinstance(own := at(item, uri_keys), str) and own:
        return looked_up(own, address), without(item, [uri_keys])
    if not isinstance(text, str) or text_keys is None:
        reason = f"{name} has no text at {'.'.join(map(str, text_path))!r} (it is {kind(text)})"
        raise Refusal("contexts", reason)
    uri = None if uri_keys is None else at(item, uri_keys)
    if isinstance(uri, dict | list):
        raise Refusal("contexts", f"{name}'s address is {kind(uri)}, expected text")
    rest = without(item, [text_keys] if uri_keys is None else [text_keys, uri_keys])
    own = None if uri is None else spoken(str(uri), "contexts")
    return {"uri": own, "text": spoken(text, "contexts")}, rest


def tools(value: object) -> list[str]:
    """Names of the tools of a list of names, calls or definitions."""
    value = opened(value)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [spoken(value, "tools")]
    if not isinstance(value, list):
        raise Refusal("tools", f"tools is {kind(value)}, expected a list of names")
    names = []
    for given in value:
        item = name = opened(given)
        if isinstance(item, dict):
            function = item.get("function")
            name = item.get("name") or (function.get("name") if isinstance(function, dict) else None)
        if not isinstance(name, str):
            raise Refusal("tools", f"a tool is {kind(item)} without a name, expected names")
        names.append(spoken(name, "tools"))
    return names


def as_json(value: object) -> str:
    """Compact JSON with sorted keys, so that a record whose keys changed places is the same record."""
    if type(value) is dict and all(type(each) in _SIMPLE for each in value.values()):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        except TypeError:
            pass  # an integer beyond 64 bits, half a character or a key that is no text
    text = json.dumps(
        _finite(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain
    )
    return spoken(text, "metadata")


def _finite(value: object) -> object:
    """pandas writes a missing number as NaN, and JSON has no NaN: it is null. Infinity is refused."""
    if isinstance(value, float):
        if math.isinf(value):
            raise Refusal("number", "a number is infinite, expected a finite one")
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def _plain(value: object) -> str:
    return shown(value, 10 * RAW_CHARACTERS) if isinstance(value, bytes) else str(value)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        pass  # the standard library reads more: half a character, numbers of any size
    else:
        return True
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")
