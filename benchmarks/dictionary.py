"""Reads a dictd dictionary as documents whose own sentences become contrast cases.

    python -m benchmarks.dictionary FILE.dict.dz OUT.parquet

For kinds of edit that labelled files hold too few sentences for, and of a source that nothing was trained
on: the Free On-line Dictionary of Computing (Debian's `dict-foldoc`, GFDL) is full of things that were
designed by somebody. OUT has the columns of labelled pairs, one row an article of two sentences or more.
"""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

import polars as pl

_ARTICLE = re.compile(r"\n(?=\S)")
_PARTS = re.compile(
    r"\[[^\]]*\]|\(\d{4}-\d\d-\d\d\)|<[^<>]{1,60}>|\{?\(https?:[^)]*\)\}?|^ *\d+\. ", re.MULTILINE
)
"""References, dates of the entry, fields of knowledge, links, numbers of senses."""


def articles(text: str) -> list[str]:
    """The running text of each article, without its headword and marks."""
    found = []
    for article in _ARTICLE.split(text):
        body = _PARTS.sub(" ", article.partition("\n")[2]).replace("{", "").replace("}", "").replace("__", "")
        found.append(re.sub(r"\s+", " ", body).strip(" ."))
    return [f"{body}." for body in found if body.count(". ") >= 1]


def main(file: Path, out: Path) -> None:
    """Writes the pairs."""
    texts = articles(gzip.decompress(file.read_bytes()).decode("utf-8", "replace"))
    frame = pl.DataFrame({"evidence": texts}).with_columns(
        dataset=pl.lit("dictionary"), claim=pl.col("evidence"), label=pl.lit("not_supported")
    )
    frame.write_parquet(out)
    print(f"{frame.height} articles in {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
