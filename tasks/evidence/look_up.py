"""Documents that outputs name without their text, looked up in the corpus by their address.

Traces often keep the id of a document and not what it says. Where a source's `look_up` says how the corpus
addresses it, the output's context is `corpus:ADDRESS` with an empty text, and the claims of the output see
the corpus's passages of the document as if they were its own. The text is that of the run's snapshot, which
may be newer than what the agent read, so these passages have an origin of their own: `looked_up`.
"""

from __future__ import annotations

import polars as pl

from tasks import tables

NAMED = pl.Schema(
    {"output_id": pl.String, "passage_id": pl.String, "text": pl.String, "document_uri": pl.String}
)
"""A passage of the corpus, and the output that names its document."""
LOOKED_UP, UNKNOWN = "documents_looked_up", "documents_unknown"
"""What is counted by source: documents with the corpus's text, and those that the corpus does not have."""


def addresses(outputs: pl.DataFrame) -> pl.DataFrame:
    """`source`, `output_id`, `document_uri` of the contexts of OUTPUTS that are to be looked up."""
    return (
        outputs.lazy()
        .select("source", "output_id", "contexts")
        .explode("contexts", empty_as_null=False)
        .unnest("contexts")
        .filter(pl.col("text") == "", pl.col("uri").str.starts_with(tables.CORPUS))
        .select("source", "output_id", document_uri=pl.col("uri").str.strip_prefix(tables.CORPUS))
        .unique(maintain_order=True)
        .collect()
    )


def named(addressed: pl.DataFrame, passages: pl.DataFrame) -> pl.DataFrame:
    """NAMED of `addresses` and the corpus's passages (`passage_id`, `text`, `document_uri`)."""
    return addressed.join(passages, on="document_uri", maintain_order="left_right").select(NAMED.names())


def counts(addressed: pl.DataFrame, passages: pl.DataFrame) -> dict[str, dict[str, int]]:
    """By source, how many documents were LOOKED_UP and how many are UNKNOWN to the corpus; each document of
    each output counts."""
    is_known = pl.col("document_uri").is_in(passages["document_uri"].unique().implode())
    by_source = addressed.group_by("source", maintain_order=True).agg(
        is_known.sum().cast(pl.Int64).alias(LOOKED_UP), (~is_known).sum().cast(pl.Int64).alias(UNKNOWN)
    )
    return {row.pop("source"): row for row in by_source.to_dicts()}
