"""A verifier over a tokeniser and any forward pass: windows, batches, and what the logits mean.

Belongs here: what is the same for every backend. Does not belong here: loading (`published.py`,
`artefact.py`) and the backends (`torch_pairs.py`, `runtimes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tasks.decide.verdicts import combine
from tasks.errors import ModelError
from tasks.verify import windows as cutting
from tasks.verify.labels import Reading
from tasks.verify.protocol import Scores, fingerprint
from tasks.verify.windows import Plan, Span, Template, WindowParameters

if TYPE_CHECKING:
    from tasks.verify.parameters import VerifierSettings

CODE_VERSION = 3
"""Bump with a change here or in `windows.py` that can change a score."""
TOKENISE_AT_ONCE = 4096
"""Texts per call of the tokeniser: bounds what its Python lists take."""


class Tokenizer(Protocol):
    """What is asked of a tokeniser of transformers."""

    @property
    def pad_token_id(self) -> int | None:
        """Id of padding."""
        ...

    @property
    def model_max_length(self) -> int:
        """Longest input that it knows of."""
        ...

    def __call__(self, *texts: str | list[str], **options: bool) -> Mapping[str, Any]:
        """`input_ids` (and `token_type_ids`) of a text, a pair or a list of texts."""
        ...


class Backend(Protocol):
    """A forward pass."""

    def forward(self, ids: np.ndarray, mask: np.ndarray, types: np.ndarray) -> np.ndarray:
        """Padded int64 arrays (rows, length) of one batch to float64 logits (rows, classes)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Model:
    """What was loaded."""

    name: str
    tokenizer: Tokenizer
    backend: Backend
    reading: Reading
    limit: int
    """Tokens of the longest input, special ones included."""
    identity: str
    """Digest over weights, tokeniser and configuration."""
    kernel: str
    """What computes, with which precision and where."""
    temperature: float = 1.0


