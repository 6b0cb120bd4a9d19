"""Claim: text that addresses a judge is found, and what is found is hardly ever anything else.

    python -m benchmarks.judge_address FOLDER [--show N] [--json FILE]

FOLDER holds Parquet and JSON Lines files whose strings are claims, evidence and answers of ordinary people
and agents, or sources and documents, of which every paragraph is a text: whatever is found there is a false
alarm until somebody has read it. Prints hits per file with N examples and the cost per text, then the recall
on the committed sentences (tests/data/judge_addresses.jsonl), those held out apart.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from tasks.privacy import addressing

PROSE = (".md", ".rst", ".txt", ".py", "METADATA")
LONGEST = 1_500_000
"""Bytes of a source or document; longer ones are made by machines."""
SENTENCES = Path(__file__).parent.parent / "tests" / "data" / "judge_addresses.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", type=int, default=20)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = [_file(path, texts, arguments.show) for path, texts in _files(arguments.folder)]
    table = pl.DataFrame(rows)
    whole = table.select(pl.lit("all").alias("file"), pl.all().exclude("file", "us_per_text").sum())
    whole = whole.with_columns(
        us_per_text=(table["us_per_text"] * table["texts"]).sum() / table["texts"].sum()
    )
    table = pl.concat([table, whole.select(table.columns)])
    parts = _recall()
    with pl.Config(tbl_rows=60, tbl_cols=12, tbl_hide_dataframe_shape=True, float_precision=1):
        print(table)
        print(parts)
    if arguments.json:
        figures = {"ordinary": table.to_dicts(), "sentences": parts.to_dicts()}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


def _file(name: str, texts: pl.Series, show: int) -> dict[str, object]:
    started = time.process_time()
    screened = texts.filter(addressing.screened(texts))
    found = [(text, list(addressing.addresses(text))) for text in screened]
    spent = time.process_time() - started
    found = [(text, addresses) for text, addresses in found if addresses]
    sure = [row for row in found if max(one.confidence for one in row[1]) >= addressing.ACTED_ON]
    for text, addresses in (sure + [row for row in found if row not in sure])[:show]:
        for one in addresses[:3]:
            around = text[max(0, one.start - 70) : one.start], text[one.end : one.end + 50]
            shown = f"{around[0]}«{text[one.start : one.end]}»{around[1]}"
            print(f"{name} {one.confidence} {one.masked}: {shown!r}")
    return {
        "file": name,
        "texts": len(texts),
        "megabytes": texts.str.len_bytes().sum() / 1e6,
        "looked_at": len(screened),
        "reported": len(found) - len(sure),
        "acted_on": len(sure),
        "us_per_text": 1e6 * spent / max(len(texts), 1),
    }


def _recall() -> pl.DataFrame:
    sentences = pl.read_ndjson(SENTENCES)
    return (
        sentences.with_columns(found=addressing.is_addressed(sentences["text"]))
        .group_by("part", maintain_order=True)
        .agg(pl.len().alias("sentences"), pl.col("found").sum(), share=100 * pl.col("found").mean())
    )


def _files(folder: Path) -> Iterator[tuple[str, pl.Series]]:
    for path in sorted([*folder.rglob("*.parquet"), *folder.rglob("*.jsonl")]):
        frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_ndjson(path)
        texts = [text for column in frame.get_columns() for text in _texts(column)]
        if texts:
            yield path.name, pl.concat(texts).drop_nulls().unique(maintain_order=True)
    prose = pl.Series("text", list(_paragraphs(folder)), dtype=pl.String)
    if len(prose):
        yield "sources and documents", prose.unique(maintain_order=True)


def _paragraphs(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(PROSE) and path.is_file() and path.stat().st_size < LONGEST:
            whole = path.read_bytes().decode("utf-8", "replace")
            yield from (text for text in re.split(r"\n\s*\n", whole) if len(text) > 40)


def _texts(column: pl.Series) -> Iterator[pl.Series]:
    """The texts of a column of strings, of lists or of records."""
    if column.dtype == pl.String:
        yield column.alias("text")
    elif isinstance(column.dtype, pl.List):
        yield from _texts(column.explode(empty_as_null=True))
    elif isinstance(column.dtype, pl.Struct):
        for name in column.struct.fields:
            yield from _texts(column.struct.field(name))


if __name__ == "__main__":
    main()
