"""Whether what an answer cites for a claim is what supports it.

A citation is a number in brackets (`[1]`, `[2][3]`, `[1, 2]`), which counts the answer's own contexts from 1,
or a Markdown link, whose address is a document's. It belongs to the claim that it stands in or directly
behind. What was not read cannot be said to fail: a cited document of which the verifier scored no passage
leaves the question open, unless the number leads to no context at all.
"""

from __future__ import annotations

import polars as pl

from tasks.tables import CITATIONS

BEHIND = 120
"""Characters behind a claim in which its citations begin and end."""
_MARK = r"\[\^?\d{1,3}\^?(?:\s?[,;]\s?\d{1,3}){0,20}\]"
_LINK = r"\[[^\[\]]{0,300}\]\([^\s()]{1,2000}[^()]{0,300}\)"
_LEADING = rf"^\s*(?:{_MARK}\s*)+"
_TRAILING = rf"^([.!?:;,]?\s?(?:\s?(?:{_MARK}|{_LINK}))+)"
_NEEDED = ({"claim_id", "output_id", "start", "end", "text"}, {"output_id", "response", "contexts"})
NONE = pl.DataFrame(schema={"claim_id": pl.String, "citation": pl.String})


def citations(
    claims: pl.DataFrame, outputs: pl.DataFrame, passages: pl.DataFrame, verdicts: pl.DataFrame
) -> pl.DataFrame:
    """`claim_id`, `citation` (holds, other, none) of claims that cite something that was read.

    Args:
        claims: CLAIMS. outputs: OUTPUTS of these; without texts nothing is known to be cited.
        passages: `claim_id`, `document_uri`, `fits` (read as a whole), `p_supported` and
            `threshold_supported` of every passage offered.
        verdicts: `claim_id`, `verdict`.
    """
    if not (_NEEDED[0] <= set(claims.columns) and _NEEDED[1] <= set(outputs.columns)):
        return NONE
    cited = _cited(claims, outputs)
    if cited.is_empty():
        return NONE
    read = passages.filter("fits").select(
        "claim_id", uri="document_uri", supports=pl.col("p_supported") >= pl.col("threshold_supported")
    )
    by_document = read.group_by("claim_id", "uri").agg(pl.col("supports").any())
    holds, other, none = CITATIONS
    return (
        cited.join(by_document, on=["claim_id", "uri"], how="left")
        # A number that leads nowhere supports nothing, and that is known.
        .with_columns(
            pl.when(pl.col("uri").is_null()).then(pl.lit(value=False)).otherwise("supports").alias("supports")
        )
        .group_by("claim_id")
        .agg(holds=pl.col("supports").any(), is_open=pl.col("supports").is_null().any())
        .join(verdicts.select("claim_id", "verdict"), on="claim_id")
        .select(
            "claim_id",
            citation=pl.when("holds")
            .then(pl.lit(holds))
            .when("is_open")
            .then(pl.lit(None, pl.String))
            .when(pl.col("verdict") == "supported")
            .then(pl.lit(other))
            .otherwise(pl.lit(none)),
        )
    )


def _cited(claims: pl.DataFrame, outputs: pl.DataFrame) -> pl.DataFrame:
    """`claim_id`, `uri` of each document that a claim cites; null where its number leads to no context."""
    text = pl.col("text")
    # Marks before a claim are the last words of the one before it.
    own = pl.when(pl.col("start") > 0).then(text.str.replace(_LEADING, "")).otherwise(text)
    behind = pl.col("response").str.slice(pl.col("end"), BEHIND).str.extract(_TRAILING, 1).fill_null("")
    words = (
        claims.select("claim_id", "output_id", "start", "end", "text")
        .join(outputs.select("output_id", "response", "contexts"), on="output_id", maintain_order="left")
        .select("claim_id", "contexts", words=pl.concat_str(own, behind))
        .filter(pl.col("words").str.contains(r"\["))
    )
    links = words.select("claim_id", link=pl.col("words").str.extract_all(_LINK)).explode("link").drop_nulls()
    linked = links.select("claim_id", uri=pl.col("link").str.extract(r"\]\(([^\s()]+)", 1))
    numbers = (
        words.select(
            "claim_id",
            "contexts",
            number=pl.col("words")
            .str.replace_all(_LINK, " ")
            .str.extract_all(_MARK)
            .list.join(" ")
            .str.extract_all(r"\d+"),
        )
        .explode("number")
        .drop_nulls("number")
        .with_columns(place=pl.col("number").cast(pl.Int64) - 1)
    )
    is_there = pl.col("place").is_between(0, pl.col("contexts").list.len().cast(pl.Int64) - 1)
    uri = pl.col("contexts").list.get(pl.col("place"), null_on_oob=True).struct.field("uri")
    named = pl.when(uri.str.len_chars() > 0).then(uri).otherwise(pl.format("context:{}", "place"))
    numbered = numbers.select("claim_id", uri=pl.when(is_there).then(named))
    return pl.concat([linked, numbered]).unique()
