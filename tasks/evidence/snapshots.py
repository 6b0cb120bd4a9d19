"""What a corpus was and what it is now: documents and passages that stay, come, leave or clash."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from tasks import ids, tables
from tasks.evidence import passages as passages_stage
from tasks.evidence.passages import PassageParameters, Segment
from tasks.schema import conform

SETTLED = timedelta(seconds=2)
"""A file changed less than this before it was read may change again without a new time."""

IDENTITY = ["file", "size", "mtime_ns"]
"""A file with the same name, size and time is the same file."""

MANIFEST = pl.Schema(
    {
        "file": pl.String,
        "size": pl.Int64,
        "mtime_ns": pl.Int64,
        "document_uri": pl.String,
        "content_sha256": pl.String,
        "hidden_characters": pl.Int64,
        "surrounding_characters": pl.Int64,
    }
)
"""A row per document, and one without a document per file that gave none."""

PASSAGES = pl.Schema(
    {name: dtype for name, dtype in tables.PASSAGES.schema.items() if name not in ("run_id", "produced_at")}
    | {"content_sha256": pl.String}
)
"""What a snapshot stores of its passages: those columns that no run sets, and the document they are from."""

_DOCUMENT = ["document_uri", "content_sha256"]
LEFT_OUT = ["hidden_characters", "surrounding_characters"]
"""Characters of a document that are in none of its passages."""


def state_name(corpus: str) -> str:
    """Where the lake keeps what it has published of a corpus."""
    return f"corpus-{corpus}"


def cut_digest(parameters: PassageParameters, reading: str) -> str:
    """Names how documents are cut and, with `reading`, how they are read; else they are read and cut anew."""
    rules = (passages_stage.RULES, parameters.target_characters, parameters.overlap_sentences)
    return ids.digest("cut", *rules, reading)


def cut(
    documents: pl.DataFrame, segment: Segment, parameters: PassageParameters, *, corpus: str, now: datetime
) -> pl.DataFrame:
    """PASSAGES frame of a DOCUMENTS frame."""
    passages = passages_stage.from_documents(
        documents, segment, parameters, corpus=corpus, snapshot=None, run_id="", produced_at=now
    )
    # Documents of one uri differ in content, so a passage belongs to every document that has its text there.
    contents = documents.select(*_DOCUMENT, document="text")
    span = pl.col("document").str.slice(pl.col("start"), pl.col("end") - pl.col("start"))
    return passages.join(contents, on="document_uri").filter(span == pl.col("text")).select(PASSAGES.names())


def manifest(kept: pl.DataFrame, changed: pl.DataFrame, documents: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """MANIFEST frame in order of file and uri: what was kept, and the documents of the changed files.

    Files that gave no document are there as well, so that they are not read again every night.
    """
    entries = pl.concat(
        [kept, *(d.join(changed.select(IDENTITY), on="file").select(MANIFEST.names()) for d in documents)]
    )
    barren = changed.join(entries, on="file", how="anti").select(
        *IDENTITY,
        **dict.fromkeys(_DOCUMENT, pl.lit(None, dtype=pl.String)),
        **dict.fromkeys(LEFT_OUT, pl.lit(0, dtype=pl.Int64)),
    )
    return pl.concat([entries, barren]).sort("file", "document_uri")


def one_per_uri(entries: pl.DataFrame) -> tuple[pl.DataFrame, list[dict[str, str]]]:
    """The first document of each uri, and a refusal for every other one with another content."""
    documents = entries.drop_nulls("document_uri")
    unique = documents.unique("document_uri", keep="first", maintain_order=True)
    others = documents.join(unique, on=_DOCUMENT, how="anti")
    refused = [
        {
            "locator": file,
            "check": "corpus_duplicate_uri",
            "reason": "another document in the corpus has this uri but different text; give each its own uri",
            "raw": f"{uri} sha256:{digest}",
        }
        for file, uri, digest in others.select("file", *_DOCUMENT).iter_rows()
    ]
    return unique.select(_DOCUMENT), refused


def settled(entries: pl.DataFrame, refused: Sequence[dict[str, str]], now: datetime) -> pl.DataFrame:
    """The manifest without the times of files that have to be read next time.

    A file written while this run was reading could change again within the same tick. A file with a refused
    uri must be read because the document that took the uri may leave before the file changes. One that took
    too long may have met a busy machine.
    """
    is_old = pl.col("mtime_ns") < int((now - SETTLED).timestamp()) * 10**9
    passing = ("corpus_duplicate_uri", "corpus_time")
    is_passing = pl.col("file").is_in([row["locator"] for row in refused if row["check"] in passing])
    return entries.with_columns(mtime_ns=pl.when(is_old & ~is_passing).then("mtime_ns"))


def current(passages: Sequence[pl.DataFrame], documents: pl.DataFrame) -> pl.DataFrame:
    """PASSAGES frame of the documents that count, each passage once, in order of passage_id."""
    return (
        pl.concat(passages)
        # First the documents that count: a passage that two versions of one share has the same id in both.
        .join(documents, on=_DOCUMENT, how="semi")
        .unique("passage_id")
        .sort("passage_id")
    )


def changes(
    published: pl.LazyFrame,
    passages: pl.DataFrame,
    *,
    snapshot: str,
    before: str | None,
    run_id: str,
    now: datetime,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the table `passages` to publish, and those whose snapshot_last_seen is another one now.

    Args:
        published: the corpus's rows in the lake.
        passages: PASSAGES frame of the snapshot.
        snapshot: its id; `before` is that of the snapshot it follows.
        run_id: of the run that publishes, at `now`.
    """
    if before == snapshot:
        return tables.PASSAGES.empty(), tables.PASSAGES.empty()
    new = passages.join(published.select("passage_id").collect(), on="passage_id", how="anti").with_columns(
        snapshot_first_seen=pl.lit(snapshot),
        produced_at=pl.lit(now, dtype=tables.PASSAGES.schema["produced_at"]),
        run_id=pl.lit(run_id),
    )
    is_current = pl.col("passage_id").is_in(passages["passage_id"].implode())
    is_open = pl.col("snapshot_last_seen").is_null()
    # Where the state was lost, the snapshot that last held a passage is known only to be its first or later.
    last = pl.lit(before, dtype=pl.String).fill_null(pl.col("snapshot_first_seen"))
    changed = (
        published.filter(is_current != is_open)
        .with_columns(snapshot_last_seen=pl.when(is_current).then(None).otherwise(last))
        .collect()
    )
    return conform(tables.PASSAGES, new.drop("content_sha256")), conform(tables.PASSAGES, changed)
