"""Whether the evidence of an answer that abstained seems to have the answer: a hint with its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from tasks import tables
from tasks.decide.actions import act
from tasks.decide.policies import Policy
from tasks.evidence.overlooked import HINTS, overlooked
from tasks.evidence.parameters import RetrieveSettings
from tasks.evidence.passages import PassageParameters, from_contexts
from tasks.judge.decisions import hints
from tasks.judge.job import Material
from tasks.text.sentences import segmenter
from tests.claims.test_claims import run
from tests.support.lake_frames import outputs_of


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


@pytest.mark.parametrize(
    ("answer", "prompt", "hinted"),
    [
        (
            "The provided documents do not mention bonuses.",
            "Which bonus is paid?",
            "This bonus is paid, which",
        ),
        ("The provided documents do not mention bonuses.", "Mmm?", None),
        ("The provided documents do not mention bonuses.", None, None),
        ("The bonus is 5%.", "Which bonus is paid?", None),
    ],
)
def test_only_an_answer_that_abstained_gets_a_hint(
    answer: str, prompt: str | None, hinted: str | None
) -> None:
    context = [{"uri": "doc", "text": "Zzz zzzz. This bonus is paid, which"}]
    asked = outputs_of([answer]).with_columns(
        prompt=pl.lit(prompt, pl.String), contexts=pl.lit(context, tables.OUTPUTS.schema["contexts"])
    )
    now, claims = datetime(2026, 11, 1, tzinfo=UTC), run(answer).claims
    actions = act(
        asked, tables.VERDICTS_TABLE.empty(), (Policy(),), claims=claims, run_id=claims["run_id"][0], now=now
    )
    passages = from_contexts(asked, segmenter(), PassageParameters(), run_id="r")
    material = Material(asked, claims, passages, tables.FINDINGS.empty(), tables.FINDINGS.empty())
    parameters = SimpleNamespace(retrieve=RetrieveSettings())
    job = SimpleNamespace(corpus=None, bench=SimpleNamespace(embedder=Letters(), parameters=parameters))
    found = actions.update(hints(actions, material, job), on="output_id")
    assert found.schema == tables.ACTIONS_TABLE.schema
    start, end = found.select("overlooked_start", "overlooked_end").row(0)
    shown = None if start is None else passages["text"][0][start:end]
    assert shown == hinted
