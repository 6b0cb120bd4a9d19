import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ledger import proofs
from tasks.review import sampling


@pytest.mark.parametrize(
    ("confidence", "tolerable", "sizes"),
    [(0.95, 0.05, (59, 93, 124, 153)), (0.90, 0.10, (22, 38, 52, 65))],
)
def test_exact_binomial_sizes_for_zero_to_three_deviations(confidence, tolerable, sizes):
    found = [sampling.sample_size(confidence, tolerable, deviations=k) for k in range(4)]
    assert tuple(found) == sizes


@given(
    population=st.integers(20, 3000),
    tolerable=st.floats(0.01, 0.3),
    confidence=st.sampled_from([0.8, 0.9, 0.95, 0.99]),
)
def test_a_hypergeometric_size_is_the_smallest_that_keeps_the_risk(population, tolerable, confidence):
    size = sampling.sample_size(confidence, tolerable, population=population)
    bad = min(population, math.floor(population * tolerable) + 1)

    def missed(n: int) -> float:
        """Probability of drawing no bad item, by counting."""
        return math.comb(population - bad, n) / math.comb(population, n)

    assert missed(size) <= 1 - confidence + 1e-9
    assert missed(size - 1) > 1 - confidence - 1e-9


def test_the_upper_limit_of_no_deviations_is_the_rule_of_three_made_exact():
    assert sampling.upper_limit(0, 59, 0.95) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert sampling.upper_limit(59, 59, 0.95) == 1.0


@given(st.integers(0, 5), st.integers(6, 60), st.integers(60, 400))
def test_a_known_population_never_widens_the_limit(deviations, size, population):
    exact = sampling.upper_limit(deviations, size, 0.95, population=population)
    assert exact <= sampling.upper_limit(deviations, size, 0.95) + 1 / population


def test_a_draw_is_fixed_by_root_and_nonce_and_not_by_the_order_of_items():
    seed = proofs.seed_of(b"r" * 32, "nonce")
    items = list(range(1000))
    assert sampling.draw(seed, items, 25) == sampling.draw(seed, items[::-1], 25)
    assert sampling.draw(seed, items, 25) != sampling.draw(proofs.seed_of(b"r" * 32, "other"), items, 25)
    assert len(set(sampling.draw(seed, items, 25))) == 25


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 500), min_size=1, max_size=6), st.integers(6, 200))
def test_strata_get_their_share_and_never_nothing(strata, size):
    given_ = sampling.allocate(strata, size)
    assert sum(given_.values()) == min(size, sum(strata.values()))
    assert all(1 <= given_[name] <= strata[name] for name in strata)


@pytest.mark.parametrize("bad", [(0.0, 0.05), (1.0, 0.05), (0.95, 0.0), (0.95, 1.0), (float("nan"), 0.05)])
def test_an_impossible_rate_is_refused(bad):
    with pytest.raises(ValueError, match="between 0 and 1"):
        sampling.sample_size(*bad)


@given(
    st.lists(st.tuples(st.integers(3, 9), st.integers(1, 3)), min_size=2, max_size=3),
    st.integers(0, 2),
    st.sampled_from([0.8, 0.9, 0.95]),
)
def test_a_stratified_limit_holds_for_every_way_the_deviations_may_lie(strata, deviations, confidence):
    """By counting: whatever population is worse than the limit shows so few deviations too rarely."""
    counts = {str(n): count for n, (count, _) in enumerate(strata)}
    sizes = {str(n): min(size, count) for n, (count, size) in enumerate(strata)}
    deviations = min(deviations, sum(sizes.values()))
    limit = sampling.stratified_upper_limit(deviations, sizes, counts, confidence)
    total = sum(counts.values())
    for bad in itertools.product(*(range(count + 1) for count in counts.values())):
        if sum(bad) / total > limit + 1e-12:
            assert _at_most(deviations, list(bad), list(counts.values()), list(sizes.values())) <= (
                1 - confidence + 1e-9
            )


def _at_most(deviations: int, bad: list[int], counts: list[int], sizes: list[int]) -> float:
    """Probability of so few deviations in a stratified sample."""
    chances = [1.0]
    for b, count, size in zip(bad, counts, sizes, strict=True):
        here = [
            math.comb(b, k) * math.comb(count - b, size - k) / math.comb(count, size) for k in range(size + 1)
        ]
        chances = [
            sum(chances[i] * here[k - i] for i in range(len(chances)) if 0 <= k - i <= size)
            for k in range(len(chances) + size)
        ]
    return sum(chances[: deviations + 1])


def test_a_stratified_limit_of_equal_fractions_is_that_of_a_plain_sample():
    equal = sampling.stratified_upper_limit(1, {"a": 30, "b": 60}, {"a": 300, "b": 600}, 0.95)
    assert equal == pytest.approx(sampling.upper_limit(1, 90, 0.95))
    with pytest.raises(ValueError, match="no examined item"):
        sampling.stratified_upper_limit(0, {"a": 30}, {"a": 300, "b": 600}, 0.95)
