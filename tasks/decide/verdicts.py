"""From scores of passages to a verdict per claim.

The order in which a verdict is reached, first that applies:

1. no passage at all: insufficient;
2. no passage fitted the verifier: insufficient, `input_too_long`;
3. fewer scored passages than the policy's minimum: insufficient;
4. one passage supports and another contradicts, and all of them together do not clearly contradict:
   conflict, and the policy says what then;
5. p_supported or p_contradicted at or above its threshold, the larger where both are, support on a tie
   only where it is strictly larger;
6. else insufficient.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from tasks import ids, tables
from tasks.decide import explanation
from tasks.decide.citations import citations
from tasks.decide.policies import COLUMNS, Policy, for_use_case, row_of
from tasks.privacy import addressing
from tasks.schema import conform
from tasks.tables import PROBABILITIES, TOOL
from tasks.text import pairs, rules

MILLION = 1_000_000
"""Probabilities are kept to six decimals, so that they are whole millionths in the audit trail."""
CLEARLY_AGAINST = 0.85
"""p_contradicted of all evidence read together, from which a passage that seems to support the claim no
longer counts: it may share the claim's words and not its number or negation. Scores of single passages,
combined, stay below it where one of them supports."""
ADDRESSED = r"; \d+ of \d+ passages address(?:es)? the verifier \(rank [\d, ]+\)$"
"""How the reason of a verdict ends where evidence addresses the verifier (linear-time regular expression)."""


def rounded(probabilities: np.ndarray) -> list[pl.Series]:
    """(n, 3) rows that sum to 1 as three columns of six decimals that still do, to the last millionth."""
    millionths = np.rint(np.asarray(probabilities, np.float64).reshape(-1, 3) * MILLION).astype(np.int64)
    # What rounding adds or takes goes to the largest, which it changes least.
    rows = np.arange(len(millionths))
    millionths[rows, millionths.argmax(axis=1)] += MILLION - millionths.sum(axis=1)
    return [pl.Series(name, millionths[:, i] / MILLION) for i, name in enumerate(PROBABILITIES)]


def combine(probabilities: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """(n, 3) scores of passages to (count, 3) of claims; `group` (n,) is each passage's claim.

    The maximum of support and of contradiction, scaled to sum 1 where they exceed it; the rest is
    insufficient. A fact is in one passage, and passages that say nothing must not outvote it. Claims
    without a passage are (0, 0, 1). The order of passages does not matter.
    """
    best = np.zeros((count, 2))
    np.maximum.at(best, group, probabilities[:, :2])
    best /= np.maximum(best.sum(axis=1, keepdims=True), 1.0)
    return np.column_stack([best, np.clip(1.0 - best.sum(axis=1), 0.0, 1.0)])


def judged(threshold_supported: pl.Expr, threshold_contradicted: pl.Expr) -> pl.Expr:
    """Verdict by thresholds alone, from the columns `p_supported` and `p_contradicted`."""
    p_supported, p_contradicted = pl.col("p_supported"), pl.col("p_contradicted")
    supports = p_supported >= threshold_supported
    contradicts = p_contradicted >= threshold_contradicted
    return (
        pl.when(supports & (~contradicts | (p_supported > p_contradicted)))
        .then(pl.lit("supported"))
        .when(contradicts)
        .then(pl.lit("contradicted"))
        .otherwise(pl.lit("insufficient"))
    )


def decide(
    claims: pl.DataFrame,
    evidence: pl.DataFrame,
    outputs: pl.DataFrame,
    policies: Sequence[Policy],
    *,
    verifier: str,
    snapshot: str,
    run_id: str,
    now: datetime,
    together: pl.DataFrame | None = None,
    reads: Collection[str] | None = None,
    verifier_name: str | None = None,
) -> pl.DataFrame:
    """VERDICTS, one row per factual claim, in the order of the claims.

    Args:
        claims: CLAIMS; rows of kind `other` get no verdict.
        evidence: EVIDENCE, with `text` and `document_uri` (either may be lacking) for the reasons.
        outputs: OUTPUTS of those claims.
        policies: joined by use case.
        verifier: fingerprint.
        snapshot: of the corpus.
        run_id: of this run.
        now: becomes `verified_at`.
        together: `claim_id` and the probabilities of all its passages read as one text, for the claims that
            were read so; a claim may rest on several passages, none of which supports it alone. The scores
            of single passages still decide whether there is a conflict.
        reads: languages outside which the verifier settles nothing; None where it tries them all.
        verifier_name: what people call it.
    """
    context = outputs.select("output_id", "source", "agent", "model", "use_case")
    frame = (
        claims.filter(pl.col("kind") == "factual")
        .select("claim_id", "output_id", "produced_at", claim=pairs.without_citations(pl.col("text")))
        .join(context, on="output_id", how="inner", maintain_order="left")
        .with_row_index("row")
    )
    frame = with_policy(frame, policies)
    passages = _passages(evidence, frame)
    frame = _with_reason(_settled(frame, passages, together), passages, reads)
    cited = citations(claims, outputs, passages, frame)
    frame = frame.join(cited, on="claim_id", how="left", maintain_order="left").with_columns(
        run_id=pl.lit(run_id, pl.String),
        verified_at=pl.lit(now, tables.UTC),
        verifier=pl.lit(verifier, pl.String),
        verifier_name=pl.lit(verifier_name, pl.String),
        snapshot=pl.lit(snapshot, pl.String),
    )
    keys = [frame[name] for name in ("claim_id", "verifier", "policy", "snapshot")]
    frame = frame.with_columns(verdict_id=ids.digest_rows("verdict", keys))
    return conform(tables.VERDICTS_TABLE, frame.select(tables.VERDICTS_TABLE.schema.names()))


def settle(frame: pl.DataFrame, evidence: pl.DataFrame, together: pl.DataFrame | None = None) -> pl.Series:
    """The verdicts (String) alone, one per row, by whatever policy each row carries.

    Args:
        frame: `claim_id` (unique), `claim` and a policy's columns as `with_policy` adds them.
        evidence: EVIDENCE rows of those claims, of one judgement each.
        together: as in `decide`.
    """
    frame = frame.with_row_index("row")
    return _settled(frame, _passages(evidence, frame), together)["verdict"]


def _settled(frame: pl.DataFrame, passages: pl.DataFrame, together: pl.DataFrame | None) -> pl.DataFrame:
    frame = _with_scores(frame, passages)
    if together is not None:
        frame = _with_together(frame, together)
    return _with_verdict(frame)


def with_policy(frame: pl.DataFrame, policies: Sequence[Policy]) -> pl.DataFrame:
    """The frame with the policy in force for its `use_case` on the UTC day of its `produced_at`, which may
    be lacking where every policy is always in force.
    """
    is_dated = any(policy.is_dated for policy in policies)
    day = pl.col("produced_at").dt.date() if is_dated else pl.lit(None, pl.Date)
    dated = frame.with_columns(day.alias("_day"))
    cases = dated.select("use_case", "_day").unique(maintain_order=True)
    rows = [
        {"use_case": use_case, "_day": on, **row_of(for_use_case(policies, use_case, on))}
        for use_case, on in cases.iter_rows()
    ]
    named = pl.DataFrame(rows, schema={"use_case": pl.String, "_day": pl.Date, **COLUMNS})
    return dated.join(
        named, on=["use_case", "_day"], how="left", nulls_equal=True, maintain_order="left"
    ).drop("_day")


def with_own_policy(frame: pl.DataFrame, policies: Sequence[Policy]) -> pl.DataFrame:
    """The frame with the values of the policy that its column `policy` names; null where it is unknown."""
    rows = pl.DataFrame([row_of(policy) for policy in policies], schema=COLUMNS)
    return frame.join(
        rows.unique("policy", maintain_order=True), on="policy", how="left", maintain_order="left"
    )


def _passages(evidence: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Scored passages with the row of their claim; `fits` says whether the verifier read all of them."""
    optional = [
        (pl.col(name) if name in evidence.columns else pl.lit(None, pl.String)).alias(name)
        for name in ("text", "document_uri")
    ]
    return evidence.select(
        "claim_id",
        "rank",
        "passage_id",
        "origin",
        *PROBABILITIES,
        *optional,
        fits=pl.col("tokens_seen") >= pl.col("tokens_offered"),
        tokens="tokens_offered",
        asked=pl.col("windows") > 0 if "windows" in evidence.columns else pl.lit(value=False),
    ).join(
        frame.select("row", "claim_id", "claim", "threshold_supported", "threshold_contradicted"),
        on="claim_id",
        how="inner",
        maintain_order="left",
    )


