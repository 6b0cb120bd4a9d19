"""Which sentence splitter? Boundary F1 on hand-checked text, and speed, for three kept libraries.

    pip install '.[bench]'
    python -m benchmarks.sentences            # table for people
    python -m benchmarks.sentences --errors   # with every wrong boundary of the splitter in use

A boundary is the place after the last visible character of a sentence; the end of a text is not counted,
since no splitter can miss it. Speed is the median of five passes over 2 MB of the same texts, one at a time.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

Spans = list[tuple[int, int]]
DATA = Path(__file__).parent.parent / "tests" / "data"
SETS = {
    "hand-checked": "sentences.jsonl",
    "unseen (written after the rules were fixed)": "sentences_unseen.jsonl",
}


def candidates() -> dict[str, Callable[[str], Spans]]:
    import blingfire
    import nupunkt
    import sentencex

    from tasks.text.boundaries import mend
    from tasks.text.sentences import segmenter

    def by_sentencex(text: str) -> Spans:
        return [(b["start_index"], b["end_index"]) for b in sentencex.get_sentence_boundaries("en", text)]

    def by_blingfire(text: str) -> Spans:
        return list(blingfire.text_to_sentences_and_offsets(text)[1])

    def by_nupunkt(text: str) -> Spans:
        return list(nupunkt.sent_spans(text))

    raw = {"sentencex": by_sentencex, "nupunkt": by_nupunkt, "blingfire": by_blingfire}
    mended = {f"{n} + rules": lambda text, split=split: mend(text, split(text)) for n, split in raw.items()}
    return {**raw, **mended, "tasks.text.sentences (in use)": segmenter()}


def boundaries(text: str, spans: Spans) -> set[int]:
    ends = {start + len(text[start:end].rstrip()) for start, end in spans if text[start:end].strip()}
    return ends - {len(text.rstrip())}


def main() -> None:
    for title, file in SETS.items():
        print(f"\n{title}: {file}")
        measure([json.loads(line) for line in (DATA / file).read_text("utf-8").splitlines()])


def measure(rows: list[dict[str, Any]]) -> None:
    volume = [row["text"] for row in rows]
    size = sum(len(text.encode()) for text in volume)
    rounds = max(1, 2_000_000 // size)
    print(f"{len(rows)} texts, {sum(len(r['spans']) for r in rows)} sentences, {rounds * size / 1e6:.1f} MB")
    print(f"{'splitter':26} {'precision':>9} {'recall':>7} {'F1':>7} {'texts right':>12} {'MB/s':>7}")
    for name, split in candidates().items():
        hit = extra = missed = right = 0
        by_topic: dict[str, int] = defaultdict(int)
        by_language: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        wrong: list[str] = []
        for row in rows:
            gold, ends = boundaries(row["text"], row["spans"]), boundaries(row["text"], split(row["text"]))
            hit += len(gold & ends)
            extra += len(ends - gold)
            missed += len(gold - ends)
            right += gold == ends
            by_topic[row["topic"]] += len(gold ^ ends)
            by_language[row["language"]][0] += len(gold & ends)
            by_language[row["language"]][1] += len(gold ^ ends)
            for end in sorted(gold ^ ends):
                wrong.append(f"  {'+' if end in ends else '-'} {row['text'][max(0, end - 25) : end]!r}")
        precision, recall = hit / max(1, hit + extra), hit / (hit + missed)
        f1 = 2 * precision * recall / (precision + recall)
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(rounds):
                for text in volume:
                    split(text)
            seconds.append(time.perf_counter() - began)
        speed = rounds * size / 1e6 / statistics.median(seconds)
        print(f"{name:26} {precision:9.3f} {recall:7.3f} {f1:7.3f} {right:5d} of {len(rows):3d} {speed:7.1f}")
        if "in use" in name:
            figures = {own: 2 * a / max(1, 2 * a + b) for own, (a, b) in sorted(by_language.items())}
            print("  F1 by language:", "  ".join(f"{own} {value:.2f}" for own, value in figures.items()))
        if "--errors" in sys.argv:
            print("  wrong by topic:", {t: n for t, n in by_topic.items() if n})
            print("\n".join(wrong))


if __name__ == "__main__":
    main()
