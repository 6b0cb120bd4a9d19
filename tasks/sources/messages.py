"""What an assistant said: the visible text of messages, content parts and output items of many platforms.

An export keeps an answer as plain text, as JSON text (encoded once or twice), as a message, as a list of
messages, of content parts, or of output items with reasoning and tool calls between them. The shapes read
here are those of OpenAI's chat completions and responses, Anthropic's messages, Gemini's candidates,
OpenTelemetry's GenAI messages (`parts`), LangChain's serialised messages and generations, ShareGPT's
conversations (`from`, `value`) and turns of a `speaker`. What is none of them is left as it is: an agent may
have been asked for JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_JSON = ('"', "{", "[")
"""How JSON text begins that is more than a number."""
ENCODINGS = 2
"""Times that a value may be wrapped into JSON text: exports encode once, downloads of exports once more."""
MAXIMUM_DEPTH = 12
"""Levels of messages within items within choices; real ones need five."""
MAXIMUM_ITEMS = 100_000
"""Messages and parts of one answer; more is not a conversation."""

ASSISTANT = frozenset(
    {
        "assistant",
        "ai",
        "model",
        "bot",
        "agent",
        "chatbot",
        "gpt",
        "chatgpt",
        "llm",
        "aimessage",
        "aimessagechunk",
    }
)
USER = frozenset({"user", "human", "customer", "humanmessage"})
_OTHERS = frozenset(
    ["system", "developer", "tool", "function", "toolmessage", "systemmessage", "functionmessage", "ipython"]
)
_ROLES = ASSISTANT | USER | _OTHERS
_TEXT = frozenset({"text", "output_text", "input_text", "markdown"})
_REASONING = frozenset(
    {"reasoning", "thinking", "thought", "thoughts", "redacted_thinking", "summary_text", "reasoning_text"}
)
_IMAGES = frozenset(
    {"image", "image_url", "input_image", "output_image", "image_generation_call", "image_file"}
)
_CALLS = frozenset(
    {"tool_use", "tool_call", "tool_calls", "function_call", "server_tool_use", "mcp_call", "web_search_call"}
    | {"file_search_call", "code_interpreter_call", "computer_call", "custom_tool_call", "local_shell_call"}
)
_RESULTS = frozenset(
    {"tool_result", "tool_call_response", "function_call_output", "web_search_tool_result", "mcp_list_tools"}
    | {"code_execution_tool_result", "custom_tool_call_output", "computer_call_output"}
)
_ALTERNATIVES = ("choices", "candidates", "generations")
_WRAPPERS = (*_ALTERNATIVES, "messages", "output", "outputs")
"""Keys whose list holds messages, items or alternatives."""
_SENTENCE_ENDS = ".!?…:;)]}\"'”’»。！？।։။።"


@dataclass(frozen=True)
class Speech:
    """What was said: `text` is what a user saw, joined in order; the rest beside it."""

    text: str
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[str, ...] = ()
    """Names of the tools asked for."""
    images: tuple[str, ...] = ()
    """Names of images shown; in `text` each has a line `[image: NAME]`."""


def decoded(value: object) -> object:
    """The value that JSON text stands for, encoded once or twice; everything else as it is.

    Text that holds a JSON string, object or list is decoded; a number in quotes is text.
    """
    for _ in range(ENCODINGS + 1):
        if not isinstance(value, str) or not value.lstrip().startswith(_JSON):
            return value
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):
            return value
        if not isinstance(inner, str | dict | list):
            return value
        value = inner
    return value


def answer(value: object) -> Speech | None:
    """What the assistant visibly said last; None where the value is no text, message or list of such.

    Of a conversation: the assistant's messages after the last message of a user.
    """
    return _speech(value, ASSISTANT)


def question(value: object) -> Speech | None:
    """What the user asked: plain text, or the last message of a user; None where there is none."""
    return _speech(value, USER)


def are_parts(value: object) -> bool:
    """Whether the value is a list of content parts, each of which says its type: one answer, in pieces."""
    return isinstance(value, list) and all(
        isinstance(part, dict) and isinstance(part.get("type"), str) and _is_part(part) and not _role(part)
        for part in value
    )


def is_spoken(value: object) -> bool:
    """Whether the value is a message or a list of messages, parts or items (not plain text)."""
    opened = decoded(value)
    return not isinstance(opened, str) and _speech(opened, ASSISTANT) is not None


def _speech(value: object, roles: frozenset[str]) -> Speech | None:
    opened = decoded(value)
    if isinstance(opened, str):
        return Speech(opened)
    pieces = _Pieces()
    turns = _turns(opened, roles, 0)
    if turns is None:
        return None
    for turn in turns:
        pieces.open_turn()
        _collect(turn, pieces, 0)
    return pieces.speech()


class _Pieces:
    """Texts in order, with the joints between them."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._joints: list[str] = []
        self._joint = ""
        self.reasoning: list[str] = []
        self.tool_calls: list[str] = []
        self.images: list[str] = []

    def open_turn(self) -> None:
        """The next text is of another message or item."""
        self._joint = "\n\n"

    def add(self, text: str) -> None:
        if not text:
            return
        if self._texts:
            self._joints.append(self._joint or _joint(self._texts[-1], text))
        self._texts.append(text)
        self._joint = ""

    def image(self, name: str) -> None:
        self.images.append(name)
        self.open_turn()
        self.add(f"[image: {name}]")
        self.open_turn()

    def speech(self) -> Speech:
        text = "".join(
            part for pair in zip(self._texts, [*self._joints, ""], strict=True) for part in pair
        ) if self._texts else ""  # fmt: skip
        return Speech(text, tuple(self.reasoning), tuple(self.tool_calls), tuple(self.images))


