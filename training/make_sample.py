"""Makes the bundled sample from ExpertQA's real answers; the same input gives the same bytes.

    python -m training.make_sample PATH/TO/expertqa_outputs.jsonl

Writes `outputs/expertqa-SYSTEM.jsonl.gz` below data/samples, in the nested form that agent platforms export,
and `gold/claims.jsonl.gz` with the experts' labels, which no input file carries.

Rule of the assigned times: ExpertQA has none. An answer's second is its id (hexadecimal, modulo 30 days)
after 2026-10-20T00:00:00Z, so all of them lie before 2026-11-19T00:00:00Z.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parent.parent / "data" / "samples"
FIRST = datetime(2026, 10, 20, tzinfo=UTC)
SECONDS = 30 * 24 * 3600
MODELS = {"bing_chat": "bing-chat", "gpt4": "gpt-4"}
RETRIEVERS = {
    "rr_gs_gpt4": "google search, read before answering",
    "rr_sphere_gpt4": "Sphere corpus, read before answering",
    "post_hoc_gs_gpt4": "google search, cited after answering",
    "post_hoc_sphere_gpt4": "Sphere corpus, cited after answering",
    "bing_chat": "Bing",
}


def produced_at(identity: str) -> datetime:
    """The time that the rule assigns to an answer."""
    return FIRST + timedelta(seconds=int(identity, 16) % SECONDS)


def trace(row: dict[str, Any]) -> dict[str, Any]:
    """One answer as an agent platform would export it."""
    record: dict[str, Any] = {
        "trace": {"id": row["id"], "name": row["system"]},
        "timestamp": produced_at(row["id"]).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "agent": row["system"],
        "use_case": row["field"],
        "model": MODELS.get(row["system"], "gpt-4"),
        "input": {"question": row["question"]},
        "output": {"text": row["answer"]},
        "retrieval": {"documents": [{"content": c["text"], "source": c["uri"]} for c in row["contexts"]]},
        "tags": {"specific_field": row["specific_field"]},
    }
    if row["system"] in RETRIEVERS:
        record["tools"] = [{"name": "retrieval", "description": RETRIEVERS[row["system"]]}]
    return record


def gold(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The experts' labels of one answer's claims."""
    return [{"source_id": row["id"], "ordinal": i, **claim} for i, claim in enumerate(row["claims"])]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """JSON Lines, gzip without a time or a name inside, so that equal rows are equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    path.write_bytes(buffer.getvalue())


def main(source: Path, target: Path = SAMPLES) -> dict[str, int]:
    """Writes the sample below `target`; returns records per file."""
    rows = [json.loads(line) for line in source.read_text("utf-8").splitlines() if line.strip()]
    by_system: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda r: (produced_at(r["id"]), r["id"])):
        by_system[row["system"]].append(row)
    counts = {}
    for system, members in sorted(by_system.items()):
        name = f"outputs/expertqa-{system.replace('_', '-')}.jsonl.gz"
        write(target / name, [trace(row) for row in members])
        counts[name] = len(members)
    labels = [label for system in sorted(by_system) for row in by_system[system] for label in gold(row)]
    write(target / "gold" / "claims.jsonl.gz", labels)
    counts["gold/claims.jsonl.gz"] = len(labels)
    return counts


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m training.make_sample expertqa_outputs.jsonl [TARGET FOLDER]")
    for file_name, count in main(*(Path(argument) for argument in sys.argv[1:])).items():
        sys.stdout.write(f"{count:6d}  {file_name}\n")
