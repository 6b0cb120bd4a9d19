"""Claim: `claimledger score` judges pairs at least 4 times as fast as `CrossEncoder.predict`, and spends at
least 85% of its time in forward passes.

    python -m benchmarks.scoring_speed PAIRS.parquet … [--rows 400] [--rounds 3] [--threads 0] [--json FILE]
    python -m benchmarks.scoring_speed --memory 1000000 [--model constant]

Compared in one run, in alternating rounds, medians of CPU seconds reported, because wall time says more about
a machine's other work: the whole of `score_file` with the verifier; `CrossEncoder.predict` of
sentence-transformers as shipped, in fp32, with a classifier of the same shape (its weights drawn at random:
its answers mean nothing, its time does); the bare forward passes over the same padded
tokens. With `--kernels`, every kernel (float32, bfloat16, int8) over the same pairs: time, and how far its
answers are from float32.

`--memory N` streams N made pairs through `score_file` and prints the process's peak; `--model constant`
leaves the forward passes out, so that a million pairs take minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.verify import metrics
from tasks.verify.load import load
from tasks.verify.parameters import ScoringParameters, VerifierSettings
from tasks.verify.protocol import Scores

KERNELS = ("float32", "bfloat16", "int8")


def classifier(folder: Path) -> Path:
    """A three-way classifier of the embedded encoder's shape, its weights random, saved as any other is."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from tasks.evidence.models import DEFAULT, locate

    base = locate(DEFAULT)
    config = BertConfig.from_pretrained(base, num_labels=3)
    BertForSequenceClassification(config).save_pretrained(folder)
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
    started = time.process_time()
    run()
    return time.process_time() - started


class Constant:
    """A verifier that answers at once: what is left is reading, explaining and writing."""

    name = "constant"
    fingerprint = "0" * 64

    def score(self, claims: Any, passages: Any, progress: Any = None) -> Scores:  # noqa: ARG002
        ones = np.ones(len(claims), np.int32)
        return Scores(np.tile([0.2, 0.3, 0.5], (len(claims), 1)), ones, ones, ones)


def memory(count: int, model: str) -> None:
    """Streams `count` distinct pairs of some 40 words and prints the peak of resident memory."""
    from tasks.verify.score import score_file

    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "pairs.parquet", Path(scratch) / "out.parquet"
        n = pl.int_range(count, eager=True).alias("n").to_frame()
        text = "The plant number {} has {} reactors in service, and the town of Harwick counts {} people."
        n.select(
            claim=pl.format("Plant {} has {} reactors.", "n", pl.col("n") % 90),
            evidence=pl.format(text, "n", pl.col("n") % 97, pl.col("n") * 7),
        ).write_parquet(source, row_group_size=50_000)
        settings = (
            ScoringParameters()
            if model == "constant"
            else ScoringParameters(verifier=VerifierSettings(model=model))
        )
        verifier: Any = Constant() if model == "constant" else None
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.time()
        done = score_file(source, target, settings, verifier=verifier)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = {
            "rows": done.rows_out,
            "model": model,
            "peak_gib": round(peak / 2**20, 2),
            "peak_before_scoring_gib": round(before / 2**20, 2),
            "cpu_s": round(time.process_time(), 1),
            "wall_s": round(time.time() - started, 1),
            "share_of_limit": round(peak / 2**20 / 3, 2),
        }
        print(json.dumps(result))


def kernels(frame: pl.DataFrame, model: str, threads: int) -> list[dict[str, Any]]:
    """CPU seconds of each kernel, and what its answers lose against float32."""
    rows: list[dict[str, Any]] = []
    reference = None
    truth = (frame["label"] != "supported").to_numpy() * 1
    for kernel in KERNELS:
        verifier = load(VerifierSettings(model=model, dtype=kernel), threads=threads)
        claims, evidence = frame["claim"].to_list(), frame["evidence"].to_list()
        verifier.score(claims[:16], evidence[:16])
        answers: list[Any] = []
        took = seconds(lambda v=verifier, c=claims, e=evidence, a=answers: a.append(v.score(c, e)))
        p = answers[0].probabilities
        reference = p if reference is None else reference
        rows.append(
            {
                "kernel": kernel,
                "cpu_s": round(took, 2),
                "balanced_accuracy": round(metrics.balanced_accuracy(truth, (p[:, 0] < 0.5) * 1, 2), 4),
                "verdicts_changed": round(float((p.argmax(1) != reference.argmax(1)).mean()), 4),
                "mean_difference": round(float(np.abs(p - reference).mean()), 5),
                "largest_difference": round(float(np.abs(p - reference).max()), 4),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", nargs="*", type=Path)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--model", default="minilm-l6-claims")
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--kernels", action="store_true", help="Compare the kernels too.")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.memory:
        memory(arguments.memory, arguments.model)
        return
    import torch
    from sentence_transformers import CrossEncoder

    from tasks.verify.score import score_file
    from training.pairs import read_pairs

    threads = arguments.threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    frame = read_pairs(arguments.pairs).sample(arguments.rows, seed=1, shuffle=True)
    settings = ScoringParameters(verifier=VerifierSettings(model=arguments.model))
    verifier: Any = load(settings.verifier, threads=threads)
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "pairs.parquet", Path(scratch) / "out.parquet"
        frame.select("claim", "evidence").write_parquet(source)
        shipped = CrossEncoder(str(classifier(Path(scratch) / "model")), device="cpu", max_length=512)
        rows = frame.select("evidence", "claim").rows()
        network = verifier._network
        recorder = Recorder(network._model.backend)
        network._model = replace(network._model, backend=recorder)
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
    result: dict[str, Any] = {
        "rows": frame.height,
        "mean_evidence_characters": round(float(frame["evidence"].str.len_chars().mean() or 0.0), 1),
        "tokens_forwarded": int(sum(b[1].sum() for b in batches)),
        "threads": threads,
        "load_average": round(os.getloadavg()[0], 1),
        "pairs_per_cpu_second": round(frame.height / middle["score"], 2),
        "predict_pairs_per_cpu_second": round(frame.height / middle["predict"], 2),
        "times_as_fast_as_predict": round(middle["predict"] / middle["score"], 2),
        "share_of_forward_passes": round(middle["forward"] / middle["score"], 3),
        "machine": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores",
    }
    if arguments.kernels:
        result["kernels"] = kernels(frame, arguments.model, threads)
    print(json.dumps(result, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
