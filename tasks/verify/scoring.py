"""Pairs of a frame to verdicts: what a row's evidence says together, which piece speaks loudest, and why."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl

from tasks.decide import explanation, policies, verdicts
from tasks.privacy import addressing
from tasks.tables import PROBABILITIES
from tasks.text import pairs
from tasks.verify.protocol import ReadsTogether, Verifier, languages_of

EXPLAINED = ("reason", "decisive_start", "decisive_end", "decisive_sentence")
"""The verdict in words, and the sentence of the best evidence that decided, with its place there."""

ADDRESSES = "addresses_judge"
"""Whether the claim or any of its evidence addresses the verifier (`tasks/privacy/addressing.py`)."""
ADDED = ("verdict", *PROBABILITIES, "best_evidence", *EXPLAINED, ADDRESSES)


def score_frame(frame: pl.DataFrame, verifier: Verifier, policy: policies.Policy) -> pl.DataFrame:
    """The frame with `ADDED`; `evidence` is a string or a list of strings, null and blank ones are none.

    The verdict is of a row's evidence read together as one passage, in the order given, because a claim may
    rest on several pieces; each piece is also scored alone, or by what it shares with the claim where the
    verifier says so (`ReadsTogether`), which chooses `best_evidence`. Where all of it
    together does not fit the verifier, the pieces' scores are combined instead (`verdicts.combine`). An
    input column named as an added one is replaced.

    Raises:
        ModelError: the verifier fails.
    """
    evidence = _listed(frame)
    flat = _flat(frame, evidence)
    combined, alone, read, asked = _scored(flat, frame.height, verifier)
    result = frame.drop(ADDED, strict=False).with_columns(verdicts.rounded(combined))
    result = result.with_columns(
        verdict=verdicts.judged(pl.lit(policy.threshold_supported), pl.lit(policy.threshold_contradicted))
    )
    best = _best(flat.with_columns(verdicts.rounded(alone)), result, frame, evidence)
    result = result.with_columns(best_evidence=best)
    texts = frame.select(evidence.cast(pl.List(pl.String)).alias("evidence"))["evidence"]
    judged = result.select("verdict", *PROBABILITIES, "best_evidence")
    explained = _explained(
        judged.with_columns(read=pl.Series(read), asked=pl.Series(asked)),
        frame,
        texts,
        languages_of(verifier),
    )
    return result.with_columns(*explained, _addressing(frame["claim"], texts)).select(
        *(name for name in frame.columns if name not in ADDED), *ADDED
    )


def probabilities(frame: pl.DataFrame, verifier: Verifier) -> np.ndarray:
    """(n, 3) of the rows as `score_frame` judges them, unrounded and without anything else."""
    return _scored(_flat(frame, _listed(frame)), frame.height, verifier)[0]


def _listed(frame: pl.DataFrame) -> pl.Expr:
    evidence = pl.col("evidence")
    if isinstance(frame.schema["evidence"], pl.List):
        return evidence
    return pl.when(evidence.is_null()).then(pl.lit([], pl.List(pl.String))).otherwise(
        pl.concat_list(evidence.cast(pl.String))
    )  # fmt: skip


def _flat(frame: pl.DataFrame, evidence: pl.Expr) -> pl.DataFrame:
    """A row per piece that says something: row, claim, passage, place."""
    return (
        frame.select(
            pairs.without_citations(pl.col("claim").cast(pl.String).fill_null("")),
            passage=evidence.cast(pl.List(pl.String)),
        )
        .with_row_index("row")
        .with_columns(place=pl.int_ranges(0, pl.col("passage").list.len()))
        .explode("passage", "place", empty_as_null=True)
        .drop_nulls("passage")
        .filter((pl.col("passage").str.strip_chars() != "") & (pl.col("claim").str.strip_chars() != ""))
    )


def _addressing(claims: pl.Series, evidence: pl.Series) -> pl.Series:
    """`ADDRESSES` of pairs; the claim as it stands, citations and all."""
    pieces = evidence.to_frame("text").with_row_index("row").explode("text", empty_as_null=True)
    flagged = pieces.filter(addressing.is_addressed(pieces["text"]))["row"]
    rows = pl.int_range(len(claims), dtype=pl.UInt32, eager=True)
    return (rows.is_in(flagged.implode()) | addressing.is_addressed(claims)).rename(ADDRESSES)


def _explained(
    result: pl.DataFrame, frame: pl.DataFrame, evidence: pl.Series, reads: Collection[str] | None
) -> list[pl.Series]:
    """The columns `EXPLAINED`; `evidence[3]` in a reason is the piece that `best_evidence` 3 names."""
    claims = frame.select(pairs.without_citations(pl.col("claim").cast(pl.String).fill_null("")))["claim"]
    texts = pl.DataFrame({"evidence": evidence, "best": result["best_evidence"]}).select(
        best=pl.col("evidence").list.get(pl.col("best"), null_on_oob=True).fill_null(""),
        whole=pl.col("evidence").list.join("\n", ignore_nulls=True).fill_null(""),
        pieces=pl.col("evidence").list.len().fill_null(0),
    )
    found = explanation.findings(claims, texts["best"], texts["whole"], result["verdict"], reads)
    located = found["start"].is_not_null()
    decisive = explanation.deciding(claims, texts["best"]).with_columns(
        pl.when(located).then(found[name]).otherwise(name).alias(name)
        for name in ("start", "end", "sentence")
    )
    said = result.with_columns(
        decisive,
        place=pl.when(texts["pieces"] > 1)
        .then(pl.format("evidence[{}]", "best_evidence"))
        .otherwise(pl.lit("the evidence")),
        finding=found["finding"],
        absent=explanation.absent(claims, texts["whole"]),
        fact=explanation.unsettled(claims, texts["whole"]),
        blank_claim=claims.str.strip_chars() == "",
        blank_evidence=texts["whole"].str.strip_chars() == "",
    )
    score = pl.when(pl.col("verdict") == "contradicted").then("p_contradicted").otherwise("p_supported")
    reason = (
        pl.when("blank_claim")
        .then(pl.lit("the claim is empty"))
        .when("blank_evidence")
        .then(pl.lit("no evidence was given for this claim"))
        .when(~pl.col("read") & pl.col("asked"))
        .then(pl.lit("no_answer: the verifier was asked and gave no usable answer"))
        .when(~pl.col("read"))
        .then(pl.lit("input_too_long: claim and evidence together are more than the verifier reads"))
        .otherwise(explanation.worded(score.round(2).cast(pl.String)))
    )
    return said.select(
        reason.alias("reason"),
        pl.col("start").cast(pl.Int32).alias("decisive_start"),
        pl.col("end").cast(pl.Int32).alias("decisive_end"),
        pl.col("sentence").alias("decisive_sentence"),
    ).get_columns()


def _scored(
    flat: pl.DataFrame, count: int, verifier: Verifier
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(count, 3) of the rows, (m, 3) that says which piece spoke for each.

    And two of (count,): whether any piece was read, whether any was asked about in vain.
    """
    row = flat["row"].to_numpy()
    read, asked = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    pieces = pl.len().alias("pieces")
    together = flat.group_by("row", maintain_order=True).agg(
        pl.col("claim").first(), pl.col("passage").str.join("\n"), pieces
    )
    if isinstance(verifier, ReadsTogether):
        # Each piece costs as much as all of them, and what it shares with the claim names the best as well.
        scores = verifier.score(together["claim"].to_list(), together["passage"].to_list())
        combined = verdicts.combine(scores.probabilities, together["row"].to_numpy(), count)
        shared = verifier.shared(flat["claim"], flat["passage"])
        read[together["row"].to_numpy()[scores.is_read]] = True
        unread = together.filter(pl.Series(~scores.is_read))["row"]
        rest = flat.filter(pl.col("row").is_in(unread.implode()))
        if rest.height:
            single = verifier.score(rest["claim"].to_list(), rest["passage"].to_list())
            rows, owner = unread.to_numpy(), rest["row"].to_numpy()
            combined[rows] = verdicts.combine(single.probabilities, owner, count)[rows]
            read[owner[single.is_read]] = True
        return combined, np.column_stack([shared / 2, shared / 2, 1.0 - shared]), read, asked
    # Only rows of several pieces need a reading of their own for all of them together.
    together = together.filter(pl.col("pieces") > 1)
    both = pl.concat([flat.select("claim", "passage"), together.select("claim", "passage")])
    scores = verifier.score(both["claim"].to_list(), both["passage"].to_list())
    alone, joint = scores.probabilities[: flat.height], scores.probabilities[flat.height :]
    combined = verdicts.combine(alone, row, count)
    whole = scores.is_read[flat.height :]
    combined[together["row"].to_numpy()[whole]] = joint[whole]
    read[row[scores.is_read[: flat.height]]] = True
    read[together["row"].to_numpy()[whole]] = True
    asked[row[scores.is_unanswered[: flat.height]]] = True
    return combined, alone, read, asked


def _best(flat: pl.DataFrame, result: pl.DataFrame, frame: pl.DataFrame, evidence: pl.Expr) -> pl.Series:
    """Index of the evidence that speaks loudest for the verdict; the first where nothing was scored."""
    said = result.select("verdict").with_row_index("row")
    speaks = (
        pl.when(pl.col("verdict") == "supported")
        .then(pl.col("p_supported"))
        .when(pl.col("verdict") == "contradicted")
        .then(pl.col("p_contradicted"))
        .otherwise(1.0 - pl.col("p_insufficient"))
    )
    loudest = (
        flat.join(said, on="row", maintain_order="left")
        .with_columns(speaks=speaks)
        .sort("row", "speaks", "place", descending=[False, True, False])
        .group_by("row", maintain_order=True)
        .agg(pl.col("place").first())
    )
    offered = frame.select(count=evidence.list.len()).with_row_index("row")
    return (
        offered.join(loudest, on="row", how="left", maintain_order="left")
        .select(pl.when(pl.col("count") > 0).then(pl.col("place").fill_null(0)).cast(pl.Int64).alias("best"))
        .to_series()
    )
