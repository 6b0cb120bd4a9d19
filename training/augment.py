"""Training pairs made where labels are scarce: changed facts, several facts, evidence taken away.

Belongs here: from labelled pairs to more labelled pairs, pure and reproducible from a seed. Does not belong
here: the edits themselves (`perturb.py`, `rephrase.py`) or learning (`training/train.py`).

Every made pair says in `kind` how it was made, so that what each kind is worth can be measured.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tasks.verify import selection
from training import perturb, rephrase

Row = tuple[str, str, str, str, str]
"""dataset, claim, evidence, label, kind."""

SCHEMA = pl.Schema(dict.fromkeys(("dataset", "claim", "evidence", "label", "kind"), pl.String))


@dataclass(frozen=True)
class AugmentParameters:
    """How much of each kind is made; the shares are of the rows a kind can be made from."""

    changed_share: float = 0.6
    """Supported pairs that also appear with one fact changed: the model must see both sides of an edit."""
    harmless_share: float = 0.2
    framed_share: float = 0.0
    """Pairs whose claim is told as in conversation; off, since that cost ranking (decision 9)."""
    voice_share: float = 1.0
    """Passive sentences with an agent are rare, and exchanged names would else teach that order decides."""
    distractor_share: float = 0.3
    """Pairs whose evidence is put among sentences of other pairs, because real evidence is never alone."""
    swapped_share: float = 0.35
    several_share: float = 0.25
    document_rounds: int = 4
    """Pairs made from each document's own sentences."""
    shortest_sentence: int = 35
    longest_sentence: int = 230
    """Characters of a sentence that may serve as a claim."""
    evidence_characters: tuple[int, int] = (220, 460)
    """Bounds between which the budget of a made passage is drawn."""


_DROP = (
    re.compile(r" ?\([^()]{2,60}\)"),
    re.compile(r", (?:which|who|where) [^,.]{5,70}(?=,)"),
    re.compile(r"^(?:In|On|During|After|Since|By) [^,]{3,40}, (?=[A-Z])"),
    re.compile(r", (?:while|but|although|and|with|including) [^,]{8,90}(?=\.$)"),
)


def shorten(sentence: str, rng: random.Random) -> str | None:
    """A part of the sentence that follows from it: without a parenthesis, relative clause or last clause."""
    found = [p for p in _DROP if p.search(sentence)]
    if not found:
        return None
    shorter = re.sub(r"\s+([,.])", r"\1", rng.choice(found).sub("", sentence, count=1)).strip()
    return shorter if len(shorter) >= 25 else None


def make(pairs: pl.DataFrame, parameters: AugmentParameters, *, seed: int) -> pl.DataFrame:
    """Made pairs (`SCHEMA`) from labelled ones.

    Args:
        pairs: `dataset`, `claim`, `evidence` (one string), `label` (supported, contradicted, insufficient or
            not_supported).
        parameters: shares and lengths.
        seed: the same seed and pairs give the same rows in the same order.
    """
    rng = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
    rows = [tuple(r) for r in pairs.select("dataset", "claim", "evidence", "label").iter_rows()]
    pool = sorted({n for _, claim, evidence, _ in rows for n in perturb.names(claim + " " + evidence[:200])})
    made: list[Row] = []
    made += _edited(rows, pool, parameters, rng)
    made += _several(rows, parameters, rng)
    made += _distracted(rows, parameters, rng)
    made += _swapped(rows, parameters, rng)
    made += _told_actively(rows, parameters, rng)
    for _ in range(parameters.document_rounds):
        made += _documents(rows, pool, parameters, rng)
    return pl.DataFrame(made, schema=SCHEMA, orient="row")


def _harm(text: str, pool: Sequence[str], rng: random.Random) -> tuple[str, str, str] | None:
    """(changed text, kind, label): a kind drawn first, so that rare kinds are not drowned by common ones."""
    kinds = [*perturb.HARMFUL, "name", "roles"]
    rng.shuffle(kinds)
    for kind in kinds:
        if kind in ("tense", "negation") and rng.random() < 0.5:
            continue
        if kind == "name":
            new = perturb.name(text, rng, pool)
        else:
            new = perturb.roles(text, rng) if kind == "roles" else perturb.HARMFUL[kind](text, rng)
        if new is not None and new != text:
            vague = kind in ("name", "roles", "tense", "unit")
            return new, kind, "not_supported" if vague else "contradicted"
    return None


def _harmless(text: str, rng: random.Random) -> tuple[str, str] | None:
    kinds = list(rephrase.HARMLESS)
    rng.shuffle(kinds)
    for kind in kinds:
        new = rephrase.HARMLESS[kind](text, rng)
        if new is not None and new != text:
            return new, kind
    return None