class PairClassifier:
    """Verifier Protocol over a loaded model."""

    def __init__(self, model: Model, settings: VerifierSettings, premise: str = "") -> None:
        self.name = model.name
        self._model = model
        self._template = find_template(model.tokenizer, model.name)
        premise = premise or settings.premise
        self._premise_first = premise == "evidence"
        self._batch_tokens = settings.batch_tokens
        self._windows = WindowParameters(
            max_tokens=min(settings.max_tokens, model.limit),
            max_windows=settings.max_windows,
            overlap_tokens=settings.overlap_tokens,
        )
        self.fingerprint = fingerprint(
            kind="pair-classifier",
            model=model.identity,
            max_tokens=self._windows.max_tokens,
            max_windows=settings.max_windows,
            overlap_tokens=settings.overlap_tokens,
            premise=premise,
            kernel=model.kernel,
            temperature=model.temperature,
            code=CODE_VERSION,
        )

    def score(
        self,
        claims: Sequence[str],
        passages: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Scores:
        """Scores pairs in the order given; equal pairs once, every text tokenised once.

        A pair whose passage needs several windows is supported if one window supports it, and likewise
        contradicted: see `verdicts.combine`. A pair that does not fit is certainly insufficient.
        """
        texts, claim_at, passage_at, place = cutting.distinct_pairs(claims, passages)
        flat, start, length = self._tokenise(texts)
        plan = cutting.plan(length[claim_at], length[passage_at], self._template.special, self._windows)
        claim = (start[claim_at[plan.pair]], length[claim_at[plan.pair]])
        passage = (start[passage_at[plan.pair]] + plan.start, plan.length)
        first, second = (passage, claim) if self._premise_first else (claim, passage)
        done = _Progress(plan, np.bincount(place, minlength=len(claim_at)), progress)
        logits = self._logits(flat, first, second, done)
        if not np.isfinite(logits).all():
            raise ModelError(f"{self.name}: the model computed NaN or infinity; its weights are damaged")
        probabilities = self._model.reading.probabilities(logits / self._model.temperature)
        combined = combine(probabilities, plan.pair, len(plan.windows))
        offered = length[claim_at] + length[passage_at]
        # No words on either side: nothing was said, or nothing to hold it against.
        combined[(length[claim_at] == 0) | (length[passage_at] == 0)] = (0.0, 0.0, 1.0)
        return Scores(
            combined[place],
            offered[place].astype(np.int32),
            np.where(plan.windows > 0, offered, 0)[place].astype(np.int32),
            plan.windows[place].astype(np.int32),
        )

    def _logits(self, flat: np.ndarray, first: Span, second: Span, done: _Progress) -> np.ndarray:
        """(windows, classes), batch by batch."""
        logits = np.zeros((len(first[1]), self._model.reading.classes))
        padded = cutting.padded(first[1] + second[1] + self._template.special, self._windows.max_tokens)
        for rows in cutting.batches(padded, self._batch_tokens):
            ids, mask, types = self._template.fill(
                flat,
                (first[0][rows], first[1][rows]),
                (second[0][rows], second[1][rows]),
                int(padded[rows[0]]),
            )
            logits[rows] = self._model.backend.forward(ids, mask, types)
            done.add(rows)
        return logits

    def _tokenise(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All token ids one after the other, and where each text starts and how long it is."""
        parts: list[np.ndarray] = []
        lengths: list[int] = []
        for at in range(0, len(texts), TOKENISE_AT_ONCE):
            encoded = self._model.tokenizer(
                texts[at : at + TOKENISE_AT_ONCE],
                add_special_tokens=False,
                truncation=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )["input_ids"]
            lengths += map(len, encoded)
            parts += [np.asarray(ids, np.int64) for ids in encoded]
        length = np.asarray(lengths, np.int64)
        flat = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        return flat, np.cumsum(length) - length, length


class _Progress:
    """Says how many given pairs are done: all windows of a pair, as often as the pair was given."""

    def __init__(self, plan: Plan, repeats: np.ndarray, listener: Callable[[int], None] | None) -> None:
        self._pair = plan.pair
        self._left = plan.windows.copy()
        self._repeats = repeats
        self._listener = listener
        unread = int(repeats[self._left == 0].sum())
        if listener and unread:
            listener(unread)

    def add(self, rows: np.ndarray) -> None:
        """These windows are read."""
        if self._listener:
            pairs = self._pair[rows]
            np.subtract.at(self._left, pairs, 1)
            finished = np.unique(pairs[self._left[pairs] == 0])
            self._listener(int(self._repeats[finished].sum()))


def find_template(tokenizer: Tokenizer, name: str) -> Template:
    """Special tokens around and between two texts, found by encoding a probe pair.

    Raises:
        ModelError: the tokeniser writes a pair in a way that is not: specials, first, specials, second,
            specials.
    """
    alone = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("first words", "second text")]
    both = tokenizer("first words", "second text", return_token_type_ids=True)
    ids, types = list(both["input_ids"]), list(both.get("token_type_ids") or [0] * len(both["input_ids"]))
    first, second = (list(a) for a in alone)
    for before in range(len(ids) - len(first) - len(second) + 1):
        if ids[before : before + len(first)] != first:
            continue
        middle = before + len(first)
        for after in range(middle, len(ids) - len(second) + 1):
            if ids[after : after + len(second)] == second:
                end = after + len(second)
                return Template(
                    prefix=np.array(ids[:before], np.int64),
                    middle=np.array(ids[middle:after], np.int64),
                    suffix=np.array(ids[end:], np.int64),
                    first_type=types[before],
                    middle_types=np.array(types[middle:after], np.int64),
                    second_type=types[after],
                    pad=int(tokenizer.pad_token_id or 0),
                )
    raise ModelError(
        f"{name}: its tokeniser does not write two texts one after the other; not a pair classifier"
    )
