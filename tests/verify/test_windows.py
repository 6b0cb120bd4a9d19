"""Windows cover every token, batches keep to their budget, templates put texts where models expect them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.decide.verdicts import combine
from tasks.verify import windows
from tasks.verify.windows import Template, WindowParameters


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 900)), min_size=1, max_size=20),
    st.integers(16, 80),
    st.integers(0, 30),
    st.integers(1, 40),
)
def test_every_passage_token_is_in_a_window_or_the_pair_in_none(sizes, longest, overlap, most):
    claim, passage = np.array(sizes).T
    parameters = WindowParameters(max_tokens=longest, max_windows=most, overlap_tokens=overlap)
    plan = windows.plan(claim, passage, 3, parameters)
    assert (plan.length + claim[plan.pair] + 3 <= longest).all()
    for pair, count in enumerate(plan.windows):
        rows = plan.pair == pair
        assert rows.sum() == count <= most
        seen = {t for s, n in zip(plan.start[rows], plan.length[rows], strict=True) for t in range(s, s + n)}
        assert seen == (set(range(passage[pair])) if count else set())


def test_neighbouring_windows_share_the_overlap():
    plan = windows.plan(np.array([10]), np.array([200]), 3, WindowParameters(100, overlap_tokens=20))
    assert plan.start.tolist() == [0, 67, 113]
    assert set(plan.length) == {87}


def test_a_claim_longer_than_the_window_has_none():
    assert windows.plan(np.array([200]), np.array([10]), 3, WindowParameters(100)).windows.tolist() == [0]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 2000))
def test_batches_hold_each_row_once_within_the_budget(lengths, budget):
    parts = list(windows.batches(np.array(lengths, dtype=int), budget))
    assert sorted(np.concatenate(parts).tolist() if parts else []) == list(range(len(lengths)))
    for rows in parts:
        assert len(rows) == 1 or len(rows) * max(lengths[r] for r in rows) <= budget


def test_a_template_writes_two_texts_between_its_special_tokens():
    template = Template(
        np.array([101]), np.array([102]), np.array([102]), 0, np.array([0]), second_type=1, pad=0
    )
    flat = np.array([7, 8, 9, 5, 6])
    ids, mask, types = template.fill(
        flat, (np.array([0, 3]), np.array([3, 1])), (np.array([3, 4]), np.array([2, 1]))
    )
    assert ids.tolist() == [[101, 7, 8, 9, 102, 5, 6, 102], [101, 5, 102, 6, 102, 0, 0, 0]]
    assert mask.tolist() == [[1] * 8, [1] * 5 + [0] * 3]
    assert types.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0, 0]]


def test_the_best_window_speaks_for_its_pair():
    plan = windows.Plan(np.array([0, 0, 1]), np.zeros(3), np.zeros(3), np.array([2, 1, 0]))
    scores = np.array([[0.1, 0.0, 0.9], [0.8, 0.1, 0.1], [0.0, 0.7, 0.3]])
    combined = combine(scores, plan.pair, len(plan.windows))
    assert np.allclose(combined, [[0.8, 0.1, 0.1], [0.0, 0.7, 0.3], [0.0, 0.0, 1.0]])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=30))
def test_equal_pairs_are_found_once_and_lead_back_to_every_row(rows):
    texts, claim, passage, place = windows.distinct_pairs([c for c, _ in rows], [p for _, p in rows])
    assert [(texts[claim[i]], texts[passage[i]]) for i in place] == rows
    assert len(claim) == len(set(rows))
