"""Which of the records that were pulled are new, and which version of the same record each supersedes."""

from __future__ import annotations

import polars as pl


def new(keys: pl.DataFrame, table: pl.LazyFrame) -> tuple[pl.DataFrame, int, int]:
    """Keys of new outputs with what they supersede; how many were the same twice, or known already."""
    once = keys.unique("output_id", keep="first", maintain_order=True)
    # By output_id alone: an erased output has lost its source_id, and must not come back with its text.
    published = (
        table.select("output_id")
        .join(once.lazy().select("output_id"), on="output_id", how="semi")
        .collect(engine="streaming")
    )
    new = once.join(published, on="output_id", how="anti", maintain_order="left")
    # One pass over the id columns of the whole lake: an earlier version may be of any day.
    earlier = (
        table.select("source", "source_id", "output_id", "supersedes", "ingested_at")
        .join(new.lazy().select("source", "source_id").unique(), on=["source", "source_id"], how="semi")
        .collect(engine="streaming")
    )
    linked = supersede(new, earlier).select("_sequence", "_day", "supersedes")
    return linked, keys.height - once.height, once.height - new.height


def supersede(new: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """`new` with `supersedes`: the version before it, among the new ones or in the lake.

    A run that was killed may have published a version and not the one it supersedes, which is new again.
    Such versions come after the new one they name and not before it, so that the chain is the same as if
    the run had not been killed.
    """
    key = ["source", "source_id"]
    hanging = earlier.join(new.select(supersedes="output_id"), on="supersedes", how="semi")
    chain = [hanging.select("output_id", after="supersedes")]
    while chain[-1].height:
        above = chain[-1].rename({"output_id": "supersedes"})
        chain.append(earlier.join(above, on="supersedes").select("output_id", "after"))
    # Of versions that one run brought together, the last is the one that no other supersedes.
    last = (
        earlier.join(earlier.select(output_id="supersedes").drop_nulls().unique(), on="output_id", how="anti")
        .join(pl.concat(chain), on="output_id", how="left")
        .sort("ingested_at", "output_id")
    )
    before = last.filter(pl.col("after").is_null()).group_by(key).agg(_before=pl.col("output_id").last())
    behind = last.drop_nulls("after").group_by(_previous="after").agg(_behind=pl.col("output_id").last())
    return (
        new.with_columns(_previous=pl.col("output_id").shift(1).over(key))
        .join(before, on=key, how="left", maintain_order="left")
        .join(behind, on="_previous", how="left", maintain_order="left")
        .with_columns(supersedes=pl.coalesce("_behind", "_previous", "_before"))
    )
