"""Two batch interfaces in their documented formats: what is sent, and what comes back, as plain values.

OpenAI: a file of JSON Lines (`custom_id`, `method`, `url`, `body`), a batch over it with metadata, a file of
results and one of errors. Anthropic: a list of requests (`custom_id`, `params`), results as JSON Lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tasks.verify import prompt

Kind = Literal["openai", "anthropic"]
State = Literal["under way", "ended", "failed"]
MARK = "claimledger"
"""Key of a batch's metadata whose value names it."""
_UNDER_WAY = {"validating", "in_progress", "finalizing", "cancelling", "canceling"}


@dataclass(frozen=True)
class Standing:
    """How a batch stands with its provider."""

    id: str
    state: State
    word: str
    """The provider's own."""
    requests: int
    name: str | None
    """By its metadata; None where the provider keeps none."""
    created_at: str
    results: tuple[str, ...] = ()
    """Where they are, once it has ended: ids of files, or addresses."""
    reason: str = ""
    """Why it failed, in codes of the provider."""


@dataclass(frozen=True)
class Result:
    """What became of one request."""

    custom_id: str
    answer: prompt.Answer | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    error: str | None = None
    """Why nothing answered, so that it is to be asked again; None where something did, whatever it said."""


def request(kind: Kind, custom_id: str, claim: str, passage: str, *, model: str, max_tokens: int) -> str:
    """One request, as a line of JSON in ASCII."""
    if kind == "openai":
        body = prompt.chat_completion(model, claim, passage, max_tokens)
        line = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    else:
        line = {"custom_id": custom_id, "params": prompt.message(model, claim, passage, max_tokens)}
    return json.dumps(line, ensure_ascii=True)


def standing(kind: Kind, batch: Mapping[str, Any]) -> Standing:
    """Of a batch object.

    Raises:
        KeyError: it is none.
    """
    if kind == "openai":
        word, counts = str(batch["status"]), batch.get("request_counts") or {}
        state: State = "under way" if word in _UNDER_WAY else "failed" if word == "failed" else "ended"
        files = [batch.get(name) for name in ("output_file_id", "error_file_id")]
        errors = (batch.get("errors") or {}).get("data") or []
        return Standing(
            str(batch["id"]),
            state,
            word,
            int(counts.get("total", 0)),
            (batch.get("metadata") or {}).get(MARK),
            str(batch.get("created_at", "")),
            tuple(str(file) for file in files if file),
            ", ".join(sorted({str(error.get("code"))[:60] for error in errors})),
        )
    word, counts = str(batch["processing_status"]), batch.get("request_counts") or {}
    ended = word not in _UNDER_WAY
    return Standing(
        str(batch["id"]),
        "ended" if ended else "under way",
        word,
        sum(int(count) for count in counts.values()),
        None,
        str(batch.get("created_at", "")),
        (str(batch["results_url"]),) if ended and batch.get("results_url") else (),
    )


def results(kind: Kind, lines: Iterable[bytes]) -> Iterator[Result]:
    """Results and errors of a batch; of a line that is neither the request is asked again."""
    for line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            read = _openai(record) if kind == "openai" else _anthropic(record)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        yield read


def _openai(record: Mapping[str, Any]) -> Result:
    custom_id, response = str(record["custom_id"]), record.get("response")
    if record.get("error"):
        return Result(custom_id, error=str(record["error"].get("code"))[:60])
    if not response or response.get("status_code") != 200:
        return Result(custom_id, error=f"status {str((response or {}).get('status_code'))[:10]}")
    answer, given, made = prompt.read_completion(response["body"])
    return Result(custom_id, answer, given, made)


def _anthropic(record: Mapping[str, Any]) -> Result:
    custom_id, result = str(record["custom_id"]), record["result"]
    if result["type"] != "succeeded":
        return Result(custom_id, error=str(result["type"])[:60])
    answer, given, made = prompt.read_message(result["message"])
    return Result(custom_id, answer, given, made)
