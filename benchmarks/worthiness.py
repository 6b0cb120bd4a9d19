"""Is a sentence a claim worth judging? Against experts' labels, and on texts that are claims for sure.

    python -m benchmarks.worthiness                     # the bundled sample's gold labels
    python -m benchmarks.worthiness EXPERTQA.jsonl      # all of ExpertQA's answers
    python -m benchmarks.worthiness PAIRS.parquet ...   # and how many claims of pair files are dropped
    python -m benchmarks.worthiness --list              # with the sentences that are not judged, to be read
    python -m benchmarks.worthiness --record            # writes results/worthiness.json

The sample's gold holds, sentence by sentence, whether an expert called it worth checking. A gold sentence
counts as judged where factual claims cover at least half of its letters. Precision is the share of judged
sentences that are worth it, recall the share of worthy ones that are judged. Experts also called plain facts
not worth checking, because everybody knows them: no rule about kinds of sentences can follow them there, and
none should, so recall counts before precision. Answers are halved by their id: `seen` was read while the
rules were written, `unseen` was not.
"""

from __future__ import annotations

import gzip
import json
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from tasks.claims.claims import ExtractParameters, extract
from tasks.text.sentences import segmenter
from tests.support.lake_frames import outputs_of
from training import make_sample

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "data" / "samples"
RESULT = Path(__file__).parent / "results" / "worthiness.json"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def claims(responses: Sequence[str]) -> pl.DataFrame:
    """`at` (the response's place), `start`, `end`, `kind`, `text` of every claim."""
    places = [f"{at:064x}" for at in range(len(responses))]
    outputs = outputs_of(responses).with_columns(output_id=pl.Series(places))
    run = extract(outputs, segmenter(), ExtractParameters(), run_id="r", now=NOW)
    at = pl.col("output_id").str.to_integer(base=16)
    return run.claims.select("start", "end", "kind", "text", at=at)


def sample(expertqa: Path | None) -> pl.DataFrame:
    """`id`, `response`, `text`, `worth` of every gold sentence that has a label."""
    if expertqa is None:
        records = [json.loads(line) for line in _lines(SAMPLE.glob("outputs/expertqa-*.jsonl.gz"))]
        gold = pl.DataFrame([json.loads(line) for line in _lines([SAMPLE / "gold" / "claims.jsonl.gz"])])
        frame = pl.DataFrame({"id": a["trace"]["id"], "response": a["output"]["text"]} for a in records)
    else:
        rows = [json.loads(line) for line in expertqa.read_text("utf-8").splitlines()]
        gold = pl.DataFrame([label for row in rows for label in make_sample.gold(row)])
        frame = pl.DataFrame({"id": row["id"], "response": row["answer"]} for row in rows)
    labelled = gold.filter(pl.col("worthiness").is_in(["Yes", "No"]))
    return frame.join(
        labelled.select("text", id="source_id", worth=pl.col("worthiness") == "Yes"),
        on="id",
        maintain_order="left",
    )


def _lines(files: Iterable[Path]) -> list[str]:
    return [line for file in sorted(files) for line in gzip.open(file, "rt", encoding="utf-8")]


def judged(gold: pl.DataFrame) -> pl.DataFrame:
    """The gold sentences found in their answers, with `share`, the part that factual claims cover."""
    responses = gold["response"].unique(maintain_order=True).to_list()
    found = claims(responses).filter(pl.col("kind") == "factual")
    spans = {at: rows.select("start", "end").rows() for (at,), rows in found.group_by("at")}
    places = {response: at for at, response in enumerate(responses)}
    shares = [
        _covered(response, text, spans.get(places[response], []))
        for response, text in gold.select("response", "text").iter_rows()
    ]
    return gold.with_columns(share=pl.Series(shares, dtype=pl.Float64)).drop_nulls("share")


def _covered(response: str, text: str, spans: Sequence[tuple[int, int]]) -> float | None:
    kept = [at for at, character in enumerate(response) if character.isalpha()]
    letters = "".join(filter(str.isalpha, text))
    first = "".join(response[at] for at in kept).find(letters)
    if first < 0 or not letters:
        return None
    own = kept[first : first + len(letters)]
    return sum(any(start <= at < end for start, end in spans) for at in own) / len(own)


def figures(rows: pl.DataFrame) -> dict[str, float | int]:
    """Precision, recall, and the share of each kind that is judged."""
    is_judged = pl.col("share") >= 0.5
    counts = rows.select(
        sentences=pl.len(),
        worthy=pl.col("worth").sum(),
        hits=(is_judged & "worth").sum(),
        judged=is_judged.sum(),
        vain=(is_judged & ~pl.col("worth")).sum(),
    ).row(0, named=True)
    return {
        "sentences": counts["sentences"],
        "precision": round(counts["hits"] / counts["judged"], 4),
        "recall": round(counts["hits"] / counts["worthy"], 4),
        "judged_of_not_worthy": round(counts["vain"] / (counts["sentences"] - counts["worthy"]), 4),
    }


def dropped(file: Path) -> tuple[float, pl.DataFrame]:
    """The share of a pair file's claims of which no part is judged, and the claims of those."""
    texts = pl.read_parquet(file)["claim"].unique().sort().to_list()
    found = claims(texts)
    kept = found.filter(pl.col("kind") == "factual")["at"].unique()
    rest = [text for at, text in enumerate(texts) if at not in set(kept)]
    return len(rest) / len(texts), found.filter(pl.col("text").is_in(rest)).select("kind", "text")


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    expertqa = next((Path(argument) for argument in arguments if argument.endswith(".jsonl")), None)
    began = time.perf_counter()
    rows = judged(sample(expertqa))
    is_seen = pl.col("id").str.slice(-1).is_in(list("01234567"))
    sets = {"seen": rows.filter(is_seen), "unseen": rows.filter(~is_seen), "all": rows}
    result: dict[str, object] = {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
    for name, part in sets.items():
        result[name] = figures(part)
        print(f"{name:8} {result[name]}")
    if "--list" in sys.argv:
        for worth, text in rows.filter(is_seen & (pl.col("share") < 0.5)).select("worth", "text").iter_rows():
            print("  worthy, not judged:" if worth else "  not judged:", " ".join(text.split())[:160])
    files = {}
    for file in (Path(argument) for argument in arguments if argument.endswith(".parquet")):
        share, lost = dropped(file)
        files[file.stem] = round(share, 5)
        print(f"{file.stem:28} {share:8.3%} of claims dropped")
        if "--list" in sys.argv:
            print("\n".join(f"    {kind}: {text[:160]}" for kind, text in lost.head(40).iter_rows()))
    if files:
        result["dropped"] = files
    if "--record" in sys.argv:
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