def _with_scores(frame: pl.DataFrame, passages: pl.DataFrame) -> pl.DataFrame:
    scored = passages.filter("fits")
    combined = combine(scored.select(PROBABILITIES).to_numpy(), scored["row"].to_numpy(), frame.height)
    offered = passages.group_by("row").agg(
        pl.len().cast(pl.Int64).alias("offered"),
        pl.col("tokens").max().alias("longest"),
        pl.col("asked").all().alias("unanswered"),
    )
    return (
        frame.with_columns(rounded(combined))
        .join(sides(scored.lazy()).collect(), on="row", how="left", maintain_order="left")
        .join(offered, on="row", how="left", maintain_order="left")
        .with_columns(pl.col("scored", "offered").fill_null(0), pl.col("is_conflict").fill_null(value=False))
    )


def sides(scored: pl.LazyFrame) -> pl.LazyFrame:
    """Per `row` with scored passages: `scored` (their number) and `is_conflict`.

    Args:
        scored: `row` of the claim, `p_supported`, `p_contradicted` of a passage that the verifier read, and
            the claim's `threshold_supported` and `threshold_contradicted`.
    """
    by = {"is_conflict": (pl.col("threshold_supported"), pl.col("threshold_contradicted"))}
    return sides_by(scored, by)


def sides_by(scored: pl.LazyFrame, by: Mapping[str, tuple[pl.Expr, pl.Expr]]) -> pl.LazyFrame:
    """`sides` under several pairs of thresholds (of supported, of contradicted), by the names of the columns
    that say whether passages are in conflict.
    """
    conflicts = {}
    for name, (threshold_supported, threshold_contradicted) in by.items():
        supports = pl.col("p_supported") >= threshold_supported
        contradicts = pl.col("p_contradicted") >= threshold_contradicted
        # Two different passages: one that is both by itself is unclear, not a conflict.
        conflicts[name] = supports.any() & contradicts.any() & ((supports | contradicts).sum() > 1)
    return scored.group_by("row").agg(scored=pl.len().cast(pl.Int64), **conflicts)


