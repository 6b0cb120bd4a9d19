"""What an audit of the bundled sample finds of what was planted in it, and what it says of true statements.

    claimledger audit --config data/samples/claimledger.toml --lake LAKE
    python -m benchmarks.sample LAKE

Prints a Markdown table. *Found* is, for an error: its claim is not supported; for confidential data: a
finding of its kind in the answer; for an abstention: a claim of that kind; for courtesies and reasoning:
nothing in them was judged. *Verdict right* is an error with exactly the verdict of its label.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import polars as pl

GOLD = Path(__file__).resolve().parent.parent / "data" / "samples" / "gold"
UNJUDGED = ("courtesy", "reasoning")


def labels(name: str) -> pl.DataFrame:
    """A file of labels."""
    data = (GOLD / name).read_bytes()
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
    return pl.DataFrame([json.loads(line) for line in text.splitlines()], infer_schema_length=None)


def judged(lake: str) -> pl.DataFrame:
    """source_id, text, kind and verdict (null where nothing was judged) of every claim."""
    outputs, claims, verdicts = (
        pl.read_parquet(f"{lake}/tables/{table}/**/*.parquet") for table in ("outputs", "claims", "verdicts")
    )
    latest = verdicts.sort("verified_at").unique("claim_id", keep="last")
    return (
        claims.join(outputs.select("output_id", "source_id"), on="output_id")
        .join(latest.select("claim_id", "verdict"), on="claim_id", how="left")
        .select("source_id", "text", claim_kind="kind", said="verdict")
    )


def leaks(lake: str) -> pl.DataFrame:
    """source_id and kind of every finding, called as the labels call it."""
    outputs = pl.read_parquet(f"{lake}/tables/outputs/**/*.parquet").select("output_id", "source_id")
    findings = pl.read_parquet(f"{lake}/tables/findings/**/*.parquet").join(outputs, on="output_id")
    return findings.select("source_id", kind=pl.format("confidential {}", "kind")).unique()


def found(lake: str) -> pl.DataFrame:
    """The planted rows with `is_found` and `is_right`; a claim that the audit lists nowhere is not found."""
    rows = labels("planted.jsonl").with_row_index("row")
    said = rows.join(judged(lake), on="source_id", how="left").filter(
        pl.col("claim").str.contains(pl.col("text"), literal=True)
    )
    per_row = said.group_by("row").agg(
        judged=pl.col("said").drop_nulls().len(),
        unsupported=(pl.col("said") != "supported").any(),
        exact=(pl.col("said") == pl.col("verdict")).any(),
        abstained=(pl.col("claim_kind") == "abstention").any(),
    )
    leaked = leaks(lake).with_columns(leaked=True)
    kind = pl.col("kind")
    return (
        rows.join(per_row, on="row", how="left")
        .join(leaked, on=["source_id", "kind"], how="left")
        .with_columns(
            is_found=pl.when(kind.is_in(UNJUDGED))
            .then(pl.col("judged").fill_null(0) == 0)
            .when(kind.str.starts_with("confidential"))
            .then(pl.col("leaked").fill_null(False))
            .when(kind.str.ends_with("abstention"))
            .then(pl.col("abstained").fill_null(False))
            .otherwise(pl.col("unsupported").fill_null(False)),
            is_right=pl.col("exact").fill_null(False),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lake")
    lake = parser.parse_args().lake
    rows = found(lake)
    is_error = pl.col("verdict").is_in(["contradicted", "insufficient"]) & ~pl.col("kind").str.starts_with(
        "conf"
    )
    table = rows.group_by("kind", maintain_order=True).agg(
        planted=pl.len(), found=pl.col("is_found").sum(), right=(pl.col("is_right") & is_error).sum(),
        is_error=is_error.first(),
    )  # fmt: skip
    print("| planted | of them | found | verdict right |\n|---|---:|---:|---:|")
    for kind, planted, hits, right, error in table.sort(
        "is_error", "kind", descending=[True, False]
    ).iter_rows():
        print(f"| {kind} | {planted} | {hits} | {right if error else ''} |")
    errors = rows.filter(is_error)
    print(f"| **all errors** | {errors.height} | {errors['is_found'].sum()} | {errors['is_right'].sum()} |")
    true = labels("true.jsonl.gz").join(
        judged(lake), left_on=["source_id", "claim"], right_on=["source_id", "text"], how="left"
    )
    said = true.filter(pl.col("said").is_not_null())
    share = (said["said"] == "supported").mean()
    print(f"\nTrue statements: {true.height}, judged {said.height}, of them supported {share:.1%}.")
    print(said["said"].value_counts().sort("said"))


if __name__ == "__main__":
    main()
