"""Which verdicts no longer hold, why, and how many: by hand, and as properties."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tasks import ids
from tasks.reaudit import flips
from tasks.reaudit.flips import SampleParameters
from tasks.tables import CAUSES, VERDICTS

S, C, N = VERDICTS
RUN, NIGHT = ids.digest("run"), datetime(2026, 11, 25, 3, tzinfo=UTC)
CELLS = (
    "verdict_before",
    "again",
    "with_evidence",
    "with_verifier",
    "with_policy",
    "with_verifier_and_evidence",
    "verdict",
)


def attributed(*rows: tuple[str | None, ...]) -> pl.DataFrame:
    return flips.attribute(pl.DataFrame(rows, schema=dict.fromkeys(CELLS, pl.String), orient="row"))


@pytest.mark.parametrize(
    ("cells", "cause", "alone", "attribution"),
    [
        #  before again evid. verif. polic. v+e  now
        ((S, S, C, S, S, C, C), "evidence", ["evidence"], "one_at_a_time"),
        ((S, S, S, N, S, N, N), "verifier", ["verifier"], "one_at_a_time"),
        ((S, S, S, S, N, S, N), "policy", ["policy"], "one_at_a_time"),
        # Two changes, each of which would have done.
        ((S, S, C, N, S, C, C), "combination", ["evidence", "verifier"], "one_at_a_time"),
        # None does it alone; the new verifier sees the contradiction in the new evidence.
        ((S, S, S, S, S, C, C), "combination", [], "one_at_a_time"),
        # The evidence alone moves the verdict, though another change moves it on to where it ends.
        ((S, S, N, S, S, N, C), "evidence", ["evidence"], "one_at_a_time"),
        # The old verifier is gone: the evidence is changed after the verifier.
        ((S, S, None, S, S, C, C), "evidence", ["evidence"], "verifier_first"),
        ((S, S, None, N, S, N, N), "verifier", ["verifier"], "verifier_first"),
        ((S, S, None, N, S, C, C), "combination", ["evidence", "verifier"], "verifier_first"),
        # What was recorded does not give the old verdict; or the old passages are gone.
        ((S, N, C, S, S, C, C), "unexplained", [], "none"),
        ((S, S, None, None, S, C, C), "unexplained", [], "none"),
    ],
)
def test_the_cause_is_the_one_change_that_flips_the_verdict_by_itself(cells, cause, alone, attribution):
    row = attributed(cells).row(0, named=True)
    assert (row["cause"], row["flips_alone"], row["attribution"]) == (cause, alone, attribution)


@given(
    st.sampled_from(flips.SINGLE),
    st.permutations(VERDICTS),
    st.booleans(),
)
def test_a_verdict_that_depends_on_one_thing_alone_flips_by_that_thing_in_either_order(
    planted, verdicts, old_verifier_is_there
):
    before, now = verdicts[:2]

    def verdict(*changed: str) -> str:
        return now if planted in changed else before

    row = attributed(
        (
            before,
            verdict(),
            verdict("evidence") if old_verifier_is_there else None,
            verdict("verifier"),
            verdict("policy"),
            verdict("verifier", "evidence"),
            now,
        )
    ).row(0, named=True)
    assert row["cause"] == planted
    assert row["flips_alone"] == [planted]


@given(st.lists(st.tuples(*[st.sampled_from(VERDICTS)] * len(CELLS)), min_size=1, max_size=20))
def test_every_flip_has_exactly_one_cause_and_a_single_one_only_where_a_single_change_does_it(rows):
    found = attributed(*rows)
    assert set(found["cause"]) <= set(CAUSES)
    for row in found.iter_rows(named=True):
        is_single = row["cause"] in flips.SINGLE
        assert is_single == (len(row["flips_alone"]) == 1)
        assert (row["cause"] == "unexplained") == (row["again"] != row["verdict_before"])


def test_no_flip_has_no_cause():
    assert attributed().height == 0


# Evidence -----------------------------------------------------------------------------------------------


def test_documents_changed_where_a_text_went_or_came_and_else_only_the_retrieval_did():
    before = pl.DataFrame(
        [
            ("same", 0, "a", True),
            ("gone", 0, "old", False),
            ("came", 0, "a", True),
            ("other", 0, "a", True),
            ("order", 0, "a", True),
            ("order", 1, "b", True),
            ("lost", 0, "a", True),
        ],
        schema=["claim_id", "rank", "text", "is_there"],
        orient="row",
    )
    after = pl.DataFrame(
        [
            ("same", 0, "a", False),
            ("gone", 0, "a", False),
            ("came", 0, "a", False),
            ("came", 1, "new", True),
            ("other", 0, "b", False),
            ("order", 0, "b", False),
            ("order", 1, "a", False),
            ("found", 0, "new", True),
        ],
        schema=["claim_id", "rank", "text", "is_new"],
        orient="row",
    )
    assert dict(flips.evidence_change(before, after).iter_rows()) == {
        "same": "none",
        "gone": "documents",
        "came": "documents",
        "other": "retrieval",
        "order": "retrieval",
        "lost": "retrieval",
        "found": "documents",
    }


# The draw -----------------------------------------------------------------------------------------------


def verdict_rows(counts: dict[tuple[str, str], int]) -> pl.DataFrame:
    rows = [
        (ids.digest("claim", verdict, agent, i), verdict, agent, "support")
        for (verdict, agent), count in counts.items()
        for i in range(count)
    ]
    return pl.DataFrame(rows, schema=["claim_id", "verdict", "agent", "use_case"], orient="row")


def ranked(frame: pl.DataFrame, seed: str) -> tuple[pl.DataFrame, dict[str, int]]:
    cut = flips.with_rank(flips.with_stratum(frame, ("agent", "use_case")), seed)
    return cut, dict(cut["stratum"].value_counts().iter_rows())


MANY = {(S, "a"): 300, (N, "a"): 60, (S, "b"): 40, (C, "b"): 3}


@given(st.integers(4, 500), st.text(max_size=5), st.integers(1, 20))
def test_a_draw_has_its_size_its_minimum_and_is_fixed_by_the_seed(size, seed, minimum):
    parameters = SampleParameters(size, minimum)
    cut, population = ranked(verdict_rows(MANY), seed)
    drawn = flips.draw(cut, population, parameters)
    assert drawn.height == min(size, 403)
    shuffled = flips.draw(cut.sample(fraction=1.0, shuffle=True, seed=1), population, parameters)
    assert drawn["claim_id"].to_list() == shuffled["claim_id"].to_list()
    floor = min(minimum, size // 4)
    of_stratum = dict(drawn["stratum"].value_counts().iter_rows())
    assert all(of_stratum[name] >= min(floor, population[name]) for name in population)


def test_a_draw_day_by_day_is_the_draw_of_all_days():
    frame, parameters = verdict_rows(MANY), SampleParameters(50)
    cut, population = ranked(frame, "seed")
    parts: list[pl.DataFrame] = []
    for part in frame.iter_slices(37):
        parts = [flips.lowest(pl.concat([*parts, ranked(part, "seed")[0]]), parameters.size)]
    whole, by_day = flips.draw(cut, population, parameters), flips.draw(parts[0], population, parameters)
    assert whole["claim_id"].to_list() == by_day["claim_id"].to_list()
    other = flips.draw(ranked(frame, "other seed")[0], population, parameters)
    assert set(whole["claim_id"]) != set(other["claim_id"])


def test_a_sample_too_small_for_its_strata_is_refused():
    cut, population = ranked(verdict_rows(MANY), "seed")
    with pytest.raises(ValueError, match="3 items cannot cover 4 strata"):
        flips.draw(cut, population, SampleParameters(3))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": 0}, "size is 0"),
        ({"minimum_per_stratum": 0}, "minimum_per_stratum is 0"),
        ({"strata": ("agent", "mood")}, "'mood'"),
    ],
)
def test_impossible_parameters_are_refused(values, said):
    with pytest.raises(ValueError, match=said):
        SampleParameters(**values)


def test_the_verdict_first_given_counts_whatever_was_judged_since():
    frame = pl.DataFrame(
        {
            "claim_id": ["x", "x", "y"],
            "verdict_id": ["2", "1", "3"],
            "verified_at": [NIGHT.replace(hour=9), NIGHT, NIGHT],
            "verdict": [C, S, N],
        }
    )
    assert flips.first_verdicts(frame).sort("claim_id")["verdict"].to_list() == [S, N]


# Shares -------------------------------------------------------------------------------------------------


def drawn_rows(*strata: tuple[str, str, int, list[str | None]]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Per stratum (verdict, agent, population, cause of each drawn claim; `unjudged` is none)."""
    rows, population = [], {}
    for verdict, agent, count, causes in strata:
        stratum = json.dumps({"agent": agent, "verdict": verdict}, sort_keys=True)
        population[stratum] = count
        rows += [
            {
                "stratum": stratum,
                "verdict_before": verdict,
                "agent": agent,
                "output_id": ids.digest("output", agent, verdict, i),
                "cause": None if cause == "unjudged" else cause,
                "outcome": "unjudged" if cause == "unjudged" else "flipped" if cause else "held",
            }
            for i, cause in enumerate(causes)
        ]
    frame = pl.DataFrame(rows, schema_overrides={"cause": pl.String})
    return flips.weights(frame, population), population


