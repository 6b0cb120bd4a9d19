"""Makes the bundled sample: ExpertQA's real answers, a corpus, and made answers with planted errors.

    python -m training.make_sample expertqa_outputs.jsonl docs.parquet [TARGET FOLDER]

Writes below data/samples: `outputs/AGENT.jsonl.gz` in the nested form that agent platforms export, `corpus/`
with the documents that help desk and handbook assistant answer from, and `gold/` with the labels, which no
input file carries. The same input gives the same bytes. What is made, and how, is in `sample_answers.py`.

Real answers: those that came with evidence, and of these the ones whose evidence has at most
`EVIDENCE_CHARACTERS`: the longest take most of an audit's time and show nothing that the others do not.

Rule of the assigned times: ExpertQA has none. An answer's second is its id (hexadecimal, modulo 30 days)
after 2026-10-20T00:00:00Z, so all of them lie before 2026-11-19T00:00:00Z.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from training import sample_answers, sample_corpus
from training.sample_answers import DAYS, FIRST

SAMPLES = Path(__file__).resolve().parent.parent / "data" / "samples"
SECONDS = DAYS * 24 * 3600
EVIDENCE_CHARACTERS = 2_750
"""Of all passages of one answer together."""
HEALTH = "Healthcare / Medicine"
MODEL = "gpt-4"
RETRIEVERS = {
    "rr_gs_gpt4": "google search, read before answering",
    "rr_sphere_gpt4": "Sphere corpus, read before answering",
    "post_hoc_gs_gpt4": "google search, cited after answering",
    "post_hoc_sphere_gpt4": "Sphere corpus, cited after answering",
}

Row = dict[str, Any]


def produced_at(identity: str) -> datetime:
    """The time that the rule assigns to an answer of ExpertQA."""
    return FIRST + timedelta(seconds=int(identity, 16) % SECONDS)


def is_kept(row: Row) -> bool:
    """Whether an answer of ExpertQA can be judged by its own evidence, and cheaply."""
    return 0 < sum(len(context["text"]) for context in row["contexts"]) <= EVIDENCE_CHARACTERS


def trace(row: Row) -> Row:
    """One answer of ExpertQA as an agent platform would export it."""
    return {
        "trace": {"id": row["id"], "name": row["system"]},
        "timestamp": produced_at(row["id"]).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "agent": row["system"],
        "use_case": "health questions" if row["field"] == HEALTH else "expert questions",
        "model": MODEL,
        "input": {"question": row["question"]},
        "output": {"text": row["answer"]},
        "retrieval": {"documents": [{"content": c["text"], "source": c["uri"]} for c in row["contexts"]]},
        "tags": {"origin": "ExpertQA", "field": row["field"], "specific_field": row["specific_field"]},
        "tools": [{"name": "retrieval", "description": RETRIEVERS[row["system"]]}],
    }


def gold(row: Row) -> list[Row]:
    """The experts' labels of one answer's claims."""
    return [{"source_id": row["id"], "ordinal": i, **claim} for i, claim in enumerate(row["claims"])]


def write(path: Path, rows: Sequence[Row]) -> int:
    """JSON Lines; .gz without a time or a name inside, so equal rows are equal bytes. Returns how many."""
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for row in rows]
    buffer = io.BytesIO()
    if path.suffix == ".gz":
        with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as stream:
            stream.writelines(lines)
    else:
        buffer.writelines(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return len(lines)


def main(expertqa: Path, documents: Path, target: Path = SAMPLES) -> dict[str, int]:
    """Writes the sample below `target`; returns records per file, and documents of the corpus."""
    rows = [json.loads(line) for line in expertqa.read_text("utf-8").splitlines() if line.strip()]
    return {
        **_real(sorted(filter(is_kept, rows), key=lambda r: (produced_at(r["id"]), r["id"])), target),
        **_made(pl.read_parquet(documents), target),
    }


def _real(rows: Sequence[Row], target: Path) -> dict[str, int]:
    by_system: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_system[row["system"]].append(row)
    systems = sorted(by_system.items())
    counts = {
        name: write(target / name, [trace(row) for row in members])
        for name, members in ((f"outputs/expertqa-{s.replace('_', '-')}.jsonl.gz", m) for s, m in systems)
    }
    labels = [label for _, members in systems for row in members for label in gold(row)]
    return counts | {"gold/claims.jsonl.gz": write(target / "gold/claims.jsonl.gz", labels)}


def _made(documents: pl.DataFrame, target: Path) -> dict[str, int]:
    counts = {"corpus": 0}
    planted: list[Row] = []
    true: list[Row] = []
    for agent in sample_answers.AGENTS:
        passages = sample_corpus.passages(documents, agent.source)
        counts["corpus"] += sample_corpus.write(passages, target / "corpus")
        made = sample_answers.answers(agent, passages)
        name = f"outputs/{agent.name}.jsonl.gz"
        counts[name] = write(target / name, made.traces)
        planted += made.planted
        true += made.true
    counts["gold/planted.jsonl"] = write(target / "gold/planted.jsonl", planted)
    return counts | {"gold/true.jsonl.gz": write(target / "gold/true.jsonl.gz", true)}


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: python -m training.make_sample expertqa_outputs.jsonl docs.parquet [TARGET FOLDER]")
    for file_name, count in main(*(Path(argument) for argument in sys.argv[1:])).items():
        sys.stdout.write(f"{count:6d}  {file_name}\n")
