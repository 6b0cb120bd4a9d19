"""The door to the sentence splitter: sentencex, mended for agents' prose.

Our own rules are `boundaries.py`. Why this library: `docs/decisions/0002-sentence-splitter.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

LANGUAGE = "en"
"""sentencex's rules for English know the terminators of every script."""

WINDOW = 2000
"""Characters that the library sees at once: its time grows with the square of a paragraph's sentences.

Measured: 66,000 sentences of three Chinese characters took 69 s whole and 4 s in windows.
"""


@cache
def segmenter() -> Callable[[str], list[tuple[int, int]]]:
    """The splitter: text in, (start, end) of its sentences in Unicode characters out, trimmed, in order."""
    import sentencex

    from tasks.text.boundaries import mend, windows

    def segment(text: str) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        for start, end, is_whole in windows(text, WINDOW):
            parts = sentencex.get_sentence_boundaries(LANGUAGE, text[start:end])
            pieces = [(start + one["start_index"], start + one["end_index"]) for one in parts]
            if spans and pieces and not is_whole:
                pieces[0] = (spans.pop()[0], pieces[0][1])
            spans += pieces
        return mend(text, spans)

    return segment
