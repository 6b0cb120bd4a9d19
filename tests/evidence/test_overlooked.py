"""Whether the evidence of an answer that abstained seems to have the answer: a hint with its sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tasks.evidence.overlooked import HINTS, overlooked


class Letters:
    """Texts as counts of their letters: equal words are close."""

    fingerprint, dimension = "letters", 26

    def encode(self, texts: Sequence[str], role: str = "document") -> np.ndarray:
        counts = np.array(
            [[text.lower().count(chr(97 + at)) for at in range(26)] for text in texts], np.float32
        )
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


QUESTIONS = pl.DataFrame(
    {"output_id": ["a", "b", "c"], "prompt": ["Which bonus is paid?", "Which bonus is paid?", None]}
)
SENTENCES = pl.DataFrame(
    {
        "output_id": ["a", "a", "b", "c"],
        "passage_id": ["p1", "p2", "p3", "p4"],
        "start": [0, 40, 0, 0],
        "end": [9, 64, 9, 9],
        "sentence": ["Zzz zzzz.", "This bonus is paid, which", "Zzz zzzz.", "Bonus is paid"],
    }
)


def test_the_sentence_closest_to_the_question_is_a_hint_with_its_place() -> None:
    hints = overlooked(QUESTIONS, SENTENCES, Letters(), 0.65)
    assert hints.schema == HINTS
    assert hints.select(HINTS.names()[:4]).rows() == [("a", "p2", 40, 64)]
    assert 0.65 <= hints["overlooked_similarity"].item() <= 1


def test_no_sentence_that_is_close_and_no_question_are_no_hint() -> None:
    assert overlooked(QUESTIONS, SENTENCES, Letters(), 1.0).is_empty()
    assert overlooked(QUESTIONS.tail(1), SENTENCES, Letters(), 0.0).is_empty()
    assert overlooked(QUESTIONS, SENTENCES.clear(), Letters(), 0.0).schema == HINTS
