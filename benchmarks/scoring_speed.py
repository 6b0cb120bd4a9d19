"""Claim: `claimledger score` judges pairs at least 4 times as fast as `CrossEncoder.predict`, and spends at
least 85% of its time in forward passes.

    python benchmarks/scoring_speed.py PAIRS.parquet [--rows 400] [--rounds 3] [--threads 0] [--json FILE]

Compared in one run, in alternating rounds, medians reported: the whole of `score_file` with the default
verifier; `CrossEncoder.predict` of sentence-transformers as shipped, in fp32, with a classifier of the same
size (the same encoder and a head drawn at random: its answers mean nothing, its time does); and the bare
forward passes of the chosen kernel over the same padded tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tasks.settings import Settings
from tasks.train import read_pairs
from tasks.verifier import load


def classifier(folder: Path) -> Path:
    """A three-way classifier around the embedded encoder, saved as any published one is."""
    from transformers import AutoTokenizer, BertForSequenceClassification

    from tasks.models import DEFAULT, _locate

    base = _locate(DEFAULT)
    BertForSequenceClassification.from_pretrained(base, num_labels=3).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


class Recorder:
    """A backend that remembers its batches, so that they can be run again alone."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.batches: list[tuple[Any, Any, Any]] = []

    def forward(self, *batch: Any) -> Any:
        self.batches.append(batch)
        return self.backend.forward(*batch)


def seconds(run: Any) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", nargs="+", type=Path)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    import torch
    from sentence_transformers import CrossEncoder

    from tasks.score import score_file

    threads = arguments.threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    frame = read_pairs(arguments.pairs).sample(arguments.rows, seed=1, shuffle=True)
    settings = Settings()
    verifier: Any = load(settings.verifier, threads=threads)
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "pairs.parquet", Path(scratch) / "out.parquet"
        frame.select("claim", "evidence").write_parquet(source)
        shipped = CrossEncoder(str(classifier(Path(scratch) / "model")), device="cpu", max_length=512)
        rows = frame.select("evidence", "claim").rows()
        recorder = Recorder(verifier._network._backend)
        verifier._network._backend = recorder
        times: dict[str, list[float]] = {"score": [], "predict": [], "forward": []}
        shipped.predict(rows[:32])
        score_file(source, target, settings, verifier=verifier)
        for _ in range(arguments.rounds):
            recorder.batches.clear()
            times["score"].append(seconds(lambda: score_file(source, target, settings, verifier=verifier)))
            batches = list(recorder.batches)
            times["forward"].append(
                seconds(lambda given=batches: [recorder.backend.forward(*b) for b in given])
            )
            times["predict"].append(seconds(lambda: shipped.predict(rows)))
    middle = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "rows": frame.height,
        "mean_evidence_characters": round(float(frame["evidence"].str.len_chars().mean() or 0.0), 1),
        "tokens_forwarded": int(sum(b[1].sum() for b in batches)),
        "threads": threads,
        "pairs_per_second": round(frame.height / middle["score"], 2),
        "predict_pairs_per_second": round(frame.height / middle["predict"], 2),
        "times_as_fast_as_predict": round(middle["predict"] / middle["score"], 2),
        "share_of_forward_passes": round(middle["forward"] / middle["score"], 3),
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores",
    }
    print(json.dumps(result, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
