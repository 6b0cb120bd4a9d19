"""Rules move a score only where they speak."""

from __future__ import annotations

import numpy as np
import polars as pl

from tasks.decide import verdicts
from tasks.verify import guards

CLAIMS = pl.Series(
    [
        "France operates 94 reactors.",
        "France operates 92 reactors.",
        "Die Garantie deckt auch Schäden durch Wasser.",
        "The warranty covers water.",
    ]
)
PASSAGES = pl.Series(
    [
        "France operates 92 reactors.",
        "France operates 92 reactors.",
        "Die Garantie ist in den Bedingungen geregelt.",
        "The warranty does not cover water.",
    ]
)


def test_a_finding_has_the_last_word_and_nothing_else_moves():
    before = np.array([[0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.8, 0.1, 0.1], [0.99, 0.01, 0.0]])
    after = guards.guarded(before, CLAIMS, PASSAGES, {"en"})
    assert np.allclose(after.sum(axis=1), 1.0)
    assert (after[1] == before[1]).all()
    assert after[0, 1] >= guards.SETTLED
    assert after[3, 1] >= guards.SETTLED
    assert after[2].argmax() == 2
    assert (after[[0, 2, 3], 0] <= before[[0, 2, 3], 0]).all()
    judged = verdicts.judged(pl.lit(0.5), pl.lit(0.5))
    frame = pl.DataFrame(after, schema=["p_supported", "p_contradicted", "p_insufficient"], orient="row")
    assert frame.select(judged).to_series().to_list() == [
        "contradicted",
        "supported",
        "insufficient",
        "contradicted",
    ]


def test_certain_scores_stay_probabilities():
    certain = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    after = guards.guarded(
        certain, CLAIMS[:1].new_from_index(0, 3), PASSAGES[:1].new_from_index(0, 3), {"en"}
    )
    assert np.isfinite(after).all()
    assert np.allclose(after.sum(axis=1), 1.0)
    assert (after[:, 1] >= guards.SETTLED).all()