def _joint(before: str, after: str) -> str:
    """Parts of one message are cut anywhere: also within a sentence, where a citation begins."""
    if before[-1].isspace() or after[0].isspace():
        return ""
    starts_anew = after[0].isupper() or not (after[0].isalnum() or after[0] in ".,;:!?)]}%'’”»")
    return "\n" if before[-1] in _SENTENCE_ENDS and starts_anew else ""


def _turns(value: object, roles: frozenset[str], depth: int) -> list[object] | None:
    """The messages or items that the answer (or the question) consists of; None for other records."""
    if depth <= MAXIMUM_DEPTH and isinstance(value, dict):
        return _turns_of_record(value, roles, depth)
    if depth <= MAXIMUM_DEPTH and isinstance(value, list) and 0 < len(value) <= MAXIMUM_ITEMS:
        return _turns_of_list(value, roles, depth)
    return None


def _turns_of_list(items: list[object], roles: frozenset[str], depth: int) -> list[object] | None:
    if any(isinstance(item, dict) and _role(item) for item in items):
        return _last_turn(items, roles)
    if all(isinstance(item, list) for item in items):
        return _turns(items[0], roles, depth + 1)
    if all(isinstance(item, str) or (isinstance(item, dict) and _is_part(item)) for item in items):
        return [items]
    return None


def _turns_of_record(record: dict[str, Any], roles: frozenset[str], depth: int) -> list[object] | None:
    role = _role(record)
    if role:
        return [record] if role in roles else []
    for key in _WRAPPERS:
        inner = decoded(record.get(key))
        if isinstance(inner, list) and inner:
            turns = _turns(_first_of(inner) if key in _ALTERNATIVES else inner, roles, depth + 1)
            if turns is not None:
                return turns
    inner = _opened(record)
    if inner is not None:
        return _turns(inner, roles, depth + 1)
    is_said = roles is ASSISTANT and (_is_part(record) or isinstance(record.get("parts"), list))
    return [record] if is_said else None


def _opened(record: dict[str, Any]) -> object:
    """The message within LangChain's serialised form, a `message` or a `content`; None for others."""
    names, inner = record.get("id"), record.get("kwargs")
    if isinstance(inner, dict) and isinstance(names, list) and names and str(names[-1]).lower() in _ROLES:
        return {"role": str(names[-1]).lower(), **inner}
    if isinstance(record.get("message"), dict):
        return dict(record["message"])
    content = decoded(record.get("content"))
    return content if isinstance(content, list | dict) else None


def _first_of(alternatives: list[Any]) -> object:
    """Of alternatives (choices, candidates, generations) the first is what the user saw: the assistant's."""
    first = alternatives[0]
    if isinstance(first, list):
        return _first_of(first) if first else None
    if not isinstance(first, dict):
        return None
    for key in ("message", "content", "text"):
        inner = first.get(key)
        if isinstance(inner, str) and inner:
            return {"role": "assistant", "content": inner}
        if isinstance(inner, dict):
            return inner if _role(inner) else {**inner, "role": "assistant"}
    return None


