"""Contrast sets: true claims, each beside an edit of it that must or must not change the verdict.

Belongs here: making the cases and judging scores of them. Does not belong here: the edits (`perturb.py`,
`rephrase.py`) or a verifier. In the spirit of behavioural testing (Ribeiro et al. 2020, ACL) and contrast
sets (Gardner et al. 2020, EMNLP Findings).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from tasks.verify import selection
from training import perturb, rephrase

SCHEMA = pl.Schema(dict.fromkeys(("kind", "effect", "claim", "edited", "evidence"), pl.String))


@dataclass(frozen=True)
class ContrastParameters:
    """How cases are drawn."""

    per_kind: int = 200
    passage_sentences: int = 5
    """Sentences of a document shown as evidence, the claim's own among them."""
    shortest: int = 40
    longest: int = 220
    """Characters of a document's sentence that may serve as a claim."""
    shortest_document: int = 160
    """Characters of evidence whose sentences serve as claims about it."""
    seed: int = 11


def cases(pairs: pl.DataFrame, parameters: ContrastParameters | None = None) -> pl.DataFrame:
    """`SCHEMA`: at most `per_kind` cases of each kind; `effect` is "lower" or "keep".

    Args:
        pairs: `claim`, `evidence` (one string), `label`. Supported claims are used as they stand, and
            sentences of longer evidence as claims of the passage around them, which they follow from.
        parameters: sizes and seed.
    """
    parameters = parameters or ContrastParameters()
    rng = random.Random(parameters.seed)  # noqa: S311 - a reproducible draw
    true = _true_claims(pairs, parameters)
    pool = sorted({name for claim, _ in true for name in perturb.names(claim)})
    rng.shuffle(true)
    made: list[tuple[str, str, str, str, str]] = []
    edits: list[tuple[str, dict[str, perturb.Edit]]] = [
        ("lower", {**perturb.HARMFUL, "name": partial(perturb.name, pool=pool)}),
        ("keep", {**rephrase.HARMLESS, "framing": rephrase.framing}),
    ]
    for effect, kind, edit in ((effect, *each) for effect, kinds in edits for each in kinds.items()):
        used: set[str] = set()
        for claim, evidence in true:
            if len(used) == parameters.per_kind:
                break
            if claim in used:
                continue
            edited = edit(claim, rng)
            if edited is None or edited == claim or (effect == "lower" and edited in evidence):
                continue
            made.append((kind, effect, claim, edited, evidence))
            used.add(claim)
    return pl.DataFrame(made, schema=SCHEMA, orient="row")


def judge(made: pl.DataFrame, before: np.ndarray, after: np.ndarray, threshold: float = 0.5) -> pl.DataFrame:
    """`kind`, `effect`, `cases`, `passed` (share), `verdict_changed` (share).

    A case that must lower passes where p_supported is less after the edit; one that must keep passes where it
    stays on its side of the threshold.

    Args:
        made: n rows of `cases`.
        before: (n,) p_supported of the claims.
        after: (n,) p_supported of the edited claims.
        threshold: of the verdict supported.
    """
    kept = (before >= threshold) == (after >= threshold)
    passed = np.where(made["effect"].to_numpy() == "lower", after < before, kept)
    return (
        made.select("kind", "effect")
        .with_columns(passed=pl.Series(passed), changed=pl.Series(~kept))
        .group_by("effect", "kind", maintain_order=True)
        .agg(cases=pl.len(), passed=pl.col("passed").mean(), verdict_changed=pl.col("changed").mean())
        .select("kind", "effect", "cases", "passed", "verdict_changed")
    )


def _true_claims(pairs: pl.DataFrame, p: ContrastParameters) -> list[tuple[str, str]]:
    given = pairs.filter((pl.col("label") == "supported") & (pl.col("evidence").str.len_chars() < 1500))
    true = [(str(c), str(e)) for c, e in given.select("claim", "evidence").iter_rows()]
    long = pairs["evidence"].unique(maintain_order=True)
    cut = selection.sentences(long.filter(long.str.len_chars() > p.shortest_document))
    for _, group in cut.group_by("row", maintain_order=True):
        parts = group["sentence"].to_list()
        for start in range(0, len(parts), p.passage_sentences):
            shown = parts[start : start + p.passage_sentences]
            usable = [
                s for s in shown if p.shortest <= len(s) <= p.longest and s[0].isupper() and s[-1] == "."
            ]
            true += [(claim, " ".join(shown)) for claim in usable]
    return sorted(set(true))