def _edited(
    rows: Sequence[tuple[str, ...]], pool: Sequence[str], p: AugmentParameters, rng: random.Random
) -> list[Row]:
    """Supported pairs with one fact of the claim changed, and any pair with a harmless change."""
    made: list[Row] = []
    for dataset, claim, evidence, label in rows:
        if label == "supported" and rng.random() < p.changed_share:
            harm = _harm(claim, pool, rng)
            if harm is not None and harm[0] not in evidence:
                made.append((dataset, harm[0], evidence, harm[2], f"changed_{harm[1]}"))
        if rng.random() < p.harmless_share:
            same = _harmless(claim, rng)
            if same is not None:
                made.append((dataset, same[0], evidence, label, f"harmless_{same[1]}"))
        if p.framed_share and rng.random() < p.framed_share:
            framed = rephrase.framing(claim, rng)
            if framed is not None:
                made.append((dataset, framed, evidence, label, "framed"))
        if rng.random() < p.voice_share:
            made += _voices(dataset, claim, evidence, label, rng)
    return made


def _voices(dataset: str, claim: str, evidence: str, label: str, rng: random.Random) -> list[Row]:
    """The active form of a passive claim, and of the claim that says it the other way round."""
    active = rephrase.voice(claim, rng)
    if active is None:
        return []
    made = [(dataset, active, evidence, label, "voice")]
    turned = perturb.roles(claim, rng) if label == "supported" else None
    wrong = None if turned is None else rephrase.voice(turned, rng)
    if wrong is not None and turned != claim:
        made.append((dataset, wrong, evidence, "not_supported", "voice_roles"))
    return made


def _told_actively(rows: Sequence[tuple[str, ...]], p: AugmentParameters, rng: random.Random) -> list[Row]:
    """Passive sentences of evidence in the active voice, as claims about that evidence."""
    texts = {evidence: dataset for dataset, _, evidence, _ in rows}
    cut = selection.sentences(pl.Series(list(texts), dtype=pl.String)).unique("sentence", maintain_order=True)
    passive = cut.filter(
        pl.col("sentence").str.len_chars().is_between(p.shortest_sentence, p.longest_sentence)
        & pl.col("sentence").str.contains(r"\b(?:was|were|is|are)\b.*\bby\b")
    )
    evidence = list(texts)
    made: list[Row] = []
    for row, sentence in passive.select("row", "sentence").iter_rows():
        light = shorten(sentence, rng) if rng.random() < 0.5 else None
        text = evidence[row]
        made += _voices(texts[text], light or sentence, text, "supported", rng)
    return made


def _several(rows: Sequence[tuple[str, ...]], p: AugmentParameters, rng: random.Random) -> list[Row]:
    """Two claims as one, over the evidence of both or of one: every part must hold."""
    usable = [r for r in rows if r[3] != "not_supported" and len(r[1]) < 130 and len(r[2]) < 260]
    by_dataset: dict[str, list[tuple[str, ...]]] = {}
    for row in usable:
        by_dataset.setdefault(row[0], []).append(row)
    made: list[Row] = []
    for dataset, group in sorted(by_dataset.items()):
        supported = [r for r in group if r[3] == "supported"]
        others = [r for r in group if r[3] != "supported"]
        if len(supported) < 2:
            continue
        for first in supported:
            if rng.random() >= p.several_share:
                continue
            choice = rng.random()
            second = rng.choice(supported if choice < 0.5 or not others else others)
            if second[1] == first[1]:
                continue
            claims = [first[1], second[1]]
            label = second[3]
            evidence = [first[2], second[2]] if first[2] != second[2] else [first[2]]
            if choice < 0.12:
                evidence, label = evidence[:1], "insufficient"
            rng.shuffle(claims)
            rng.shuffle(evidence)
            made.append((dataset, _joined(claims, rng), " ".join(evidence), label, "several_facts"))
    return made


def _joined(claims: Sequence[str], rng: random.Random) -> str:
    first, second = (c.strip() for c in claims)
    if rng.random() < 0.5 and first.endswith("."):
        return (
            f"{first[:-1]}, and {second}"
            if second.startswith(("The", "It", "He", "She"))
            else f"{first} {second}"
        )
    return f"{first if first.endswith(('.', '!', '?')) else first + '.'} {second}"


