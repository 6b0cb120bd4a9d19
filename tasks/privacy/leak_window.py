"""Outputs of some days as what leaks are looked for in, and as the texts that may leak."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl

from tasks.privacy.leaks import PUBLIC, TEXTS
from tasks.privacy.parameters import LeakSettings
from tasks.tables import ERASED

BLOCK = 7
"""Days whose answers are compared at once: what is in memory is their words, 8 bytes each."""
_SLICE = 4_000
"""Texts that are cut into words at once: some 100 MB of words."""


def blocks(days: list[date], parameters: LeakSettings) -> Iterator[tuple[date, date]]:
    """First and last day of each group of answers to be checked, for outputs that came on these days.

    Answers of the days before are checked again, since texts that they may have given away came only now.
    """
    if not days:
        return
    first, last = min(days) - timedelta(days=parameters.days), max(days)
    while first <= last:
        end = min(first + timedelta(days=max(BLOCK, parameters.days + 1) - 1), last)
        yield first, end
        first = end + timedelta(days=1)


def answers(outputs: pl.LazyFrame, parameters: LeakSettings, *, with_own: bool) -> pl.DataFrame:
    """`output_id`, `produced_at`, `response`, `owner`, and `own` text where it is asked for, else null."""
    contexts = pl.col("contexts").list.eval(pl.element().struct.field("text")).list.join("\n")
    own = pl.concat_str("prompt", contexts, separator="\n", ignore_nulls=True)
    return (
        outputs.filter(pl.col("response") != ERASED)
        .select(
            "output_id",
            "produced_at",
            "response",
            owner=_owner(parameters)[0],
            own=own if with_own else pl.lit(None, pl.String),
        )
        .collect()
    )


def texts(outputs: pl.LazyFrame, parameters: LeakSettings) -> Iterator[pl.DataFrame]:
    """TEXTS of outputs: their contexts and questions, and system prompts where metadata hold them."""
    owner, place = _owner(parameters)
    held = outputs.filter(pl.col("response") != ERASED).with_columns(owner=owner, place=place)
    common = ("owner", "place", pl.col("output_id").alias("origin"))
    contexts = held.select(*common, "contexts").explode("contexts").select(
        "owner", "place", "origin",
        document=pl.col("contexts").struct.field("uri"), text=pl.col("contexts").struct.field("text"),
    )  # fmt: skip
    nothing = pl.lit(None, pl.String)
    questions = held.select(*common, document=nothing, text="prompt")
    frames = [contexts, questions]
    if parameters.system_prompt:
        prompts = held.select("output_id", text=_inside(parameters.system_prompt)).drop_nulls()
        distinct = prompts.group_by("text", maintain_order=True).agg(origin=pl.col("output_id").first())
        frames.append(
            distinct.select(
                owner=nothing, place=pl.lit("system_prompt"), origin="origin", document=nothing, text="text"
            )
        )
    for frame in frames:
        yield from (
            frame.filter(pl.col("text").str.len_chars() > 0).select(*TEXTS).collect_batches(chunk_size=_SLICE)
        )


def public(passages: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """TEXTS of the corpus (PASSAGES), which are for everybody."""
    shared = passages.filter(pl.col("corpus") != "context").select(
        owner=pl.lit(None, pl.String), place=pl.lit(PUBLIC), origin="document_uri",
        document=pl.lit(None, pl.String), text="text",
    )  # fmt: skip
    yield from shared.select(*TEXTS).collect_batches(chunk_size=_SLICE)


def _owner(parameters: LeakSettings) -> tuple[pl.Expr, pl.Expr]:
    """Whose an output is, and of which kind: its tenant's, else its session's, else its own."""
    tenant = _inside(parameters.tenant) if parameters.tenant else pl.lit(None, pl.String)
    session = pl.coalesce("session_id", "output_id")
    owner = (
        pl.when(tenant.is_not_null()).then(tenant).otherwise(pl.concat_str("source", pl.lit("\0"), session))
    )
    return owner, pl.when(tenant.is_not_null()).then(pl.lit("tenant")).otherwise(pl.lit("session"))


def _inside(path: str) -> pl.Expr:
    """What metadata hold under a dotted path, as text."""
    keys = "".join(f"['{key}']" for key in path.replace("'", "").split("."))
    return pl.col("metadata").str.json_path_match(f"${keys}")
