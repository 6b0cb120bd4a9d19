"""Claim: HTML documents are read at megabytes a second, and hostile ones end at their budget.

    python -m benchmarks.documents [FOLDER]

Reads made pages (or the .html files of FOLDER) and prints MB per second of processor time of (1) the bare
parser, (2) the reader within this process, (3) the standard library's bare parser, which it replaced, and
their ratios; then, by the clock and through the child process, what each hostile document costs.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

WORDS = [
    "warranty",
    "the",
    "pump",
    "lasts",
    "months",
    "of",
    "every",
    "plant",
    "42",
    "Ångström",
    "in",
    "service",
]
HOSTILE = {
    "24 kB of `<a `": ".html",
    "64 MB of paragraphs": ".html",
    "64 MB of `<a `": ".html",
    "100,000 nested div": ".html",
    "1,000,000 attributes": ".html",
    "unclosed comment, 8 MB": ".html",
    "unclosed quote, 8 MB": ".html",
    "entities, 8 MB": ".html",
    "page tree that loops": ".pdf",
    "page that unpacks to 400 MB": ".pdf",
}


def page(source: random.Random) -> str:
    """A page of some 40 kB as documentation has them: prose with links, a list, a table, navigation."""

    def text(count: int) -> str:
        return " ".join(source.choices(WORDS, k=count))

    body = []
    for _ in range(40):
        body.append(
            f'<h2 class="title">{text(4)}</h2><p class="body">{text(60)} <a href="/x/y">{text(2)}</a>.</p>'
        )
        body.append(f"<p>{text(40)} <b>{text(1)}</b> {text(20)}.</p>")
    rows = "".join(f"<tr><td>{text(2)}</td><td>{text(3)}</td></tr>" for _ in range(30))
    items = "".join(f'<li><a href="/z">{text(3)}</a></li>' for _ in range(40))
    return (
        f"<!DOCTYPE html><html><head><title>{text(3)}</title><style>.x{{display:none}}</style></head><body>"
        f"<nav><ul>{items}</ul></nav><main>{''.join(body)}<table><tr><th>A<th>B</tr>{rows}</table></main>"
        f"<footer>{text(20)}</footer></body></html>"
    )


def hostile(name: str) -> bytes:
    from tests.support.documents import bomb_pdf, looping_pdf

    made: dict[str, Callable[[], bytes]] = {
        "24 kB of `<a `": lambda: b"<a " * 8_000,
        "64 MB of paragraphs": lambda: b"<p>hello world, some text</p>" * (64 * 2**20 // 29),
        "64 MB of `<a `": lambda: b"<a " * (64 * 2**20 // 3),
        "100,000 nested div": lambda: b"<div>" * 100_000,
        "1,000,000 attributes": lambda: b"<p " + b" ".join(b"a%d" % i for i in range(10**6)) + b">",
        "unclosed comment, 8 MB": lambda: b"<p>x<!--" + b"a" * 2**23,
        "unclosed quote, 8 MB": lambda: b'<p>x<p a="' + b"a" * 2**23,
        "entities, 8 MB": lambda: b"&amp;" * (2**23 // 5),
        "page tree that loops": looping_pdf,
        "page that unpacks to 400 MB": lambda: bomb_pdf(400 * 2**20),
    }
    return made[name]()


def rate(pages: list[str], work: Callable[[str], object]) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        for markup in pages:
            work(markup)
        best = min(best, time.process_time() - began)
    return sum(len(markup.encode()) for markup in pages) / best / 1e6


def main(folder: str | None) -> None:
    """Measures ordinary pages, then hostile documents."""
    from selectolax.lexbor import LexborHTMLParser

    from tasks.evidence import html_text
    from tasks.evidence.reading import Reader, ReadingLimits
    from tasks.files.refusal import Refusal

    source = random.Random(7)  # noqa: S311 - made text, no secret
    files = sorted(Path(folder).rglob("*.html"))[:300] if folder else []
    pages = [file.read_text("utf-8") for file in files] or [page(source) for _ in range(100)]
    bare = rate(pages, LexborHTMLParser)
    ours = rate(pages, lambda markup: html_text.read(markup.encode(), max_depth=512, main_only=True))
    peer = rate(pages, lambda markup: HTMLParser().feed(markup))
    print(f"bare parser {bare:.1f} MB/s, reader {ours:.1f} MB/s, standard library {peer:.1f} MB/s")
    print(
        f"reader: {ours / bare:.2f} of the bare parser, {ours / peer:.1f} times the standard library's parser"
    )
    limits = ReadingLimits(
        max_text_bytes=16 * 2**20,
        max_html_depth=512,
        max_seconds=30,
        max_memory_bytes=2 * 2**30,
        main_text_only=True,
    )
    with Reader(limits) as reader:
        for name, suffix in HOSTILE.items():
            data = hostile(name)
            began = time.perf_counter()
            try:
                end = f"{len(reader.read(suffix, data).text)} characters"
            except Refusal as refusal:
                end = f"{refusal.check}: {refusal.reason}"
            print(f"{name}: {time.perf_counter() - began:.2f} s, {end}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
