"""Numbers of a pack: definitions, intervals, and the tree that ties events to the root."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from tasks.ledger import merkle
from tasks.pack import criteria, maps, measures, numbers, tree
from tasks.pack.measures import Measure, Ratio

AUDITOR = Path(__file__).parents[2] / "docs" / "auditor"


@pytest.fixture(scope="module")
def checker() -> Any:
    """`check.py` as a module, with its neighbours."""
    spec = importlib.util.spec_from_file_location("check_pack", AUDITOR / "check_pack.py")
    assert spec and spec.loader  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("part", "whole"), [(0, 10), (3, 4), (59, 59), (1, 100_000)])
def test_intervals_are_wilsons_and_the_checkers_own(checker: Any, part: int, whole: int) -> None:
    low, high = stats.binomtest(part, whole).proportion_ci(method="wilson")
    assert measures.wilson(part, whole) == pytest.approx([low, high], abs=1e-6)
    assert measures.wilson(part, whole) == checker.wilson(part, whole)


def test_an_empty_population_has_neither_share_nor_interval() -> None:
    found = measures.results({"a": 0, "b": 0}, [Ratio("r", "r", "a", "b", is_sampled=True)])
    assert found.values["r"] is None
    assert found.intervals["r"] is None


def test_every_number_that_a_criterion_shows_is_declared_once() -> None:
    names = [m.name for m in numbers.MEASURES] + [r.name for r in numbers.RATIOS]
    assert len(names) == len(set(names))
    for criterion in criteria.CRITERIA:
        assert {*criterion.numbers, *criterion.needs} <= set(names), criterion.name
    for ratio in numbers.RATIOS:
        assert {ratio.part, ratio.whole} <= set(names)


def test_maps_point_to_criteria_that_are_there_and_name_their_source() -> None:
    known = {criterion.name for criterion in criteria.CRITERIA}
    for framework in maps.FRAMEWORKS:
        assert framework.source
        for line in framework.lines:
            assert set(line.sections) <= known


def test_a_measure_of_the_period_before_reads_its_own_file() -> None:
    assert Measure("previous/verdicts.all", "").file == "previous/verdicts.csv"
    assert Measure("verdicts.all", "").file == "populations/verdicts.csv"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 100])
def test_any_range_of_leaves_and_the_rest_of_the_tree_give_the_root(checker: Any, size: int) -> None:
    leaves = [merkle.leaf_hash(b"%d" % n) for n in range(size)]

    def node(level: int, index: int) -> bytes:
        return merkle.root_of(b"".join(leaves[index << level : (index + 1) << level]))

    root = merkle.root_of(b"".join(leaves))
    for low in range(size):
        for high in range(low + 1, size + 1, 3):
            rest = iter(tree.outside(low, high, size, node))
            assert checker.tree(low, high, 0, size, leaves[low:high], rest) == root
            assert next(rest, None) is None


def test_the_checkers_signatures_are_those_of_a_library(checker: Any) -> None:
    """RFC 8032 by the standard library alone against OpenSSL, good and bad."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    spec = importlib.util.spec_from_file_location("ed25519", AUDITOR / "ed25519.py")
    assert spec and spec.loader  # noqa: PT018
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    for number in range(5):
        key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        message = b"m" * number
        signature = key.sign(message)
        public = own.Ed25519PublicKey.from_public_bytes(key.public_key().public_bytes_raw())
        public.verify(signature, message)
        for at in (0, 31, 32, 63):
            bad = signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]
            with pytest.raises(own.InvalidSignature):
                public.verify(bad, message)
        with pytest.raises(own.InvalidSignature):
            public.verify(signature, message + b"x")
