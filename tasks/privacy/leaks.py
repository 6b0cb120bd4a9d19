"""Text that is not an answer's to tell: of another session's or tenant's context, or of a system prompt.

(1) Grams (five words in a row) of all answers; (2) texts that may leak are streamed past them, and what is
equal is kept, with whose text it is; (3) what the answer's own owner holds, and what many owners share, is
set aside, and so are documents of folders of which much was given to several; (4) grams of one owner that lie
close together in an answer become one finding, if enough words of it are covered. So a copy with a few words
changed is found too.

Strings of a confidential list, which may be single words, are `listed.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import polars as pl

from tasks.privacy import copied, listed
from tasks.privacy.grams import SIZE, Lookup, grams
from tasks.privacy.parameters import LeakSettings
from tasks.tables import TOOL

TEXTS = {
    "owner": pl.String,
    "place": pl.String,
    "origin": pl.String,
    "document": pl.String,
    "text": pl.String,
}
"""Texts that may leak: whose they are (null: nobody's), the kind of place, what findings say they are from,
the address of the document that they are a part of (null: of none)."""
PUBLIC = "public"
"""Place of texts that are for everybody: documents of the corpus."""
_GRANTS = {"folder": pl.UInt64, "owner": pl.UInt64, "text": pl.UInt64}
_GAP = 2 * SIZE
"""Words between two matching grams that still count as one copy: one changed word breaks five grams."""


def scan(
    outputs: pl.DataFrame,
    texts: Iterable[pl.DataFrame],
    parameters: LeakSettings,
    *,
    strings: Mapping[str, str] | None = None,
    key: bytes = b"",
    run_id: str,
    now: datetime,
) -> pl.DataFrame:
    """FINDINGS of the kind `leak` in the responses of outputs.

    Args:
        outputs: `output_id`, `produced_at`, `response`, `owner` (session or tenant), and `own`: question
            and contexts as one text, which confidential strings are excused by (null: none).
        texts: TEXTS frames; read once, one after the other.
        parameters: how much of a text is a leak.
        strings: confidential strings, and what findings say they are from.
        key: of the hashes of what leaked; empty: without hashes.
        run_id: of this run.
        now: becomes `found_at`.
    """
    numbered = outputs.with_row_index("row")
    answers = grams(outputs["response"])
    matches, documents = _matches(texts, Lookup(answers.hashes), outputs["owner"], parameters)
    placed = pl.DataFrame({"row": answers.rows, "place": answers.places, "hash": answers.hashes})
    placed = placed.join(numbered.select(pl.col("row").cast(pl.Int64), "owner"), on="row")
    near = copied.located(_copies(placed, matches, documents, parameters), outputs["response"])
    copies = pl.concat([near, listed.copies(outputs["response"], strings or {}, own=outputs["own"])])
    return copied.findings(copies, numbered, key=key, run_id=run_id, now=now)


def _matches(
    texts: Iterable[pl.DataFrame], lookup: Lookup, owners: pl.Series, parameters: LeakSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Grams of the texts that are in some answer, and `owner`, `document`: what owners of answers were given.

    The first have `hash`, `owner`, `kind`, `origin`, `document`, `folder`; of several texts of an owner out
    of a folder, the first's. Those of public folders are of the kind PUBLIC.
    """
    schema = {
        "hash": pl.UInt64,
        "owner": pl.String,
        "kind": pl.String,
        "origin": pl.String,
        "document": pl.String,
        "folder": pl.UInt64,
    }
    unit = ["hash", "owner", "kind", "folder"]
    grants = [pl.DataFrame(schema=_GRANTS)]
    kept = [pl.DataFrame(schema=schema)]
    given = [pl.DataFrame(schema={"owner": pl.String, "document": pl.String})]
    known = owners.unique().implode()
    for given_texts in texts:
        frame = given_texts.with_columns(folder=_folder())
        grants.append(_grants(frame))
        documents = frame.select("owner", "document").drop_nulls().unique()
        given.append(documents.filter(pl.col("owner").is_in(known)))
        own = grams(frame["text"])
        hits = lookup.holds(own.hashes)
        if hits.size:
            rows = frame[own.rows[hits]].select("owner", "origin", "document", "folder", kind="place")
            matched = rows.with_columns(hash=pl.Series(own.hashes[hits])).select(*schema)
            kept.append(matched.unique(unit, keep="first", maintain_order=True))
    is_public = pl.col("folder").is_in(_public(pl.concat(grants), parameters).implode())
    matches = pl.concat(kept).unique(unit, keep="first", maintain_order=True)
    matches = matches.with_columns(kind=pl.when(is_public).then(pl.lit(PUBLIC)).otherwise("kind"))
    return matches, pl.concat(given).unique()


def _folder() -> pl.Expr:
    """The address up to its last /, hashed; null of no address, and of what a tool returned, which is for one
    session though every session asks the same tool.
    """
    address = pl.col("document")
    folder = address.str.replace(r"[^/]*$", "")
    # An address without / is a folder of its own. Of null, too, a hash is a number.
    named = pl.when(folder == "").then(address).otherwise(folder).hash()
    return pl.when(~address.str.starts_with(TOOL)).then(named)


def _grants(texts: pl.DataFrame) -> pl.DataFrame:
    """Who was given what out of which folder, as hashes: 24 bytes a text."""
    held = texts.filter(pl.col("owner").is_not_null() & pl.col("document").is_not_null())
    return held.select("folder", pl.col("owner", "text").hash()).drop_nulls().unique()


def _public(grants: pl.DataFrame, parameters: LeakSettings) -> pl.Series:
    """Folders that are everybody's: much of what was given out of them was given to several owners."""
    of_text = pl.len().over("folder", "text")
    return (
        grants.unique()
        .with_columns(is_shared=of_text > 1)
        .group_by("folder")
        .agg(pl.col("owner").n_unique(), pl.col("is_shared").mean())
        .filter((pl.col("owner") >= parameters.shared_by) & (pl.col("is_shared") >= parameters.public_ratio))[
            "folder"
        ]
    )


def _copies(
    answers: pl.DataFrame, matches: pl.DataFrame, documents: pl.DataFrame, parameters: LeakSettings
) -> pl.DataFrame:
    """`row`, `first` and `last` word, `kind`, `origin`, `ratio` of words covered; apart, largest first."""
    is_held = pl.col("kind").is_in(["session", "tenant"])
    owners = matches.filter(is_held).group_by("hash").agg(pl.col("owner").n_unique())
    shared = owners.filter(pl.col("owner") >= parameters.shared_by).select("hash")
    public = pl.concat([shared, matches.filter(kind=PUBLIC).select("hash")])["hash"].unique()
    foreign = matches.filter((pl.col("kind") != PUBLIC) & ~(is_held & pl.col("hash").is_in(public.implode())))
    excused = answers.join(matches, on=["hash", "owner"], how="semi")
    by = ["row", "kind", "owner_of"]
    placed = (
        answers.join(excused, on=["row", "place"], how="anti")
        .join(foreign, on="hash", how="inner", suffix="_of")
        .join(documents, on=["owner", "document"], how="anti")
        .sort(*by, "place", nulls_last=True)
        .with_columns(step=pl.col("place").diff().over(by))
        .with_columns(begins=pl.col("step").is_null() | (pl.col("step") > SIZE + _GAP))
    )
    gain = pl.when("begins").then(SIZE).otherwise(pl.min_horizontal("step", pl.lit(SIZE)))
    copies = (
        placed.with_columns(run=pl.col("begins").cum_sum(), gain=gain)
        .group_by(*by, "run", maintain_order=True)
        .agg(
            first=pl.col("place").min(),
            last=pl.col("place").max() + SIZE - 1,
            covered=pl.col("gain").sum(),
            origin=pl.col("origin").first(),
        )
        .with_columns(ratio=pl.col("covered") / (pl.col("last") - pl.col("first") + 1))
        .filter(
            (pl.col("covered") >= parameters.minimum_words) & (pl.col("ratio") >= parameters.minimum_ratio)
        )
        .sort("row", "covered", "first", "origin", descending=[False, True, False, False])
    )
    return _apart(copies)


def _apart(copies: pl.DataFrame) -> pl.DataFrame:
    """Without those that overlap one with more words; a loop over findings, which are few."""
    taken: dict[int, list[tuple[int, int]]] = {}
    kept = []
    for index, (row, first, last) in enumerate(copies.select("row", "first", "last").iter_rows()):
        spans = taken.setdefault(row, [])
        if all(last < start or end < first for start, end in spans):
            spans.append((first, last))
            kept.append(index)
    return copies[kept].sort("row", "first")