def _distracted(rows: Sequence[tuple[str, ...]], p: AugmentParameters, rng: random.Random) -> list[Row]:
    """The same pair with sentences of other pairs before and after its evidence, some on its subject."""
    short = [r for r in rows if len(r[2]) < 240]
    by_dataset: dict[str, list[str]] = {}
    by_start: dict[str, list[str]] = {}
    for row in short:
        by_dataset.setdefault(row[0], []).append(row[2])
        by_start.setdefault(_start(row[1]), []).append(row[2])
    made: list[Row] = []
    for dataset, claim, evidence, label in short:
        if rng.random() < p.distractor_share:
            anywhere = rng.sample(by_dataset[dataset], min(rng.choice((1, 2, 3)), len(by_dataset[dataset])))
            # Only where evidence settles the claim: another text on the subject may settle an open one.
            near = (
                []
                if label in ("insufficient", "not_supported")
                else rng.choices(by_start[_start(claim)], k=2)
            )
            parts = list(dict.fromkeys([evidence, *near, *anywhere]))
            rng.shuffle(parts)
            made.append((dataset, claim, " ".join(parts), label, "distractors"))
    return made


def _start(claim: str) -> str:
    """The first two words, which mostly name the subject."""
    return " ".join(claim.split()[:2])


def _swapped(rows: Sequence[tuple[str, ...]], p: AugmentParameters, rng: random.Random) -> list[Row]:
    """A claim with the evidence of another claim that begins alike: on the subject, and not enough."""
    by_start: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        by_start.setdefault(_start(row[1]), []).append(row)
    made: list[Row] = []
    for dataset, claim, evidence, label in rows:
        if label in ("insufficient", "not_supported") or rng.random() >= p.swapped_share:
            continue
        near = by_start[_start(claim)]
        other = rng.choice(near if len(near) > 1 and rng.random() < 0.8 else rows)
        # Evidence of a sibling that states the same would make the label wrong.
        told = set(re.findall(r"\w{4,}", claim.lower()))
        given = set(re.findall(r"\w{4,}", other[2].lower()))
        if other[2] != evidence and len(told & given) <= 0.6 * len(told):
            made.append((dataset, claim, other[2], "insufficient", "swapped_evidence"))
    return made


def _documents(
    rows: Sequence[tuple[str, ...]], pool: Sequence[str], p: AugmentParameters, rng: random.Random
) -> list[Row]:
    """Sentences of real documents as claims about those documents: kept, changed, taken away, joined."""
    documents: dict[str, str] = {}
    for dataset, _, evidence, _ in rows:
        if len(evidence) > 240:
            documents.setdefault(evidence, dataset)
    texts = list(documents)
    cut = selection.sentences(pl.Series(texts, dtype=pl.String)) if texts else None
    made: list[Row] = []
    if cut is None:
        return made
    for (index,), group in cut.group_by("row", maintain_order=True):
        parts = group["sentence"].to_list()
        usable = [i for i, s in enumerate(parts) if p.shortest_sentence <= len(s) <= p.longest_sentence]
        if len(usable) < 2 or len(parts) < 3:
            continue
        at, also = rng.sample(usable, 2)
        made.append(_document(documents[texts[int(str(index))]], parts, at, also, pool=pool, p=p, rng=rng))
    return made


def _document(
    dataset: str,
    parts: Sequence[str],
    at: int,
    also: int,
    *,
    pool: Sequence[str],
    p: AugmentParameters,
    rng: random.Random,
) -> Row:
    """One pair from one document; `at` and `also` are two of its sentences."""
    shown = {i: s for i, s in enumerate(parts) if i in _around(parts, (at, also), p, rng)}
    claim, other = parts[at], parts[also]
    kind, label = "document_kept", "supported"
    two = rng.random() < 0.3
    draw = rng.random()
    light = shorten(claim, rng) or claim
    same = _harmless(light, rng)
    told = same[0] if same is not None and rng.random() < 0.5 else light
    if draw < 0.35:
        claim = told
    elif draw < 0.75:
        harm = _harm(told if rng.random() < 0.6 else claim, pool, rng)
        if harm is not None:
            kind, label = f"document_changed_{harm[1]}", harm[2]
            if rng.random() < 0.35 and told == claim:
                shown[at] = harm[0]
                kind = f"document_evidence_changed_{harm[1]}"
            else:
                claim = harm[0]
    else:
        shown.pop(at)
        kind, label = "document_removed", "insufficient"
    if two:
        order = [claim, other] if rng.random() < 0.5 else [other, claim]
        claim, kind = _joined(order, rng), f"{kind}_two"
    return dataset, claim, " ".join(shown[i] for i in sorted(shown)), label, kind


def _around(
    parts: Sequence[str], needed: Sequence[int], p: AugmentParameters, rng: random.Random
) -> set[int]:
    """The needed sentences and others, drawn until the budget of characters is full."""
    budget = rng.randint(*p.evidence_characters)
    taken = set(needed)
    used = sum(len(parts[i]) for i in taken)
    rest = [i for i in range(len(parts)) if i not in taken]
    rng.shuffle(rest)
    for index in rest:
        if used + len(parts[index]) <= budget or len(taken) < 3:
            taken.add(index)
            used += len(parts[index])
    return taken
