"""A verifier behind an OpenAI-compatible endpoint: an option for teams that may send their texts to one.

Belongs here: sending, waiting, retrying, counting. Does not belong here: what is asked and how an answer is
read (`verify/prompt.py`).

What becomes of a question:

1. Equal pairs are asked once, `concurrency` at a time, not more than `requests_per_minute`, at temperature 0.
2. 408, 409, 425, 429, 5xx, a broken connection and a timeout are tried again, after Retry-After where it is
   given, else after 1, 2, 4 … seconds; when `attempts` are used up, the call fails and nothing is decided.
3. 401, 403, 404 and every other refusal fails at once: asking again would not help.
4. A reply that is not the object asked for leaves its pair unjudged: certainly insufficient, with
   `tokens_seen` 0 and `windows` 1. More such pairs than `tolerated_unanswered_ratio` fail the call.

So a failed judgement is never a verdict by accident. The key comes from CLAIMLEDGER_JUDGE_KEY alone.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import numpy as np
import polars as pl

from tasks.errors import ConfigError, ModelError
from tasks.text import words
from tasks.verify import prompt
from tasks.verify.protocol import Scores, Usage, distinct, fingerprint

if TYPE_CHECKING:
    from tasks.verify.parameters import EndpointSettings, VerifierSettings

KEY = "CLAIMLEDGER_JUDGE_KEY"
MAX_REPLY_BYTES = 1 << 20
"""An answer takes a few hundred bytes."""
LONGEST_WAIT_S = 120.0
"""Of one pause, whatever Retry-After says."""
FEW = 3
"""Unanswered pairs that are always tolerated: a share of a handful says nothing."""
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class _TryAgainError(Exception):
    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


class Endpoint:
    """Verifier Protocol over `POST URL/chat/completions`."""

    def __init__(self, settings: VerifierSettings, *, key: str | None = None) -> None:
        if settings.endpoint is None:
            raise ConfigError("verifier.backend is endpoint, but [verifier.endpoint] names no url")
        self._settings: EndpointSettings = settings.endpoint
        self._model = settings.model
        self._longest = settings.max_tokens * settings.max_windows
        self._url = checked(self._settings.url) + "/chat/completions"
        self._key = os.environ.get(KEY, "") if key is None else key
        self._pace = _Pace(self._settings.requests_per_minute)
        self._lock = threading.Lock()
        self.usage = Usage()
        self.name = f"{self._model} at {urlsplit(self._url).netloc}"
        self.fingerprint = fingerprint(
            kind="endpoint",
            url=self._url,
            model=self._model,
            prompt=prompt.VERSION,
            system=prompt.SYSTEM,
            max_output_tokens=self._settings.max_output_tokens,
            longest=self._longest,
        )

    def score(
        self,
        claims: Sequence[str],
        passages: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Scores:
        """Scores pairs in the order given; a token is a word or a number here.

        Raises:
            ModelError: the endpoint refuses, stays unreachable, or answers too often with something else.
        """
        pairs, place = distinct(claims, passages)
        offered, fits, has_words = self._readable(pairs)
        probabilities = np.tile([0.0, 0.0, 1.0], (pairs.height, 1))
        seen = np.where(fits, offered, 0)
        repeats = np.bincount(place, minlength=pairs.height)
        asked = np.flatnonzero(fits & has_words)
        if progress and (rest := int(repeats.sum() - repeats[asked].sum())):
            progress(rest)
        for row, answer in self._ask_all(pairs, asked):
            if answer is None:
                seen[row] = 0
            else:
                probabilities[row] = answer
            if progress:
                progress(int(repeats[row]))
        self._check_answered(int((seen[asked] == 0).sum()), len(asked))
        return Scores(
            probabilities[place],
            offered[place].astype(np.int32),
            seen[place].astype(np.int32),
            fits[place].astype(np.int32),
        )

    def _readable(self, pairs: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(tokens of each pair, whether they fit, whether both texts have words)."""
        offered = words.token_counts(pairs["claim"]) + words.token_counts(pairs["passage"])
        has_words = (pairs["claim"].str.strip_chars() != "") & (pairs["passage"].str.strip_chars() != "")
        return offered, offered <= self._longest, has_words.to_numpy()

    def _check_answered(self, unanswered: int, asked: int) -> None:
        if unanswered > max(FEW, self._settings.tolerated_unanswered_ratio * asked):
            raise ModelError(
                f"{self.name}: {unanswered} of {asked} answers were not the JSON object asked for; nothing "
                "was decided, name a model that follows instructions or raise "
                "verifier.endpoint.tolerated_unanswered_ratio"
            )

    def _ask_all(self, pairs: pl.DataFrame, rows: np.ndarray) -> Iterator[tuple[int, prompt.Answer | None]]:
        """(row, answer) as they come; the first failure stops what has not begun."""
        claims, passages = pairs["claim"], pairs["passage"]
        with (
            httpx.Client(timeout=self._settings.timeout_s, follow_redirects=False) as client,
            ThreadPoolExecutor(self._settings.concurrency) as pool,
        ):
            ahead: dict[Future[prompt.Answer | None], int] = {}
            waiting = iter(rows.tolist())
            try:
                while True:
                    while len(ahead) < 2 * self._settings.concurrency:
                        row = next(waiting, None)
                        if row is None:
                            break
                        ahead[pool.submit(self._ask, client, claims[row], passages[row])] = row
                    if not ahead:
                        return
                    done, _ = wait(ahead, return_when="FIRST_COMPLETED")
                    for future in done:
                        yield ahead.pop(future), future.result()
            finally:
                for future in ahead:
                    future.cancel()

    def _ask(self, client: httpx.Client, claim: str, passage: str) -> prompt.Answer | None:
        question = prompt.chat_completion(self._model, claim, passage, self._settings.max_output_tokens)
        body = json.dumps(question, ensure_ascii=True).encode()
        for attempt in range(1, self._settings.attempts + 1):
            self._pace.wait()
            try:
                return self._answer(self._post(client, body))
            except _TryAgainError as error:
                if attempt == self._settings.attempts:
                    raise ModelError(
                        f"{self.name}: {error}, {attempt} times; nothing was decided, run again later"
                    ) from None
                with self._lock:
                    self.usage.retries += 1
                pause = 2.0 ** (attempt - 1) if error.after_s is None else error.after_s
                time.sleep(min(pause * self._settings.pause_scale, LONGEST_WAIT_S))
        raise AssertionError("unreachable")

    def _post(self, client: httpx.Client, body: bytes) -> bytes:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        deadline = time.monotonic() + self._settings.timeout_s
        try:
            with client.stream("POST", self._url, headers=headers, content=body) as reply:
                if reply.status_code in _AGAIN:
                    after = _retry_after(reply.headers.get("retry-after"))
                    raise _TryAgainError(f"the endpoint answered {reply.status_code}", after)
                if reply.status_code != 200:
                    hint = f"; check {KEY}" if reply.status_code in (401, 403) else ""
                    raise ModelError(f"{self.name}: the endpoint answered {reply.status_code}{hint}")
                read = bytearray()
                for piece in reply.iter_bytes():
                    read += piece
                    if len(read) > MAX_REPLY_BYTES:
                        raise ModelError(f"{self.name}: a reply is larger than {MAX_REPLY_BYTES} bytes")
                    if time.monotonic() > deadline:
                        raise _TryAgainError(f"no whole reply came within {self._settings.timeout_s:g} s")
                return bytes(read)
        except httpx.TimeoutException:
            raise _TryAgainError(f"no reply came within {self._settings.timeout_s:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise _TryAgainError(f"the connection failed ({type(error).__name__})") from None

    def _answer(self, body: bytes) -> prompt.Answer | None:
        """The judgement in a reply, None where it holds another text; counts what it cost."""
        try:
            reply = json.loads(body)
            answer, given, made = prompt.read_completion(reply)
        except (ValueError, RecursionError):
            raise _TryAgainError("the reply is not a chat completion") from None
        with self._lock:
            self.usage.requests += 1
            self.usage.unanswered += answer is None
            self.usage.input_tokens += given
            self.usage.output_tokens += made
            self.usage.cost += (
                given * self._settings.price_per_million_input
                + made * self._settings.price_per_million_output
            ) / 1e6
        return answer


class _Pace:
    """Lets at most so many requests through a minute, evenly; 0 is without limit."""

    def __init__(self, per_minute: float) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Returns when the next request may go."""
        if not self._gap:
            return
        with self._lock:
            mine = max(time.monotonic(), self._next)
            self._next = mine + self._gap
        time.sleep(max(0.0, mine - time.monotonic()))


def _retry_after(value: str | None) -> float | None:
    """Seconds, from a number or a date (RFC 9110, 10.2.3); None where there is neither."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def checked(url: str) -> str:
    """The address up to and without /chat/completions.

    Raises:
        ConfigError: neither https nor on this machine, or with a name and password in it.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ConfigError(f"verifier.endpoint.url holds a name or password; the key comes from {KEY}")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ConfigError(
            f"verifier.endpoint.url {url[:100]}: texts go to https addresses alone (http on this machine)"
        )
    return url.rstrip("/")
