"""Spans a second from OTLP JSON, pulled and written, beside bare parsing of the same bytes in the same run.

`python benchmarks/otlp.py TRACES` writes so many traces of five spans (an agent, a retriever of three
documents, a tool, two calls of a model; 1.4 kB a span) into files of 2,000, and reads them three times by one
process and, from 20,000 traces on, by two. Prints the best of wall clock and of the processor time of all
processes: on a busy machine only the second says something, and only beside that of bare parsing.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = int(datetime(2026, 11, 19, 12, tzinfo=UTC).timestamp() * 1e9)
WORDS = ("the", "reactor", "at", "Harwick", "was", "opened", "in", "1987", "and", "treats", "forty", "litres")


def text(number: int, words: int) -> str:
    return " ".join(WORDS[(number * 7 + at) % len(WORDS)] for at in range(words)) + f" {number}."


def span(
    trace: int, number: int, parent: int | None, name: str, **attributes: str | int
) -> dict[str, object]:
    start = START + trace * 10**6 + number * 10**5
    plain = {
        "traceId": f"{trace:032x}", "spanId": f"{trace * 8 + number + 1:016x}", "flags": 256, "name": name,
        "kind": 1,
        "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 10**9 - number * 10**6), "status": {},
        "attributes": [
            {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue":
            value}} for key, value in attributes.items()
        ],
    }  # fmt: skip
    return plain if parent is None else {**plain, "parentSpanId": f"{trace * 8 + parent + 1:016x}"}


def spans(trace: int) -> list[dict[str, object]]:
    """One answer."""
    question, answer = text(trace, 12), text(trace + 1, 80)
    asked = json.dumps([{"role": "user", "parts": [{"type": "text", "content": question}]}])
    told = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": answer}]}])
    documents = {f"retrieval.documents.{n}.document.content": text(trace + n, 60) for n in range(3)}
    documents |= {f"retrieval.documents.{n}.document.id": f"doc-{n}" for n in range(3)}
    kind = "openinference.span.kind"
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "gen_ai.provider.name": "x"}
    return [
        span(trace, 1, 0, "retrieve", **{kind: "RETRIEVER", "input.value": question, **documents}),
        span(trace, 2, 0, "lookup", **{kind: "TOOL", "tool.name": "lookup", "output.value": text(trace, 40)}),
        span(
            trace,
            3,
            0,
            "chat m-1",
            **call,
            **{"gen_ai.input.messages": asked, "gen_ai.usage.input_tokens": 12},
        ),
        span(
            trace,
            4,
            0,
            "chat m-1",
            **call,
            **{"gen_ai.input.messages": asked, "gen_ai.output.messages": told},
        ),
        span(trace, 0, None, "agent", **{kind: "AGENT", "input.value": question, "output.value": answer}),
    ]


def write(folder: Path, traces: int) -> None:
    """Files of lines of 100 spans."""
    for first in range(0, traces, 2_000):
        with (folder / f"{first:08d}.jsonl").open("w") as stream:
            for trace in range(first, min(first + 2_000, traces), 20):
                batch = [each for at in range(trace, trace + 20) for each in spans(at)]
                scope = {"scope": {"name": "demo"}, "spans": batch}
                stream.write(json.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": [scope]}]}) + "\n")


def faster(best: tuple[float, float], begin: tuple[float, float]) -> tuple[float, float]:
    """The better one of each of wall clock and processor time."""
    now = clocks()
    return min(best[0], now[0] - begin[0]), min(best[1], now[1] - begin[1])


def clocks() -> tuple[float, float]:
    """Wall clock, and processor time of this process and those that it ended."""
    return time.perf_counter(), sum(os.times()[:4])


def main(traces: int) -> None:
    import orjson

    from tasks.files.limits import LimitSettings
    from tasks.lake.store import Lake
    from tasks.sources.otlp import OtlpSettings
    from tasks.sources.pull import pull_sources
    from tasks.sources.span_crew import can_help

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "in").mkdir()
        write(folder / "in", traces)
        size = sum(file.stat().st_size for file in (folder / "in").iterdir())
        numbers = (1, 2) if can_help(2, size) else (1,)
        best = {"bare": (1e9, 1e9), **{f"pull by {n}": (1e9, 1e9) for n in numbers}}
        for attempt, number in product(range(3), numbers):
            begin = clocks()
            for file in sorted((folder / "in").iterdir()):
                for line in file.read_bytes().splitlines():
                    orjson.loads(line)
            best["bare"] = faster(best["bare"], begin)
            lake = Lake.open(str(folder / f"lake-{attempt}-{number}"))
            begin = clocks()
            pulled = pull_sources(
                (OtlpSettings(name="s", kind="otlp", path=str(folder / "in")),), LimitSettings(), lake,
                unit_outputs=500, retries=0, refused_share=0.5, run_id="0" * 64, now=NOW, since=None,
                until=None, processes=number,
            )  # fmt: skip
            best[f"pull by {number}"] = faster(best[f"pull by {number}"], begin)
            assert (pulled.outputs, pulled.records_in, pulled.problems) == (traces, traces * 5, [])
        peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
        print(f"{traces * 5} spans, {size / 2**20:.0f} MiB, best of 3, peak memory {peak:.0f} MiB")
        for name, (wall, processor) in best.items():
            speeds = traces * 5 / wall, traces * 5 / processor
            ratio = f"{processor / best['bare'][1]:5.1f} times that of bare parsing"
            print(
                f"{name:9} {speeds[0]:9.0f} spans/s of wall clock {speeds[1]:9.0f} of processor time, {ratio}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
