"""Pairs that differ by one fact, edited in the claim or in the evidence: neither side alone tells the label.

Belongs here: from sentences of natural documents to labelled pairs. Does not belong here: the edits
(`perturb.py`, `polarity.py`, `rephrase.py`), pairs made from patterns (`patterns.py`).

Editing claims alone teaches a network to look for odd claims: it then takes a negation in the evidence for
support. Here a sentence and its edited twin both serve as evidence, and both serve as claims about either
(after Gardner et al. 2020, "Evaluating Models' Local Decision Boundaries via Contrast Sets").
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from tasks.verify import selection
from training import perturb, polarity, rephrase
from training.augment import SCHEMA, Row, shorten


@dataclass(frozen=True)
class BothSidesParameters:
    """How sentences are drawn and shown."""

    shortest: int = 30
    longest: int = 220
    """Characters of a sentence that may be edited."""
    alone: float = 0.4
    """Share whose evidence is the sentence alone; the others stand among their neighbours."""
    neighbours: int = 4
    """Sentences before and after, at most."""
    reworded: float = 0.5
    """Share whose claim is shortened or reworded, so that a copy is not the sign of support."""


_CONDITION = (
    re.compile(
        r",? (?:if|unless|provided that|as long as|except|only if|only when|when) [^,.;]{6,80}(?=\.$)"
    ),
    re.compile(r"^(?:If|Unless|When|Once) [^,.;]{6,80}, (?=\w)"),
    re.compile(
        r" (?:for (?:people|patients|children|employees|users|customers|those|members)|up to|under|over"
        r"|during|until|within|after|before|at least) [^,.;]{4,60}(?=\.$)"
    ),
)


def condition(text: str, rng: random.Random) -> str | None:
    """The sentence without the condition, limit or group that it speaks of."""
    found = [p for p in _CONDITION if p.search(text)]
    if not found:
        return None
    bare = re.sub(r"\s+([,.])", r"\1", rng.choice(found).sub("", text, count=1)).strip()
    return bare[0].upper() + bare[1:] if len(bare) >= 25 else None


def make(documents: pl.DataFrame, count: int, parameters: BothSidesParameters, *, seed: int) -> pl.DataFrame:
    """About `count` pairs (`augment.SCHEMA`), two for each edited sentence, every kind of edit equally often.

    Args:
        documents: `dataset`, `text`.
        count: of pairs.
        parameters: lengths and shares.
        seed: the same seed and documents give the same rows.
    """
    rng = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
    cut = selection.sentences(documents["text"])
    names = documents["dataset"].to_list()
    usable = cut.with_row_index("at").filter(
        pl.col("sentence").str.len_chars().is_between(parameters.shortest, parameters.longest)
        & pl.col("sentence").str.contains(r"^[A-Z].*\.$")
        & ~pl.col("sentence").str.contains(r"[|`{}<>]")
    )
    order = usable.select("at", "row").rows()
    rng.shuffle(order)
    texts, rows = cut["sentence"].to_list(), cut["row"].to_list()
    pool = sorted({n for at, _ in order for n in perturb.names(texts[at])})
    edits: dict[str, perturb.Edit] = {
        **perturb.HARMFUL,
        "name": partial(perturb.name, pool=pool),
        "verb": polarity.verb,
        "opposite": polarity.opposite,
        "condition": condition,
    }
    made: list[Row] = []
    used = dict.fromkeys(edits, 0)
    for at, row in order:
        if len(made) >= count:
            break
        sentence = texts[at]
        possible = [
            (used[k], k, new) for k, e in edits.items() if (new := e(sentence, rng)) not in (None, sentence)
        ]
        if not possible:
            continue
        _, kind, edited = min(possible)
        used[kind] += 1
        around = _around(texts, rows, at, parameters, rng)
        made += _pairs(names[row], (sentence, str(edited)), kind, around=around, p=parameters, rng=rng)
    return pl.DataFrame(made, schema=SCHEMA, orient="row")


def _around(
    texts: Sequence[str], rows: Sequence[int], at: int, p: BothSidesParameters, rng: random.Random
) -> tuple[str, str]:
    """What stands before and after the sentence."""
    if rng.random() < p.alone:
        return "", ""
    before, after = rng.randint(0, p.neighbours), rng.randint(0, p.neighbours)
    near = range(max(0, at - before), min(len(texts), at + after + 1))
    kept = [i for i in near if rows[i] == rows[at]]
    return " ".join(texts[i] for i in kept if i < at), " ".join(texts[i] for i in kept if i > at)


def _pairs(
    dataset: str,
    twins: tuple[str, str],
    kind: str,
    *,
    around: tuple[str, str],
    p: BothSidesParameters,
    rng: random.Random,
) -> list[Row]:
    """A pair that holds and one that does not, over the same evidence or with the same claim."""
    told = _told(twins, p, rng)
    shown = [" ".join(part for part in (around[0], twin, around[1]) if part) for twin in twins]
    vague = kind in ("name", "tense", "unit")
    wrong = ["not_supported" if vague else "contradicted"] * 2
    if kind == "condition":
        # Bare claim over conditional evidence overstates it; the reverse adds what nothing says.
        wrong = ["not_supported", "insufficient"]
    first = rng.randrange(2)
    second = 1 - first
    same_evidence = rng.random() < 0.5
    holds = (dataset, told[first], shown[first], "supported", f"both_{kind}")
    if same_evidence:
        fails = (dataset, told[second], shown[first], wrong[first], f"both_{kind}")
    else:
        fails = (dataset, told[first], shown[second], wrong[second], f"both_{kind}")
    return [holds, fails]


def _told(twins: tuple[str, str], p: BothSidesParameters, rng: random.Random) -> tuple[str, str]:
    """The twins as claims: as they stand, or both shortened or reworded alike."""
    if rng.random() >= p.reworded:
        return twins
    ways: list[perturb.Edit] = [shorten, *rephrase.HARMLESS.values()]
    rng.shuffle(ways)
    for way in ways:
        state = rng.getrandbits(32)
        first, second = (way(twin, random.Random(state)) for twin in twins)  # noqa: S311
        if first and second and first != second:
            return first, second
    return twins