def _with_together(frame: pl.DataFrame, together: pl.DataFrame) -> pl.DataFrame:
    """The claims' probabilities, replaced where all passages were read as one text."""
    scores = together.select("claim_id", *PROBABILITIES)
    joined = frame.join(scores, on="claim_id", how="left", maintain_order="left", suffix="_together")
    return joined.with_columns(pl.coalesce(f"{name}_together", name).alias(name) for name in PROBABILITIES)


def _with_verdict(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(too_few=TOO_FEW, verdict=by_policy())


TOO_FEW = (pl.col("scored") == 0) | (pl.col("scored") < pl.col("minimum_evidence"))
"""Whether a claim has fewer scored passages than its policy asks for."""


DISAGREE = pl.col("is_conflict") & (pl.col("p_contradicted") < CLEARLY_AGAINST)
"""Whether passages contradict each other and all of them together do not tell which is right."""


def by_policy() -> pl.Expr:
    """The verdict on a claim: from its probabilities, `scored`, `is_conflict` and the columns of a policy.

    The only place where a policy decides; nights and comparisons of policies both come here.
    """
    return (
        pl.when(TOO_FEW)
        .then(pl.lit("insufficient"))
        .when(DISAGREE)
        .then(pl.col("on_conflict"))
        .otherwise(judged(pl.col("threshold_supported"), pl.col("threshold_contradicted")))
    )


def _with_reason(frame: pl.DataFrame, passages: pl.DataFrame, reads: Collection[str] | None) -> pl.DataFrame:
    """Adds `evidence_ids`, best first, `reason`, worded from the best passage for the verdict, and the span
    of the sentence in it that decided, where the verdict rests on one.
    """
    frame = frame.join(_best(frame, passages), on="row", how="left", maintain_order="left").with_columns(
        pl.col("evidence_ids").fill_null(pl.lit([], pl.List(pl.String)))
    )
    absent = explanation.absent(frame["claim"], frame["all_text"])
    fact = explanation.unsettled(frame["claim"], frame["all_text"])
    asked = explanation.about(frame["claim"], fact, frame["verdict"], absent)
    deciding = explanation.deciding(asked, frame["text"])
    found = explanation.findings(frame["claim"], frame["text"], frame["all_text"], frame["verdict"], reads)
    return (
        frame.with_columns(
            place=_place(),
            rule=found["rule"],
            finding=found["finding"],
            absent=absent,
            fact=fact,
            decisive_start=pl.coalesce(found["start"], deciding["start"]).cast(pl.Int32),
            decisive_end=pl.coalesce(found["end"], deciding["end"]).cast(pl.Int32),
        )
        .with_columns(reason=_reason(), insufficient_because=_insufficient_because())
        .with_columns(reason=pl.concat_str("reason", _note_of_unread(), _note_of_addresses()))
    )


def _best(frame: pl.DataFrame, passages: pl.DataFrame) -> pl.DataFrame:
    """Per claim: passage ids, best first, the best one's columns, and the ranks that address the verifier."""
    is_against = pl.col("verdict") == "contradicted"
    return (
        passages.with_columns(addressing.is_addressed(passages["text"]))
        .join(frame.select("row", "verdict"), on="row", maintain_order="left")
        .with_columns(weight=pl.when(is_against).then("p_contradicted").otherwise("p_supported"))
        .sort("row", "weight", "rank", "passage_id", descending=[False, True, False, False])
        .group_by("row", maintain_order=True)
        .agg(
            pl.col("passage_id").alias("evidence_ids"),
            pl.col("weight", "text", "document_uri", "origin", "rank").first(),
            pl.col("text").str.join("\n").alias("all_text"),
            pl.col("rank").filter("addresses_judge").sort().alias("addressing"),
        )
    )


def _reason() -> pl.Expr:
    """Why, in the order in which a verdict is reached."""
    score = (
        pl.when(pl.col("verdict") == "supported")
        .then("p_supported")
        .when(pl.col("verdict") == "contradicted")
        .then("p_contradicted")
        .otherwise("weight")
    )
    too_long = "input_too_long: claim and passage together have {} tokens, more than the verifier reads"
    too_few = "only {} of the {} passages that the policy asks for were found"
    return (
        pl.when(pl.col("offered") == 0)
        .then(pl.lit("no evidence was found for this claim"))
        .when((pl.col("scored") == 0) & pl.col("unanswered"))
        .then(pl.lit("no_answer: the verifier was asked and gave no usable answer for any passage"))
        .when(pl.col("scored") == 0)
        .then(pl.format(too_long, "longest"))
        .when("too_few")
        .then(pl.format(too_few, "scored", "minimum_evidence"))
        .when(DISAGREE)
        .then(pl.format("two passages disagree, and the policy then says {}", "verdict"))
        .otherwise(explanation.worded(score.round(2).cast(pl.String)))
    )


def _insufficient_because() -> pl.Expr:
    """Of `tables.INSUFFICIENT_BECAUSE`, in the order in which a verdict is reached; null for others."""
    return (
        pl.when(pl.col("verdict") != "insufficient")
        .then(pl.lit(None, pl.String))
        .when(pl.col("offered") == 0)
        .then(pl.lit("no_evidence"))
        .when((pl.col("scored") == 0) & pl.col("unanswered"))
        .then(pl.lit("no_answer"))
        .when(pl.col("scored") == 0)
        .then(pl.lit("too_long"))
        .when("too_few")
        .then(pl.lit("too_few"))
        .when(DISAGREE)
        .then(pl.lit("conflict"))
        .when(pl.col("rule") == rules.LANGUAGE)
        .then(pl.lit("language"))
        .otherwise(pl.lit("not_settled"))
    )


def _note_of_unread() -> pl.Expr:
    """A passage that nobody read may say the opposite of those that were read."""
    unread = pl.col("offered") - pl.col("scored")
    note = pl.format("; {} of {} passages not read (input_too_long)", unread, "offered")
    return pl.when((unread > 0) & (pl.col("scored") > 0)).then(note).otherwise(pl.lit(""))


def _note_of_addresses() -> pl.Expr:
    """What `ADDRESSED` matches."""
    count = pl.col("addressing").list.len()
    ranks = pl.col("addressing").cast(pl.List(pl.String)).list.join(", ")
    verb = pl.when(count == 1).then(pl.lit("addresses")).otherwise(pl.lit("address"))
    note = pl.format("; {} of {} passages {} the verifier (rank {})", count, "offered", verb, ranks)
    return pl.when(count > 0).then(note).otherwise(pl.lit(""))


def _place() -> pl.Expr:
    """What a person calls the best passage: its document, else which of the agent's contexts."""
    uri = explanation.clean(pl.col("document_uri"))
    number = uri.str.extract(r"^context[:#/ ]*(\d+)$")
    return (
        pl.when(number.is_not_null())
        .then(pl.format("the agent's own context {}", number))
        .when(pl.col("origin") == "tool")
        .then(pl.format("what the tool {} returned", uri.str.strip_prefix(TOOL)))
        .when(pl.col("origin") == "looked_up")
        .then(pl.format("{}, which the answer names and the corpus has", uri))
        .when(uri.str.len_chars() > 0)
        .then(uri)
        .when(pl.col("origin") == "context")
        .then(pl.lit("the agent's own context"))
        .otherwise(pl.lit("a document of the corpus"))
    )
