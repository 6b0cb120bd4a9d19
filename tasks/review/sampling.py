"""Attribute sampling: how many items, which ones, and what their deviations say of all.

Belongs here: sizes, draws and limits. Does not belong here: what an item is or how it is shown.

Sizes and limits are exact (binomial, or hypergeometric where the population is known), not from tables that
round: the smallest n for which a population with the tolerable deviation rate would show no more than the
allowed deviations with probability at most 1 - confidence. Upper limits are Clopper and Pearson's (Biometrika
26, 1934), or their hypergeometric counterpart. The draw is fixed before anyone looks at an item: its seed is
SHA-256(checkpoint root ‖ auditor's nonce), and item i has the rank SHA-256(seed ‖ i as 8 bytes, big-endian).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

from scipy import special


def sample_size(
    confidence: float, tolerable: float, *, deviations: int = 0, population: int | None = None
) -> int:
    """Items to examine so that at most `deviations` among them support "the rate is at most `tolerable`".

    Args:
        confidence: probability of not accepting a population that is worse, for example 0.95.
        tolerable: deviation rate, for example 0.05.
        population: number of items there are; None is so many that it does not matter.

    Raises:
        ValueError: a rate outside (0, 1), or a population that has no such size.
    """
    if not 0 < confidence < 1 or not 0 < tolerable < 1:
        raise ValueError(f"confidence {confidence} and tolerable rate {tolerable} lie between 0 and 1")
    if deviations < 0:
        raise ValueError(f"deviations is {deviations}, expected 0 or more")
    if population is not None and population < 1:
        raise ValueError("there is nothing to sample")
    high = deviations + 1
    limit = population if population is not None else 10_000_000
    while high < limit and _risk(high, tolerable, deviations, population) > 1 - confidence:
        high *= 2
    low, high = deviations, min(high, limit)
    while low + 1 < high:
        middle = (low + high) // 2
        if _risk(middle, tolerable, deviations, population) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _risk(size: int, tolerable: float, deviations: int, population: int | None) -> float:
    """Probability of at most `deviations` in a sample from a population just as bad as tolerated."""
    if population is None:
        return float(special.bdtr(deviations, size, tolerable))
    bad = min(population, math.floor(population * tolerable) + 1)
    return _at_most(deviations, population, bad, size)


def _at_most(deviations: int, population: int, bad: int, size: int) -> float:
    """The hypergeometric probability of so many, or fewer, bad items in a sample of a population."""
    from scipy.stats import hypergeom  # here, for a night takes no sample and its import half a second

    return float(hypergeom.cdf(deviations, population, bad, size))


def upper_limit(deviations: int, size: int, confidence: float, *, population: int | None = None) -> float:
    """The deviation rate that the population does not exceed, at that confidence.

    Raises:
        ValueError: more deviations than items, or more items than the population.
    """
    if not 0 <= deviations <= size or size < 1 or (population is not None and size > population):
        raise ValueError(f"{deviations} deviations in {size} items of {population} is impossible")
    if deviations == size:
        return 1.0
    if population is None:
        return float(special.betaincinv(deviations + 1, size - deviations, confidence))
    low, high = deviations, population - (size - deviations)
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most(deviations, population, middle, size) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low / population


def stratified_upper_limit(
    deviations: int, sizes: Mapping[str, int], strata: Mapping[str, int], confidence: float
) -> float:
    """The rate that a population sampled by strata does not exceed, at that confidence at least.

    Deviations in such a sample are a sum of independent indicators (a hypergeometric count is one: Vatutin
    and Mikhailov, Theory of Probability 27, 1982). Below its mean no such sum is as likely to be small as the
    binomial of that mean (Hoeffding, Annals of Mathematical Statistics 27, 1956, theorem 4), so Clopper and
    Pearson's limit on the mean holds; the smallest sampling fraction turns it into a limit on the rate. With
    equal fractions in all strata that is the limit of a plain sample.

    Args:
        sizes, strata: items examined and items there are, by stratum.

    Raises:
        ValueError: as `upper_limit`, or a stratum without an examined item.
    """
    size, population = sum(sizes.values()), sum(strata.values())
    fraction = min(sizes.get(name, 0) / count for name, count in strata.items() if count)
    if not fraction:
        raise ValueError("a stratum has no examined item, so nothing can be said of the whole")
    mean = upper_limit(deviations, size, confidence) * size
    # The theorem speaks of counts at least one below the mean; elsewhere nothing is claimed.
    return min(1.0, mean / fraction / population) if deviations <= mean - 1 else 1.0


def draw(seed: bytes, items: Sequence[int], size: int) -> list[int]:
    """The `size` items of lowest rank, ascending by item; all of them where there are no more."""
    sha256 = hashlib.sha256
    ranked = sorted(items, key=lambda item: sha256(seed + item.to_bytes(8, "big")).digest())
    return sorted(ranked[:size])


def allocate(strata: Mapping[str, int], size: int, *, minimum: int = 1) -> dict[str, int]:
    """Items per stratum in proportion to its population, by largest remainder.

    Args:
        minimum: items that every stratum gets, or all that it has; less where `size` does not allow it.

    Raises:
        ValueError: fewer items than strata.
    """
    present = {name: count for name, count in sorted(strata.items()) if count}
    total = sum(present.values())
    if size >= total:
        return present
    if size < len(present):
        raise ValueError(f"{size} items cannot cover {len(present)} strata; ask for more")
    shares = {name: (size * count) / total for name, count in present.items()}
    floors = {name: min(count, minimum, size // len(present)) for name, count in present.items()}
    given = {name: max(floors[name], math.floor(share)) for name, share in shares.items()}
    order = sorted(present, key=lambda name: (given[name] - shares[name], name))
    at = 0
    while sum(given.values()) < size:
        name = order[at % len(order)]
        if given[name] < present[name]:
            given[name] += 1
        at += 1
    while sum(given.values()) > size:
        spare = [name for name in given if given[name] > floors[name]]
        name = max(spare, key=lambda each: (given[each] - shares[each], each))
        given[name] -= 1
    return given