def share_of(frame: pl.DataFrame, slice_: str, verdict: str, cause: str) -> dict[str, object]:
    return frame.row(
        by_predicate=(pl.col("slice") == slice_)
        & (pl.col("verdict_before") == verdict)
        & (pl.col("cause") == cause),
        named=True,
    )


def test_shares_weigh_each_stratum_by_its_population():
    drawn, population = drawn_rows(
        (S, "a", 100, ["evidence", "evidence", *[None] * 8]),
        (S, "b", 900, ["verifier", *[None] * 9]),
        (N, "b", 50, ["policy", "unjudged", None, None, None]),
    )
    found = flips.shares(drawn, population, ("agent",), run_id=RUN, found_at=NIGHT)
    # 2 of 10 stand for 20 of 100, 1 of 10 for 90 of 900, and 1 of 4 judged for 12.5 of 50.
    supported = share_of(found, "all", S, "any")
    assert supported["share"] == pytest.approx(110 / 1000)
    assert (supported["population"], supported["judged"], supported["flips"]) == (1000, 20, 3)
    assert share_of(found, "all", S, "evidence")["share"] == pytest.approx(0.02)
    assert share_of(found, "all", S, "verifier")["share"] == pytest.approx(0.09)
    assert share_of(found, "all", "any", "any")["share"] == pytest.approx(122.5 / 1050)
    assert share_of(found, "agent=a", "any", "any")["share"] == pytest.approx(0.2)
    assert share_of(found, "agent=b", N, "policy")["share"] == pytest.approx(0.25)
    assert found.filter(pl.col("verdict_before") == C).is_empty()
    causes = found.filter((pl.col("slice") == "all") & (pl.col("verdict_before") == S))
    parts = causes.filter(pl.col("cause") != "any")["share"].sum()
    assert parts == pytest.approx(supported["share"])
    assert flips.headline(found, is_documents=True) == (
        "11.0% of the supported claims no longer hold (95% interval "
        f"{supported['ci_low']:.1%} to {supported['ci_high']:.1%}): 9.0 points because of the new verifier, "
        "2.0 points because the documentation changed"
    )


