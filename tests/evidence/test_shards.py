"""The account of an index by meaning: exact search, shards that stay, methods that stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tasks.evidence import shards
from tasks.evidence.shards import IndexParameters, Method, Placed, Plan

PARAMETERS = IndexParameters(flat_passages=1_000, shard_passages=256)
CELLS = Method("ivf", "trained-a", trained_passages=2_000, cells=40, probes=8, recall=0.97)


def after(method: Method, passages: int) -> Method | None:
    return shards.method_after(Plan(method, PARAMETERS), passages, PARAMETERS)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_of_many_blocks_are_those_of_one_comparison_of_everything(seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.integers(-2, 3, size=(300, 4)).astype(np.float32)  # many equal scores
    questions = random.integers(-2, 3, size=(20, 4)).astype(np.float32)
    scores = questions @ vectors.T
    order = np.lexsort((np.broadcast_to(np.arange(300), scores.shape), -scores), axis=1)[:, :300]
    found = shards.exact(questions, np.array_split(vectors, 7), 300)
    assert found["row"].to_list() == order.ravel().tolist()
    assert found["score"].to_list() == np.take_along_axis(scores, order, axis=1).ravel().tolist()


def test_a_row_that_is_none_takes_no_place_among_the_best() -> None:
    scores = np.array([[9.0, 1.0], [9.0, 9.0]], dtype=np.float32)
    rows = np.array([[-1, 7], [-1, -1]])
    assert shards.best([(scores, rows), (scores - 1, rows + 1)], 2).rows() == [
        (0, 0, 8.0),
        (0, 7, 1.0),
        (1, 0, 8.0),
        (1, 0, 8.0),
    ]
    assert shards.best([(scores, np.full((2, 2), -1))], 2).is_empty()


def hits(rows: list[tuple[int, int, float]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=shards.ROWS, orient="row")


def test_recall_is_the_share_of_the_nearest() -> None:
    expected = hits([(0, 1, 0.9), (0, 2, 0.8), (1, 1, 0.7), (1, 2, 0.6)])
    assert shards.recall(expected, expected) == 1.0
    assert shards.recall(hits([(0, 1, 0.9), (1, 2, 0.6), (1, 3, 0.5)]), expected) == 0.5
    assert shards.recall(expected, expected.clear()) == 1.0


def test_of_passages_as_near_as_each_other_any_will_do_but_none_counts_twice() -> None:
    expected = hits([(0, 1, 0.9), (0, 2, 0.8)])
    assert shards.recall(hits([(0, 1, 0.9), (0, 7, 0.8)]), expected) == 1.0
    assert shards.recall(hits([(0, 7, 0.8), (0, 8, 0.8), (0, 2, 0.8)]), expected) == 1.0


def test_a_passage_that_left_has_no_row_and_one_in_two_shards_has_one() -> None:
    passages, taken = pl.Series(["a", "b", "c"]), np.zeros(3, dtype=bool)
    first = shards.placed("one", pl.Series(["c", "gone", "a"]), passages, taken)
    second = shards.placed("two", pl.Series(["b", "c"]), passages, taken)
    assert (first.rows.tolist(), second.rows.tolist()) == ([2, -1, 0], [1, -1])
    assert (first.dead, second.dead, taken.all()) == (1, 1, True)


def test_a_shard_with_too_few_passages_left_is_written_anew_and_so_are_many_small_ones() -> None:
    full, half = np.arange(200), np.where(np.arange(200) % 2, np.arange(200), -1)
    assert shards.kept([Placed("full", full), Placed("half", half)], CELLS, PARAMETERS) == [
        Placed("full", full)
    ]
    small = [Placed(f"small-{i}", np.arange(10)) for i in range(shards.SMALL_SHARDS)]
    names = [shard.name for shard in shards.kept([Placed("full", full), *small[1:]], CELLS, PARAMETERS)]
    assert names == ["full", *(shard.name for shard in small[1:])]
    assert [s.name for s in shards.kept([Placed("full", full), *small], CELLS, PARAMETERS)] == ["full"]


def test_an_exact_shard_is_written_anew_once_asking_for_more_neighbours_would_not_do() -> None:
    rows = np.arange(2_000)
    rows[: shards.DEAD_ROWS] = -1
    assert shards.kept([Placed("some", rows)], Method(), PARAMETERS)
    rows[shards.DEAD_ROWS] = -1
    assert shards.kept([Placed("more", rows)], Method(), PARAMETERS) == []
    assert shards.kept([Placed("more", rows)], CELLS, PARAMETERS)


def test_cells_come_with_size_stay_while_they_fit_and_go_with_it() -> None:
    assert shards.method_after(None, 1_000, PARAMETERS) == Method()
    assert shards.method_after(None, 1_001, PARAMETERS) is None
    assert after(CELLS, 4_000) == after(CELLS, 1_000) == CELLS
    assert after(CELLS, 4_001) is None
    assert after(CELLS, 799) == Method()
    changed = replace(PARAMETERS, cells_per_root=8)
    assert shards.method_after(Plan(CELLS, PARAMETERS), 2_000, changed) is None


def test_refused_cells_are_not_trained_again_every_night() -> None:
    refused = shards.refused(CELLS, PARAMETERS)
    assert refused.kind == "flat"
    assert refused.refused == (
        "an index with 40 cells found 0.970 of the ten nearest in 8 cells, 0.95 is required"
    )
    assert after(refused, 4_000) == refused
    assert after(refused, 4_001) is None
    assert after(refused, 900) == Method()


def test_recall_is_measured_again_when_the_corpus_has_another_size() -> None:
    measured = replace(CELLS, measured_passages=1_000)
    assert not shards.is_stale(measured, 1_099)
    assert shards.is_stale(measured, 1_101)
    assert shards.is_stale(measured, 900)


def test_probes_double_up_to_the_most_that_is_allowed() -> None:
    assert shards.probes_in_order(IndexParameters(most_probes=100), 4_000) == [8, 16, 32, 64, 100]
    assert shards.probes_in_order(IndexParameters(), 20) == [8, 16, 20]
    assert shards.probes_in_order(IndexParameters(most_probes=3), 20) == [3]


def test_a_plan_is_read_as_it_was_written_and_only_an_approximate_method_has_a_name() -> None:
    plan = Plan(CELLS, PARAMETERS, ("shard-a", "shard-b"))
    assert Plan.of(plan.as_dict()) == plan
    assert Method().name == shards.refused(CELLS, PARAMETERS).name == ""
    assert CELLS.name != replace(CELLS, probes=16).name != replace(CELLS, trained="trained-b").name
    assert CELLS.name == replace(CELLS, recall=0.99, measured_passages=5).name
