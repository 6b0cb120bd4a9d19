"""People's scores of whole answers as lines of a review sheet, which reviews verdicts.

A score that means *supported* says so of every claim of the answer. One that means *contradicted* or
*insufficient* says that of a claim, and nobody knows of which where the answer has several: it counts where
the answer has one claim, or where the comment holds the id of the verdict that is meant.
"""

from __future__ import annotations

import polars as pl

from tasks.review.review_sheets import SHEET

WITHOUT_ANSWER, UNATTRIBUTED, KNOWN = "without_an_audited_answer", "of_no_certain_claim", "already_there"
_ID = "[0-9a-f]{64}"


def lines(
    scores: pl.DataFrame, verdicts: pl.DataFrame, reviews: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Lines to review, and how many scores give none for what reason.

    Args:
        scores: source, source_id, score_id, verdict, reviewer, comment, reviewed_at (ISO 8601).
        verdicts: current ones, with `source` and `source_id` of their output.
        reviews: REVIEWS so far: a score that became one is not taken again, also where its claim has another
            verdict by now.

    Returns:
        `review_sheets.SHEET`, and counts by reason.
    """
    of_answer = scores.rename({"verdict": "meaning"}).join(
        verdicts.select("source", "source_id", "verdict_id", "claim_id", "verdict"),
        on=["source", "source_id"],
        how="left",
        maintain_order="left_right",
    )
    judged = of_answer.filter(pl.col("verdict_id").is_not_null())
    named = pl.col("comment").fill_null("").str.extract(f"({_ID})")
    is_meant = (
        pl.when(named.is_in(pl.col("verdict_id").unique().implode()))
        .then(named == pl.col("verdict_id"))
        .otherwise((pl.col("meaning") == "supported") | (pl.len().over("score_id") == 1))
    )
    meant = judged.filter(is_meant)
    moment = pl.col("reviewed_at").str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    same = ["claim_id", "reviewer", "reviewed_at"]
    fresh = (
        meant.with_columns(text=pl.col("reviewed_at"), reviewed_at=moment)
        .join(reviews.select(same), on=same, how="anti", maintain_order="left")
        .with_columns(reviewed_at="text")
    )
    is_right = pl.col("verdict") == pl.col("meaning")
    sheet = fresh.with_row_index("line", offset=1).with_columns(
        outcome=pl.when(is_right).then(pl.lit("confirmed")).otherwise(pl.lit("overturned")),
        corrected_verdict=pl.when(is_right).then(pl.lit("")).otherwise("meaning"),
        comment=pl.col("comment").fill_null(""),
    )
    count = {
        WITHOUT_ANSWER: of_answer.height - judged.height,
        UNATTRIBUTED: judged["score_id"].n_unique() - meant["score_id"].n_unique(),
        KNOWN: meant.height - fresh.height,
    }
    return sheet.select(*SHEET).cast(pl.Schema(SHEET)), count