def test_a_stratum_nobody_could_judge_has_no_share_and_is_not_zero():
    drawn, population = drawn_rows((S, "a", 100, ["unjudged", "unjudged"]))
    found = flips.shares(drawn, population, ("agent",), run_id=RUN, found_at=NIGHT)
    assert share_of(found, "all", S, "any")["share"] is None
    assert flips.headline(found, is_documents=True) == "no supported claim was judged again"


def test_a_value_cannot_pass_for_a_name_of_another_slice():
    drawn, population = drawn_rows((S, "a=b&c%", 10, [None]), (S, "a", 10, [None]))
    found = flips.shares(drawn, population, ("agent",), run_id=RUN, found_at=NIGHT)
    assert set(found["slice"]) == {"all", "agent=a%3Db%26c%25", "agent=a"}


@given(st.integers(1, 80), st.data())
def test_a_plain_sample_has_the_interval_of_clopper_and_pearson(size, data):
    flipped = data.draw(st.integers(0, size))
    hits = np.arange(size) < flipped
    share, low, high = flips.interval(hits, np.full(size, 7.0), np.arange(size))
    exact = stats.binomtest(flipped, size).proportion_ci(method="exact")
    assert share == pytest.approx(flipped / size)
    assert (low, high) == pytest.approx((exact.low, exact.high), abs=1e-9)


@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(1.0, 1e6), st.integers(0, 9)),
        min_size=1,
        max_size=40,
    )
)
def test_an_interval_holds_its_share_and_does_not_depend_on_the_unit_of_the_weights(rows):
    hits, weights, clusters = (np.array(column) for column in zip(*rows, strict=True))
    clusters = np.unique(clusters, return_inverse=True)[1]
    share, low, high = flips.interval(hits, weights, clusters)
    assert 0.0 <= low <= share <= high <= 1.0
    assert flips.interval(hits, weights / 1e3, clusters) == pytest.approx((share, low, high), abs=1e-6)


def test_claims_of_one_output_count_as_little_more_than_one():
    hits = np.repeat([True, False, False, False, False, False, False, False, False, False], 20)
    together = flips.interval(hits, np.ones(200), np.repeat(np.arange(10), 20))
    apart = flips.interval(hits, np.ones(200), np.arange(200))
    assert together[0] == apart[0]
    assert together[2] - together[1] > 3 * (apart[2] - apart[1])


@pytest.mark.parametrize("flipping", [0.01, 0.1])
def test_intervals_cover_the_truth_of_a_population_whose_outputs_flip_as_a_whole(flipping):
    """Four claims an output that mostly flip together, in strata of unequal size and share."""
    random = np.random.default_rng(6)
    outputs, claims = 4000, 4
    rare = np.arange(outputs) < 400
    chance = np.where(rare, 4 * flipping, flipping)[:, None]
    truth, misses = chance.mean(), 0
    for _ in range(300):
        whole = random.random((outputs, 1)) < chance
        own = random.random((outputs, claims)) < chance
        state = np.where(random.random((outputs, claims)) < 0.8, whole, own)
        hits, weights, owners = [], [], []
        for stratum, size in ((rare, 60), (~rare, 120)):
            at = np.flatnonzero(np.repeat(stratum, claims))
            drawn = random.choice(at, size, replace=False)
            hits.append(state.ravel()[drawn])
            weights.append(np.full(size, len(at) / size))
            owners.append(drawn // claims)
        clusters = np.unique(np.concatenate(owners), return_inverse=True)[1]
        _, low, high = flips.interval(np.concatenate(hits), np.concatenate(weights), clusters)
        misses += not low <= truth <= high
    assert misses / 300 <= 0.05
