"""The whole audit: sample time, repeated run, `--help`, and how 2,000 outputs spend time and memory.

    python -m benchmarks.audit [--outputs 2000] [--skip-sample]

Prints each figure beside its limit. The synthetic outputs are the bundled sample's, copied with a case number
in every sentence, so that no copy is answered from a cache. Time in forward passes is measured inside the
audit's own process, around every top-level call of a PyTorch module.

On a machine that does other work, wall times mean nothing: the shares and ratios are of processor time, which
wall times equal on a quiet one (OMP_NUM_THREADS=1 keeps waiting threads out of it). What a night costs
besides its outputs (imports, validation of each day) is the same for few and many outputs, so two sizes also
tell the cost of one more output, and from it what 2,000 take.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "data" / "samples"
ISSUE_OUTPUTS = 2_000
"""The size that the limits are written for."""

INSTRUMENTED = """
import json, resource, sys, time
spent = {"forward": 0.0, "validation": 0.0}
busy = []
from flows.commands import cli
import tasks
def timed(function, name):
    def call(*a, **k):
        if busy:
            return function(*a, **k)
        busy.append(name)
        started = time.process_time()
        try:
            return function(*a, **k)
        finally:
            busy.pop()
            spent[name] += time.process_time() - started
    return call
import torch
from tasks.gate.validate import Validator
torch.nn.Module.__call__ = timed(torch.nn.Module.__call__, "forward")
Validator.check = timed(Validator.check, "validation")
started, begun = time.perf_counter(), time.process_time()
code = cli.main(sys.argv[1:])
wall, cpu = time.perf_counter() - started, time.process_time() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
measured = {"code": code, "wall_s": wall, "cpu_s": cpu, "forward_s": spent["forward"],
            "validation_s": spent["validation"], "peak_gib": peak}
print(json.dumps(measured), file=sys.stderr)
"""


def copies(folder: Path, count: int) -> Path:
    """A configuration over `count` outputs made from the sample's."""
    records = []
    for file in sorted((SAMPLE / "outputs").glob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            records += [json.loads(line) for line in lines]
    with gzip.open(folder / "outputs.jsonl.gz", "wt", encoding="utf-8", compresslevel=1) as out:
        for number in range(count):
            text = json.dumps(records[number % len(records)], ensure_ascii=False)
            record = json.loads(re.sub(r"(?<=[a-z])\. ", f" in case {number}. ", text))
            record["trace"]["id"] += f"-{number}"
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
    config = (SAMPLE / "claimledger.toml").read_text("utf-8")
    config = config.replace('path = "outputs/*.jsonl.gz"', f'path = "{folder}/outputs.jsonl.gz"')
    config = config.replace('path = "corpus"', f'path = "{SAMPLE}/corpus"')
    (folder / "claimledger.toml").write_text(config, "utf-8")
    return folder / "claimledger.toml"


def instrumented(*arguments: str) -> dict[str, float]:
    """Runs one command in a process that measures itself."""
    done = subprocess.run(
        [sys.executable, "-c", INSTRUMENTED, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stderr.strip().splitlines()[-1])


def only_avx2() -> bool:
    """Whether the processor has neither bf16 nor VNNI, or torch is kept from them."""
    import torch

    has = torch.cpu.get_capabilities().get
    newer = any(map(has, ("avx512_bf16", "avx512_vnni", "avx_vnni", "amx_int8")))
    return os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() == "AVX2" or not newer


def wall(*arguments: str) -> float:
    """Wall time of one command as a process, in seconds."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "flows.commands.cli", *arguments], check=True, capture_output=True, cwd=ROOT
    )
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", type=int, default=2000)
    parser.add_argument("--skip-sample", action="store_true")
    options = parser.parse_args()
    results: dict[str, object] = {"machine": platform.processor() or platform.machine()}

    def show(name: str, value: float, limit: float, unit: str, at_least: bool = False) -> None:
        results[name] = round(value, 3)
        verdict = value >= limit if at_least else value <= limit
        relation = "at least" if at_least else "at most"
        print(f"{name:42} {value:9.2f} {unit:6} {relation} {limit:g}: {'yes' if verdict else 'NO'}")

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if not options.skip_sample:
            sample = [
                "audit",
                "--quiet",
                "--config",
                str(SAMPLE / "claimledger.toml"),
                "--lake",
                f"{folder}/s",
            ]
            show("--help", min(wall("--help") for _ in range(5)), 0.5, "s")
            show("sample audit, first run", wall(*sample), 240 if only_avx2() else 120, "s")
            show("sample audit, repeated", wall(*sample), 5, "s")
        runs = []
        for count in (options.outputs, 2 * options.outputs):
            place = folder / str(count)
            place.mkdir()
            config = copies(place, count)
            runs.append(
                instrumented("audit", "--quiet", "--config", str(config), "--lake", str(place / "lake"))
            )
            share = runs[-1]["forward_s"] / runs[-1]["cpu_s"]
            print(f"{count} outputs: {runs[-1]}")
            show(f"{count} outputs: share in forward passes", share, 0.75, "", at_least=True)
            show(f"{count} outputs: peak memory", runs[-1]["peak_gib"], 3.0, "GiB")
        small, large = runs
        show("doubling the outputs: time", large["cpu_s"] / small["cpu_s"], 2.2, "times")
        show("doubling the outputs: memory", large["peak_gib"] / small["peak_gib"], 1.2, "times")
        each = {k: (large[k] - small[k]) / options.outputs for k in ("cpu_s", "forward_s")}
        whole = {k: small[k] + each[k] * (ISSUE_OUTPUTS - options.outputs) for k in each}
        print(f"one more output: {each['cpu_s']:.3f} s, of which forward passes {each['forward_s']:.3f} s")
        show(
            "2,000 outputs by this line: share in forward passes",
            whole["forward_s"] / whole["cpu_s"],
            0.75,
            "",
            True,
        )
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