def _role(record: Mapping[str, Any]) -> str:
    """A message's role in small letters, "" for what is not a message; items without are the assistant's."""
    for key in ("role", "type", "author", "from", "speaker", "sender"):
        value = record.get(key)
        if isinstance(value, dict):
            value = value.get("role") or value.get("type")
        if isinstance(value, str) and value.lower() in _ROLES:
            return value.lower()
        if key == "role" and isinstance(value, str):
            return value.lower()
    kind = record.get("type")
    if kind == "message" or (isinstance(kind, str) and kind in _CALLS | _RESULTS | {"reasoning"}):
        return "tool" if kind in _RESULTS else "assistant"
    return ""


def _last_turn(items: Sequence[object], roles: frozenset[str]) -> list[object]:
    """Items of these roles after the last of the other side; for a question the last message of a user."""
    if roles is USER:
        asked: list[object] = [item for item in items if isinstance(item, dict) and _role(item) in USER]
        return asked[-1:]
    last = max(
        (at for at, item in enumerate(items) if isinstance(item, dict) and _role(item) in USER), default=-1
    )
    return [item for item in items[last + 1 :] if not isinstance(item, dict) or _role(item) in ("", *roles)]


def _is_part(record: Mapping[str, Any]) -> bool:
    kind = record.get("type")
    if isinstance(kind, str):
        return kind in _TEXT | _REASONING | _IMAGES | _CALLS | _RESULTS | {"refusal", "audio", "file"}
    return any(isinstance(record.get(key), str) for key in ("text", "output_text")) or any(
        key in record for key in ("functionCall", "function_call", "inlineData", "inline_data")
    )


def _collect(value: object, pieces: _Pieces, depth: int) -> None:
    """Adds what one message, item or part says."""
    value = decoded(value) if not isinstance(value, str) else value
    if depth > MAXIMUM_DEPTH:
        return
    if isinstance(value, str):
        pieces.add(value)
    elif isinstance(value, list):
        for item in value:
            _collect(item, pieces, depth + 1)
    elif isinstance(value, dict):
        _collect_record(value, pieces, depth)


def _collect_record(record: dict[str, Any], pieces: _Pieces, depth: int) -> None:
    kind = record.get("type")
    kind = kind.lower() if isinstance(kind, str) else ""
    if kind in _REASONING or record.get("thought") is True:
        pieces.reasoning += _texts_of(record)
        return
    if kind in _CALLS or "functionCall" in record or (kind == "" and "function_call" in record):
        pieces.tool_calls += _call_names(record)
        return
    if kind in _RESULTS:
        return
    if kind in _IMAGES or "inlineData" in record or "inline_data" in record:
        pieces.image(_image_name(record))
        return
    for key in ("reasoning_content", "reasoning", "thinking", "thoughts"):
        if isinstance(record.get(key), str) and record[key]:
            pieces.reasoning.append(record[key])
    for call in record.get("tool_calls") or ():
        if isinstance(call, dict):
            pieces.tool_calls += _call_names(call)
    for key in (
        "content",
        "parts",
        "text",
        "output_text",
        "refusal",
        "value",
        "utterance",
        "message",
        "body",
    ):
        inner = record.get(key)
        if isinstance(inner, dict) and isinstance(inner.get("value"), str):  # OpenAI's assistants
            inner = inner["value"]
        if inner:
            _collect(inner if isinstance(inner, str) else decoded(inner), pieces, depth + 1)
            return


def _texts_of(record: Mapping[str, Any]) -> Iterator[str]:
    """Every text of a reasoning item, whatever it calls it."""
    for key in ("thinking", "text", "content", "reasoning", "summary"):
        inner = record.get(key)
        if isinstance(inner, str) and inner:
            yield inner
        for item in inner if isinstance(inner, list) else ():
            if isinstance(item, dict):
                yield from _texts_of(item)
            elif isinstance(item, str) and item:
                yield item


def _call_names(record: Mapping[str, Any]) -> list[str]:
    for holder in (record, record.get("function"), record.get("functionCall"), record.get("function_call")):
        if isinstance(holder, dict) and isinstance(holder.get("name"), str):
            return [holder["name"]]
    return [str(record.get("type") or "tool")]


def _image_name(record: Mapping[str, Any]) -> str:
    """A name that a person understands: never the bytes of an image that stands inline."""
    for holder in (record, record.get("image_url"), record.get("source"), record.get("image_file")):
        for key in ("name", "filename", "file_name", "url", "file_id", "image_url"):
            name = holder.get(key) if isinstance(holder, dict) else None
            if isinstance(name, str) and name and not name.startswith("data:"):
                return " ".join(name.split())[:200].replace("]", ")")
    return "without a name"
